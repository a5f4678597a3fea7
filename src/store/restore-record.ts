/**
 * What a restore did, on disk: `.aside/<restore id>/restore.json` and one file per step. A step's file
 * is written before the step acts and says all that is needed to take it back, so that any process
 * with the files, not only the workflow that wrote them, can.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { HoldfastError } from '../errors.js';
import { mappingSchema } from '../plan/mapping.js';
import { mkdirDurably, readTextIfExists, removeTree, writeFileDurably } from '../system/durable.js';

export const RESTORE_FORMAT = 'holdfast-restore';

/** Paths below `base`, as base64 of their bytes: names need not be UTF-8. */
const relativePaths = z.array(z.base64());

const treeStepSchema = z.object({
  kind: z.literal('tree'),
  /** whole: the directory itself was swapped · units: the matched entries below it */
  mode: z.enum(['whole', 'units']),
  base: z.string(),
  /** Where the unpacked state lies until it is swapped in. */
  stage: z.string(),
  /** Where the replaced state lies afterwards. */
  aside: z.string(),
  /** Was there something to replace? */
  existed: z.boolean(),
  /** Units found in place (`oldUnits`) and brought (`newUnits`); for `whole`: what was carried over. */
  oldUnits: relativePaths,
  newUnits: relativePaths,
  carried: relativePaths,
});

const volumeStepSchema = z.object({
  kind: z.literal('volume'),
  volume: z.string(),
  stage: z.string(),
  existed: z.boolean(),
});

/** Databases of a running server that were renamed aside. */
const databasesStepSchema = z.object({
  kind: z.literal('databases'),
  container: z.string(),
  databases: z.array(
    z.object({
      database: z.string(),
      aside: z.string(),
      existed: z.boolean(),
      /** Of the old one: subscriptions that were enabled, and whether it let anybody in. */
      subscriptions: z.array(z.string()).optional(),
      allowConnections: z.boolean().optional(),
    }),
  ),
});

export const restoreStepSchema = z.object({
  service: z.string(),
  source: z.string(),
  at: z.iso.datetime(),
  undo: z.discriminatedUnion('kind', [treeStepSchema, volumeStepSchema, databasesStepSchema]),
  state: z.enum(['registered', 'done', 'undone']),
});

export const restoreRecordSchema = z.object({
  format: z.literal(RESTORE_FORMAT),
  version: z.literal(1),
  restoreId: z.string(),
  setId: z.string(),
  workflowId: z.string(),
  /** Absent in records of earlier versions: then the workflow id alone says which run it is. */
  runId: z.string().optional(),
  startedAt: z.iso.datetime(),
  state: z.enum(['running', 'finished', 'rolled-back', 'undoing', 'undone', 'discarded']),
  /** Other names than the configuration's. */
  map: mappingSchema.optional(),
  /** Service → compose project, as it was when the restore began, under its name before any mapping. */
  projects: z.record(z.string(), z.string()).optional(),
  /** A drill is never taken back: it is torn down. */
  purpose: z.enum(['restore', 'drill']).optional(),
  /** Of a drill. */
  drill: z
    .object({
      /** Absolute; everything it writes is below it. */
      workspace: z.string(),
      setTier: z.string(),
      /** It was left up for looking at: only who asks for that removes it. */
      kept: z.boolean(),
    })
    .optional(),
});

export type TreeStep = z.output<typeof treeStepSchema>;
export type VolumeStep = z.output<typeof volumeStepSchema>;
export type DatabasesStep = z.output<typeof databasesStepSchema>;
export type RestoreStep = z.output<typeof restoreStepSchema>;
export type RestoreRecord = z.output<typeof restoreRecordSchema>;

export function restoreDirectory(root: string, restoreId: string): string {
  return path.join(root, '.aside', restoreId);
}

export async function writeRestoreRecord(root: string, record: RestoreRecord): Promise<void> {
  const directory = restoreDirectory(root, record.restoreId);
  await mkdirDurably(path.join(directory, 'steps'), 0o700);
  await writeFileDurably(path.join(directory, 'restore.json'), json(record));
}

/** @throws HoldfastError MANIFEST_INVALID */
export async function readRestoreRecord(
  root: string,
  restoreId: string,
): Promise<RestoreRecord | undefined> {
  const file = path.join(restoreDirectory(root, restoreId), 'restore.json');
  const text = await readTextIfExists(file);
  return text === undefined ? undefined : parse(restoreRecordSchema, text, file);
}

export async function writeStep(root: string, restoreId: string, step: RestoreStep): Promise<void> {
  await mkdirDurably(path.join(restoreDirectory(root, restoreId), 'steps'), 0o700);
  await writeFileDurably(stepFile(root, restoreId, step.service, step.source), json(step));
}

export async function readStep(
  root: string,
  restoreId: string,
  service: string,
  source: string,
): Promise<RestoreStep | undefined> {
  const file = stepFile(root, restoreId, service, source);
  const text = await readTextIfExists(file);
  return text === undefined ? undefined : parse(restoreStepSchema, text, file);
}

/** The steps of one service, the latest first: the order in which to take them back. */
export async function readSteps(
  root: string,
  restoreId: string,
  service: string,
): Promise<RestoreStep[]> {
  return (await readAllSteps(root, restoreId)).filter((step) => step.service === service);
}

/** All steps, the latest first. */
export async function readAllSteps(root: string, restoreId: string): Promise<RestoreStep[]> {
  const directory = path.join(restoreDirectory(root, restoreId), 'steps');
  const steps: RestoreStep[] = [];
  for (const name of await listNames(directory)) {
    if (!name.endsWith('.json') || name.startsWith('.')) continue;
    const file = path.join(directory, name);
    const text = await readTextIfExists(file);
    if (text === undefined) continue;
    steps.push(parse(restoreStepSchema, text, file));
  }
  return steps.sort((a, b) => (a.at < b.at ? 1 : -1));
}

export async function listRestores(root: string): Promise<RestoreRecord[]> {
  const records: RestoreRecord[] = [];
  for (const name of await listNames(path.join(root, '.aside'))) {
    const record = await readRestoreRecord(root, name);
    if (record !== undefined) records.push(record);
  }
  return records.sort((a, b) => (a.restoreId < b.restoreId ? -1 : 1));
}

export async function removeRestoreRecord(root: string, restoreId: string): Promise<void> {
  await removeTree(restoreDirectory(root, restoreId));
}

async function listNames(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch {
    return [];
  }
}

function stepFile(root: string, restoreId: string, service: string, source: string): string {
  return path.join(restoreDirectory(root, restoreId), 'steps', `${service}__${source}.json`);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
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
      cause: error,
    });
  }
}
