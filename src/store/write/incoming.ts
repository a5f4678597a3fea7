/**
 * Sets that are being written. `.incoming/<setId>/` belongs to one run:
 *
 *   run.json                         whose it is
 *   attempts/<artifact path>/<n>/    one attempt at an artifact
 *   whole/<artifact path>/           artifacts that are complete
 *   publish.json                     the decision to publish (see publish.ts)
 */
import { randomUUID } from 'node:crypto';
import { readdir, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { HoldfastError, messageOf, systemCodeOf } from '../../base/errors.js';
import { isSameRun, type IsAlive, type RunIdentity } from '../../format/run-identity.js';
import {
  fsyncPath,
  mkdirDurably,
  pathExists,
  readTextIfExists,
  removeTree,
  writeFileDurably,
} from '../../base/files/durable.js';
import {
  INCOMING_DIRECTORY,
  kindOf,
  makeDirectoriesInside,
  resolveInside,
  SETS_DIRECTORY,
  type StoreOwnership,
} from '../layout.js';
import { journalFile, publishJournal } from './publish.js';
import { isSetId, nextSetId } from '../../format/set-id.js';
import { RUN_FILE, incomingSet } from './incoming-paths.js';

/** A beginning that was never finished is cleared away after this time. */
const ABANDONED_AFTER_MS = 3_600_000;

const runSchema = z.object({
  setId: z.string(),
  workflowId: z.string(),
  /** Not in those of earlier versions. */
  runId: z.string().optional(),
  begunAt: z.string(),
});
export type IncomingRun = z.output<typeof runSchema>;

/**
 * Takes an id for a set: the wished one, or the next free second. The same run gets the same id again,
 * until the set is published or discarded; what an earlier run of the same workflow id left is not its.
 * @throws HoldfastError INPUT_INVALID for a stamp that is not `YYYYMMDD_HHMMSS`
 */
export async function beginSet(
  root: string,
  run: RunIdentity & { readonly stamp: string },
): Promise<string> {
  if (!isSetId(run.stamp)) {
    throw new HoldfastError('INPUT_INVALID', `"${run.stamp}" is not a set id`, {
      facts: { stamp: run.stamp },
    });
  }
  const incoming = await makeDirectoriesInside(root, INCOMING_DIRECTORY);
  const known = await listIncoming(root);
  const own =
    known.find((one) => one.run?.runId === run.runId && isOf(one.run, run)) ??
    known.find((one) => isOf(one.run, run));
  if (own !== undefined) return own.setId;
  const used = await publishedIds(root);
  for (let setId = run.stamp; ; setId = nextSetId(setId)) {
    if (used.has(setId)) continue;
    if (await claim(incoming, setId, run)) return setId;
    // Someone was faster; it may have been an earlier attempt of this very run.
    const owner = await readRun(path.join(incoming, setId));
    if (isOf(owner, run)) return setId;
  }
}

function isOf(owner: IncomingRun | undefined, run: RunIdentity): boolean {
  return owner !== undefined && isSameRun(owner, run);
}

/** Makes `<incoming>/<setId>/` with its run file in one step, or not at all if it is there. */
async function claim(
  incoming: string,
  setId: string,
  { workflowId, runId }: RunIdentity,
): Promise<boolean> {
  const fresh = path.join(incoming, `.new-${randomUUID()}`);
  const run: IncomingRun = { setId, workflowId, runId, begunAt: new Date().toISOString() };
  await mkdirDurably(fresh, 0o750);
  try {
    await writeFileDurably(path.join(fresh, RUN_FILE), `${JSON.stringify(run)}\n`);
    // A directory is renamed over an empty one only, and a claimed one never is empty.
    await rename(fresh, path.join(incoming, setId));
    await fsyncPath(incoming);
    return true;
  } catch (error) {
    await removeTree(fresh);
    if (['ENOTEMPTY', 'EEXIST'].includes(systemCodeOf(error) ?? '')) return false;
    throw error;
  }
}

/**
 * Begins the incoming directory of a set that is published already, for another tier of it. The same
 * run may call it again. @throws HoldfastError STORE_UNSAFE when it is another run's
 */
export async function beginFurtherTier(
  root: string,
  run: RunIdentity & { readonly setId: string },
): Promise<void> {
  const directory = incomingSet(root, run.setId);
  const incoming = await makeDirectoriesInside(root, INCOMING_DIRECTORY);
  if (await claim(incoming, run.setId, run)) return;
  const owner = await readRun(directory);
  // A published set's id is nobody else's: an earlier run of this workflow id began the same tier.
  if (owner?.workflowId === run.workflowId) return;
  throw new HoldfastError('STORE_UNSAFE', `${directory} belongs to another run`, {
    facts: { path: directory, workflowId: owner?.workflowId ?? null },
  });
}

/**
 * Removes what an unfinished run wrote. Nothing there is fine, and so is a set of another run, or one
 * that is being published: those stay.
 */
export async function discardSet(
  root: string,
  { setId, ...own }: RunIdentity & { readonly setId: string },
): Promise<void> {
  const directory = incomingSet(root, setId);
  await resolveInside(root, path.relative(root, directory));
  const run = await readRun(directory);
  if (!isOf(run, own)) return;
  if (await pathExists(journalFile(root, setId))) return;
  await removeIncoming(directory);
}

export interface Recovered {
  /** Sets whose publishing was finished. */
  readonly published: readonly string[];
  /** Sets that were removed, or other remains. */
  readonly removed: readonly string[];
  /** Sets whose runs are alive: left alone. */
  readonly alive: readonly string[];
  /** Sets that were to be published and can't be: left as they are, for a person to look at. */
  readonly failed: readonly { readonly setId: string; readonly reason: string }[];
}

/**
 * Settles what dead runs left: a set that was to be published is published, others are removed.
 * `isAlive` is asked for every run; what it throws ends this before anything of that run is touched.
 */
export async function recoverIncoming(
  root: string,
  options: {
    readonly isAlive: IsAlive;
    readonly ownership?: StoreOwnership | undefined;
  },
): Promise<Recovered> {
  const published: string[] = [];
  const removed: string[] = [];
  const alive: string[] = [];
  const failed: { setId: string; reason: string }[] = [];
  for (const { name, setId, run } of await listIncoming(root)) {
    const directory = path.join(root, INCOMING_DIRECTORY, name);
    if (run === undefined) {
      if (!(await isAbandoned(directory))) continue;
      await removeIncoming(directory);
      removed.push(name);
    } else if (await options.isAlive(run)) {
      alive.push(setId);
    } else if (await pathExists(journalFile(root, setId))) {
      try {
        await publishJournal(root, setId, options.ownership);
        published.push(setId);
      } catch (error) {
        // One set that can't be published must not keep all later backups from being made.
        failed.push({ setId, reason: messageOf(error) });
      }
    } else {
      await removeIncoming(directory);
      removed.push(setId);
    }
  }
  return { published, removed, alive, failed };
}

/** The run file goes last: until then the directory belongs to its run. */
async function removeIncoming(directory: string): Promise<void> {
  if ((await kindOf(directory)) !== 'directory') return;
  for (const name of await readdir(directory)) {
    if (name !== RUN_FILE) await removeTree(path.join(directory, name));
  }
  await removeTree(directory);
}

async function isAbandoned(directory: string): Promise<boolean> {
  return Date.now() - (await stat(directory)).mtimeMs > ABANDONED_AFTER_MS;
}

async function listIncoming(
  root: string,
): Promise<readonly { name: string; setId: string; run: IncomingRun | undefined }[]> {
  const incoming = await resolveInside(root, INCOMING_DIRECTORY);
  if ((await kindOf(incoming)) !== 'directory') return [];
  const found: { name: string; setId: string; run: IncomingRun | undefined }[] = [];
  for (const entry of await readdir(incoming, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const run = isSetId(entry.name) ? await readRun(path.join(incoming, entry.name)) : undefined;
    found.push({ name: entry.name, setId: entry.name, run });
  }
  return found.sort((left, right) => (left.name < right.name ? -1 : 1));
}

async function readRun(directory: string): Promise<IncomingRun | undefined> {
  const text = await readTextIfExists(path.join(directory, RUN_FILE));
  if (text === undefined) return undefined;
  try {
    return runSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function publishedIds(root: string): Promise<ReadonlySet<string>> {
  const sets = await resolveInside(root, SETS_DIRECTORY);
  if ((await kindOf(sets)) !== 'directory') return new Set();
  // By the file's name: an id stays used even when its set file is damaged.
  return new Set((await readdir(sets)).map((name) => name.slice(0, 15)));
}
