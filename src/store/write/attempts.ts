/** Attempts at one artifact of a set that is being written: each in a directory of its own. */
import { randomUUID } from 'node:crypto';
import { readdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError } from '../../base/errors.js';
import { pathExists, removeTree, renameDurably } from '../../base/files/durable.js';
import { kindOf, makeDirectoriesInside, relativeParts, resolveInside } from '../layout.js';
import {
  RUN_FILE,
  type IncomingArtifact,
  incomingArtifact,
  incomingSet,
} from './incoming-paths.js';

/** One attempt at an artifact. */
export interface Attempt {
  /** Empty; becomes the artifact. */
  readonly directory: string;
  /** A file beside it, for what a later attempt may take over. */
  readonly journal: string;
}

/**
 * A place for one attempt at an artifact. Of earlier attempts those that left a journal are kept until
 * this one is promoted, so that it can link what they had finished; the others are removed. What an
 * attempt that was given up still writes can't get into the artifact. Callers hold the artifact's lock.
 * @throws HoldfastError STORE_UNSAFE when the set is not being written
 */
export async function beginAttempt(
  root: string,
  options: IncomingArtifact & { readonly attempt: number },
): Promise<Attempt & { readonly earlier: readonly Attempt[] }> {
  const base = await attemptsDirectory(root, options);
  const parent = await makeDirectoriesInside(root, base);
  const earlier: Attempt[] = [];
  for (const name of await readdir(parent)) {
    if (name.endsWith(ATTEMPT_JOURNAL)) continue;
    const kept = { directory: path.join(parent, name), journal: journalOf(parent, name) };
    if (await pathExists(kept.journal)) earlier.push(await outOfTheWay(parent, name, kept));
    else await removeTree(kept.directory);
  }
  const name = String(options.attempt);
  const directory = await makeDirectoriesInside(root, `${base}/${name}`);
  return { directory, journal: journalOf(parent, name), earlier };
}

const ATTEMPT_JOURNAL = '.finished.jsonl';

function journalOf(parent: string, name: string): string {
  return path.join(parent, `${name}${ATTEMPT_JOURNAL}`);
}

/** Attempts are counted anew when a run is reset: an old one may have the new one's name. */
async function outOfTheWay(parent: string, name: string, old: Attempt): Promise<Attempt> {
  if (!/^\d+$/.test(name)) return old;
  const renamed = `${name}-${randomUUID()}`;
  const moved = { directory: path.join(parent, renamed), journal: journalOf(parent, renamed) };
  // The journal first: without one a directory is removed.
  await rename(old.journal, moved.journal);
  await rename(old.directory, moved.directory);
  return moved;
}

/**
 * Turns a finished attempt into the artifact, in one step. Calling it again is fine; an older whole of
 * the same artifact, whose result was lost, is replaced.
 * @throws HoldfastError STORE_UNSAFE when the attempt was given up meanwhile
 */
export async function promoteAttempt(
  root: string,
  options: IncomingArtifact & { readonly attempt: number },
): Promise<void> {
  const base = await attemptsDirectory(root, options);
  const from = await resolveInside(root, `${base}/${options.attempt}`);
  const whole = path.relative(root, incomingArtifact(root, options));
  const to = await resolveInside(root, whole);
  if ((await kindOf(from)) !== 'directory') {
    const promoted = await pathExists(to);
    if (promoted && !(await pathExists(path.join(root, base)))) return;
    throw new HoldfastError('STORE_UNSAFE', `attempt ${options.attempt} was given up meanwhile`, {
      facts: { path: from, attempt: options.attempt },
    });
  }
  await makeDirectoriesInside(root, path.dirname(whole));
  await removeTree(to);
  await renameDurably(from, to);
  await removeTree(path.join(root, base));
}

async function attemptsDirectory(
  root: string,
  { setId, relativePath }: IncomingArtifact,
): Promise<string> {
  relativeParts(relativePath);
  const set = incomingSet(root, setId);
  const relative = path.relative(root, set);
  await resolveInside(root, relative);
  if (!(await pathExists(path.join(set, RUN_FILE)))) {
    throw new HoldfastError('STORE_UNSAFE', `the set ${setId} is not being written`, {
      facts: { setId },
      hint: 'its run has ended, or was cleared away as dead',
    });
  }
  return `${relative}/attempts/${relativePath}`;
}
