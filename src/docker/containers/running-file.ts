/** The file that says what ran before we stopped it: its shape, reading it, forgetting it. */
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

const stopModeSchema = z.enum(['stop', 'pause']);
export type StopMode = z.output<typeof stopModeSchema>;

const recordedContainerSchema = z.object({
  id: z.string(),
  name: z.string(),
  /** It ran (or was paused, or restarting) when we first came across it. */
  wasRunning: z.boolean(),
  wasPaused: z.boolean(),
  /** It was in a crash loop, or had crashed a moment before: nobody waits for it to stay up again. */
  wasRestarting: z.boolean().optional(),
  restartPolicy: z.string(),
  mode: stopModeSchema,
  at: z.iso.datetime(),
});

const runningRecordSchema = z.object({
  format: z.literal('holdfast-running'),
  version: z.literal(1),
  reason: z.string(),
  workflowId: z.string(),
  /** Absent in records of earlier versions. */
  runId: z.string().optional(),
  at: z.iso.datetime(),
  /** `hold`: a source that is read. Such records are counted against each other, see holds.ts. */
  purpose: z.literal('hold').optional(),
  /** The hold has ended: what it lists is being started, and it keeps nothing still any more. */
  releasing: z.boolean().optional(),
  /** In the order in which they are stopped. */
  containers: z.array(recordedContainerSchema),
});

export type RecordedContainer = z.output<typeof recordedContainerSchema>;
export type RunningRecord = z.output<typeof runningRecordSchema>;

/** The record, or undefined when there is none. @throws HoldfastError INTEGRITY */
export async function readRecord(file: string): Promise<RunningRecord | undefined> {
  const text = await readTextIfExists(file);
  if (text === undefined) return undefined;
  try {
    return runningRecordSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new HoldfastError('INTEGRITY', `${file} is not a record of stopped containers`, {
      facts: { path: file },
      hint: 'start the containers it names by hand, then move it away',
      cause: error,
    });
  }
}

/** Replaces the record in one step; makes its directory when missing. */
export async function writeRecord(file: string, record: RunningRecord): Promise<void> {
  await mkdirDurably(path.dirname(file));
  await writeFileDurably(file, `${JSON.stringify(record, undefined, 2)}\n`, 0o600);
}

/** Forgets what was stopped, because something else has started it. Missing is fine. */
export async function discardRecord(file: string): Promise<void> {
  try {
    await rm(file);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return;
    throw error;
  }
  await fsyncPath(path.dirname(file));
}

export interface FoundRecord {
  readonly file: string;
  readonly record: RunningRecord;
}

/**
 * The records directly in a directory, oldest first; none where there is no directory. A file that
 * can't be read is handed to `onUnreadable` and left where it is: it must not keep the others down.
 */
export async function listRecords(
  directory: string,
  onUnreadable: (file: string, error: unknown) => void = () => undefined,
): Promise<FoundRecord[]> {
  const records = await readRecordFiles(directory, readRecord, onUnreadable);
  return records.sort((a, b) => (a.record.at < b.record.at ? -1 : 1));
}
