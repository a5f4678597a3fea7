/**
 * What a restore did, on disk: `.aside/<restore id>/restore.json` and one file per step. A step's file
 * is written before the step acts and says all that is needed to take it back, so that any process
 * with the files, not only the workflow that wrote them, can.
 */
import { randomUUID } from 'node:crypto';
import { readdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { HoldfastError, messageOf, systemCodeOf } from '../../base/errors.js';
import { isDrillId } from '../../format/drill-names.js';
import {
  fsyncPath,
  mkdirDurably,
  parseJsonIfWhole,
  pathExists,
  readTextIfExists,
  removeTree,
  renameDurably,
  writeFileDurably,
} from '../../base/files/durable.js';
import { isSameRun } from '../../format/run-identity.js';
import { joinNames, splitNames } from '../../format/record-names.js';
import { nextSetId } from '../../format/set-id.js';
import {
  restoreStepSchema,
  restoreRecordSchema,
  type RestoreStep,
  type RestoreRecord,
} from './restore-shapes.js';

export function restoreDirectory(root: string, restoreId: string): string {
  return path.join(root, '.aside', restoreId);
}

function recordFile(root: string, restoreId: string): string {
  return path.join(restoreDirectory(root, restoreId), 'restore.json');
}

export async function writeRestoreRecord(root: string, record: RestoreRecord): Promise<void> {
  const directory = restoreDirectory(root, record.restoreId);
  await mkdirDurably(path.join(directory, 'steps'), 0o700);
  await writeFileDurably(recordFile(root, record.restoreId), json(record));
}

/**
 * Makes a restore's directory with its record in one step. @returns false when its id is taken
 */
export async function claimRestore(root: string, record: RestoreRecord): Promise<boolean> {
  const directory = restoreDirectory(root, record.restoreId);
  const fresh = path.join(path.dirname(directory), `.new-${randomUUID()}`);
  await mkdirDurably(path.join(fresh, 'steps'), 0o700);
  // What closing it needs is made now: that must not fail for want of space.
  await mkdirDurably(path.join(fresh, 'running'), 0o700);
  await writeFileDurably(path.join(fresh, UNFINISHED), '');
  await writeFileDurably(path.join(fresh, 'restore.json'), json(record));
  try {
    // A directory is renamed over an empty one only, and a claimed one never is empty.
    await rename(fresh, directory);
  } catch (error) {
    await removeTree(fresh);
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return false;
    throw error;
  }
  await fsyncPath(path.dirname(directory));
  return true;
}

/**
 * Takes an id for a restore: the one in its record, or the next free second. The same run gets the
 * same id again. @returns the id
 */
export async function openRestore(root: string, wished: RestoreRecord): Promise<string> {
  let record = wished;
  while (!(await claimRestore(root, record))) {
    const { restoreId } = record;
    // One that can't be read is somebody's all the same.
    const owner = await readRestoreRecord(root, restoreId).catch(() => undefined);
    if (owner !== undefined && isSameRun(owner, record)) return restoreId;
    record = { ...record, restoreId: nextSetId(restoreId) };
  }
  return record.restoreId;
}

const UNFINISHED = 'unfinished';
const FINISHED = 'finished';

/**
 * Says durably that a restore is finished, before anything else says so. A rename: it works on a full
 * disk too. Repeatable. From here on the restore counts as finished, whatever its record still says.
 */
export async function markFinished(root: string, restoreId: string): Promise<void> {
  const directory = restoreDirectory(root, restoreId);
  try {
    await renameDurably(path.join(directory, UNFINISHED), path.join(directory, FINISHED));
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
    // Marked already, or begun by an earlier version.
    if (await pathExists(path.join(directory, FINISHED))) return;
    await writeFileDurably(path.join(directory, FINISHED), '');
  }
}

/** Is it marked as finished, with something about its closing perhaps left to do? */
export function isMarkedFinished(root: string, restoreId: string): Promise<boolean> {
  return pathExists(path.join(restoreDirectory(root, restoreId), FINISHED));
}

/** Removes the mark once the record says the same; until then it stays. */
export async function settleMark(root: string, restoreId: string): Promise<void> {
  const file = recordFile(root, restoreId);
  const text = await readTextIfExists(file);
  if (text === undefined || parse(restoreRecordSchema, text, file).state === 'running') return;
  await removeTree(path.join(path.dirname(file), FINISHED));
}

/** Takes the mark back: something of the restore is about to be put back. */
export async function unmarkFinished(root: string, restoreId: string): Promise<void> {
  const directory = restoreDirectory(root, restoreId);
  try {
    await renameDurably(path.join(directory, FINISHED), path.join(directory, UNFINISHED));
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  }
}

/**
 * A record that still says `running` though the restore was marked as finished says `finished`.
 * @throws HoldfastError MANIFEST_INVALID; what the system says when it can't be read
 */
export async function readRestoreRecord(
  root: string,
  restoreId: string,
): Promise<RestoreRecord | undefined> {
  const file = recordFile(root, restoreId);
  const text = await readTextIfExists(file);
  if (text === undefined) return undefined;
  const record = parse(restoreRecordSchema, text, file);
  if (record.state !== 'running') return record;
  const marked = await pathExists(path.join(path.dirname(file), FINISHED));
  return marked ? { ...record, state: 'finished' } : record;
}

export async function writeStep(root: string, restoreId: string, step: RestoreStep): Promise<void> {
  const directory = stepsDirectory(root, restoreId);
  await mkdirDurably(directory, 0o700);
  const name = `${joinNames('__', [step.service, step.source])}.json`;
  await writeFileDurably(path.join(directory, name), json(step));
  const old = oldStepFile(root, restoreId, step.service, step.source);
  if (path.basename(old) === name) return;
  // An earlier version's file of the very same step would tell its old state for ever.
  const { steps } = await readStepFiles(root, restoreId);
  const stale = steps.find(({ file }) => file === old)?.step;
  if (stale?.service === step.service && stale.source === step.source) await removeTree(old);
}

/** @throws HoldfastError MANIFEST_INVALID */
export async function readStep(
  root: string,
  restoreId: string,
  service: string,
  source: string,
): Promise<RestoreStep | undefined> {
  const directory = stepsDirectory(root, restoreId);
  const own = path.join(directory, `${joinNames('__', [service, source])}.json`);
  for (const file of new Set([own, oldStepFile(root, restoreId, service, source)])) {
    const text = await readTextIfExists(file);
    if (text === undefined) continue;
    const step = parse(restoreStepSchema, text, file);
    // Earlier versions had one file for several pairs of odd names.
    if (step.service === service && step.source === source) return step;
  }
  return undefined;
}

/** The steps of one service, the latest first: the order in which to take them back. */
export async function readSteps(
  root: string,
  restoreId: string,
  service: string,
): Promise<RestoreStep[]> {
  return (await readAllSteps(root, restoreId)).filter((step) => step.service === service);
}

/** All steps, the latest first. @throws HoldfastError MANIFEST_INVALID naming the files it is of */
export async function readAllSteps(root: string, restoreId: string): Promise<RestoreStep[]> {
  const { steps, unreadable } = await readStepFiles(root, restoreId);
  const [first] = unreadable;
  if (first === undefined) return steps.map(({ step }) => step);
  throw new HoldfastError(
    'MANIFEST_INVALID',
    unreadable.map(({ file, reason }) => `${file} can't be read: ${reason}`).join('; '),
    { facts: { path: first.file }, hint: UNREADABLE_HINT },
  );
}

/** What a person can do about a record that can't be read. */
export const UNREADABLE_HINT =
  'written by a newer version? then install that again; else put the file back from a copy of the store';

export interface UnreadableFile {
  readonly file: string;
  readonly reason: string;
}

export interface UnreadableStep extends UnreadableFile {
  /** By the file's name. */
  readonly service: string;
  readonly source: string;
}

export interface StepFiles {
  /** The latest first. */
  readonly steps: readonly { readonly file: string; readonly step: RestoreStep }[];
  readonly unreadable: readonly UnreadableStep[];
}

/** Steps are read one by one: one that can't be read does not hide the others. */
export async function readStepFiles(root: string, restoreId: string): Promise<StepFiles> {
  const directory = stepsDirectory(root, restoreId);
  const steps: { file: string; step: RestoreStep }[] = [];
  const unreadable: UnreadableStep[] = [];
  for (const name of await listNames(directory)) {
    if (!name.endsWith('.json') || name.startsWith('.')) continue;
    const file = path.join(directory, name);
    try {
      const text = await readTextIfExists(file);
      if (text !== undefined) steps.push({ file, step: parse(restoreStepSchema, text, file) });
    } catch (error) {
      const [service = '', ...rest] = splitNames('__', name.slice(0, -'.json'.length));
      unreadable.push({ file, reason: reasonOf(error), service, source: rest.join('__') });
    }
  }
  steps.sort((a, b) => (a.step.at < b.step.at ? 1 : -1));
  return { steps, unreadable };
}

/** A restore whose record can't be read, with what can be told of it all the same. */
export interface UnreadableRestore extends UnreadableFile {
  readonly restoreId: string;
  readonly setId?: string | undefined;
  readonly startedAt?: string | undefined;
  /** As written, which may be a state this version does not know. */
  readonly state?: string | undefined;
}

export interface RestoreRecords {
  /** Oldest first. */
  readonly records: readonly RestoreRecord[];
  readonly unreadable: readonly UnreadableRestore[];
}

const remainsSchema = z.object({
  setId: z.string().optional().catch(undefined),
  startedAt: z.iso.datetime().optional().catch(undefined),
  state: z.string().optional().catch(undefined),
});

/**
 * Every restore there is a directory of. Records are read one by one; one that can't be read is named
 * and is not absent: what it may have touched is not known, and its safety copies stay.
 * @throws what the system says where there is a directory of restores that can't be listed
 */
export async function readRestores(root: string): Promise<RestoreRecords> {
  const records: RestoreRecord[] = [];
  const unreadable: UnreadableRestore[] = [];
  for (const restoreId of await listNames(path.join(root, '.aside'))) {
    if (restoreId.startsWith('.')) continue;
    try {
      const record = await readRestoreRecord(root, restoreId);
      if (record !== undefined) records.push(record);
      else if (await isBereft(root, restoreId)) {
        const file = recordFile(root, restoreId);
        unreadable.push({
          restoreId,
          file,
          reason: 'it is gone, and steps of the restore are there',
        });
      }
    } catch (error) {
      const file = recordFile(root, restoreId);
      unreadable.push({ restoreId, file, reason: reasonOf(error), ...(await remainsOf(file)) });
    }
  }
  records.sort((a, b) => (a.restoreId < b.restoreId ? -1 : 1));
  return { records, unreadable };
}

/** Are there steps, but no record? A drill that is being removed is the one case where that is right. */
async function isBereft(root: string, restoreId: string): Promise<boolean> {
  if (isDrillId(restoreId)) return false;
  const names = await listNames(stepsDirectory(root, restoreId)).catch(() => ['?']);
  return names.length > 0;
}

async function remainsOf(file: string): Promise<z.output<typeof remainsSchema>> {
  const text = await readTextIfExists(file).catch(() => undefined);
  return remainsSchema.safeParse(parseJsonIfWhole(text ?? '')).data ?? {};
}

export async function removeRestoreRecord(root: string, restoreId: string): Promise<void> {
  await removeTree(restoreDirectory(root, restoreId));
}

/** None where there is no directory. What can't be listed is not empty: that is thrown. */
async function listNames(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return [];
    throw error;
  }
}

function stepsDirectory(root: string, restoreId: string): string {
  return path.join(restoreDirectory(root, restoreId), 'steps');
}

/** As earlier versions named it: for some names the same as that of another step. */
function oldStepFile(root: string, restoreId: string, service: string, source: string): string {
  return path.join(stepsDirectory(root, restoreId), `${service}__${source}.json`);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Why a record can't be read, without the file's name. */
function reasonOf(error: unknown): string {
  const cause = error instanceof HoldfastError ? error.cause : error;
  if (cause instanceof z.ZodError) {
    return cause.issues
      .slice(0, 3)
      .map(({ path: at, message }) => `${at.map(String).join('.')}: ${message}`)
      .join('; ');
  }
  return messageOf(cause ?? error);
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
  file: string,
): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new HoldfastError('MANIFEST_INVALID', `${file} can't be read as a restore's record`, {
      facts: { path: file },
      hint: UNREADABLE_HINT,
      cause: error,
    });
  }
}
