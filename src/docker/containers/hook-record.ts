/**
 * The file that says a quiesce hook has been run and its counterpart has not. On disk before `before`
 * runs: a database left in backup mode, a file system left frozen, a queue left paused stays so for
 * ever when nobody remembers it.
 */
import { readRecordFiles } from './record-files.js';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { HoldfastError, systemCodeOf } from '../../base/errors.js';
import {
  fsyncPath,
  mkdirDurably,
  readTextIfExists,
  writeFileDurably,
} from '../../base/files/durable.js';

const hookRecordSchema = z.object({
  format: z.literal('holdfast-hook'),
  version: z.literal(1),
  service: z.string(),
  source: z.string(),
  container: z.string(),
  /** The container's id when `before` was run: made anew since, it may know nothing of it. */
  containerId: z.string(),
  before: z.array(z.string()),
  after: z.array(z.string()),
  workflowId: z.string(),
  runId: z.string().optional(),
  /** `before` has ended well: a second attempt does not run it again. */
  held: z.boolean().optional(),
  /** `after` has been begun: nothing is held still by this any more. */
  ending: z.boolean().optional(),
  at: z.iso.datetime(),
});
export type HookRecord = z.output<typeof hookRecordSchema>;

export async function writeHookRecord(file: string, record: HookRecord): Promise<void> {
  await mkdirDurably(path.dirname(file));
  await writeFileDurably(file, `${JSON.stringify(record, undefined, 2)}\n`, 0o600);
}

/** The record, or undefined when there is none. @throws HoldfastError INTEGRITY */
export async function readHookRecord(file: string): Promise<HookRecord | undefined> {
  const text = await readTextIfExists(file);
  if (text === undefined) return undefined;
  try {
    return hookRecordSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new HoldfastError('INTEGRITY', `${file} is not a record of a quiesce hook`, {
      facts: { path: file },
      hint: 'run the hook’s `after` by hand where it is missing, then move the file away',
      cause: error,
    });
  }
}

/** Missing is fine. */
export async function removeHookRecord(file: string): Promise<void> {
  await rm(file, { force: true });
  await fsyncPath(path.dirname(file)).catch((error: unknown) => {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  });
}

export interface FoundHook {
  readonly file: string;
  readonly record: HookRecord;
}

/** All of a directory. One that can't be read is handed to `onUnreadable` and left where it is. */
export async function listHookRecords(
  directory: string,
  onUnreadable: (error: unknown) => void = () => undefined,
): Promise<FoundHook[]> {
  return readRecordFiles(directory, readHookRecord, (_, error) => {
    onUnreadable(error);
  });
}
