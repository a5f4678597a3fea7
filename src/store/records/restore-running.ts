/**
 * What a restore found running, what the compose files said then, and what has to be healthy since: beside
 * the restore's record, for its steps, its roll-back and its undo.
 */
import path from 'node:path';
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import { mkdirDurably, readTextIfExists, writeFileDurably } from '../../base/files/durable.js';
import { serviceInventorySchema, type ServiceInventory } from '../../format/manifest.js';
import { restoreDirectory } from './restore-record.js';

const beforeSchema = z.object({
  format: z.literal('holdfast-running-before'),
  version: z.literal(1),
  at: z.iso.datetime(),
  services: z.array(serviceInventorySchema),
  /** What the sets it restores from say of the time they were made; only of services they know. */
  saved: z.array(serviceInventorySchema),
});

const definitionsSchema = z.object({
  format: z.literal('holdfast-compose-before'),
  version: z.literal(1),
  /** Compose service → digest of its definition. */
  digests: z.record(z.string(), z.string()),
});

const askedSchema = z.object({
  format: z.literal('holdfast-asked-to-run'),
  version: z.literal(1),
  /** Names of containers that must run and be healthy. */
  demanded: z.array(z.string()),
  /** Names of those that run and of which it is not asked. */
  excused: z.array(z.string()),
});

export interface RunningBefore {
  readonly services: readonly ServiceInventory[];
  readonly saved: readonly ServiceInventory[];
}

export type AskedToRun = Pick<z.output<typeof askedSchema>, 'demanded' | 'excused'>;

/** Notes what there is before anything is touched; called again it keeps what was noted first. */
export async function noteRunningBefore(
  root: string,
  restoreId: string,
  take: () => Promise<RunningBefore>,
): Promise<void> {
  const file = beforeFile(root, restoreId);
  if ((await readTextIfExists(file)) !== undefined) return;
  const at = new Date().toISOString();
  await write(file, { format: 'holdfast-running-before', version: 1, at, ...(await take()) });
}

/** Undefined for restores of earlier versions. @throws HoldfastError MANIFEST_INVALID */
export async function readRunningBefore(
  root: string,
  restoreId: string,
): Promise<RunningBefore | undefined> {
  return read(beforeSchema, beforeFile(root, restoreId));
}

/** As {@link noteRunningBefore}, of a service's compose files. */
export async function noteDefinitionsBefore(
  root: string,
  restoreId: string,
  service: string,
  digests: Readonly<Record<string, string>>,
): Promise<void> {
  const file = definitionsFile(root, restoreId, service);
  if ((await readTextIfExists(file)) !== undefined) return;
  await write(file, { format: 'holdfast-compose-before', version: 1, digests: { ...digests } });
}

/** Undefined where nobody could tell. @throws HoldfastError MANIFEST_INVALID */
export async function readDefinitionsBefore(
  root: string,
  restoreId: string,
  service: string,
): Promise<ReadonlyMap<string, string> | undefined> {
  const found = await read(definitionsSchema, definitionsFile(root, restoreId, service));
  return found === undefined ? undefined : new Map(Object.entries(found.digests));
}

export async function writeAskedToRun(
  root: string,
  restoreId: string,
  service: string,
  { demanded, excused }: { demanded: readonly string[]; excused: readonly string[] },
): Promise<void> {
  await write(askedFile(root, restoreId, service), {
    format: 'holdfast-asked-to-run',
    version: 1,
    demanded: [...demanded],
    excused: [...excused],
  });
}

/** Undefined where nothing was started yet. @throws HoldfastError MANIFEST_INVALID */
export function readAskedToRun(
  root: string,
  restoreId: string,
  service: string,
): Promise<AskedToRun | undefined> {
  return read(askedSchema, askedFile(root, restoreId, service));
}

function beforeFile(root: string, restoreId: string): string {
  return path.join(restoreDirectory(root, restoreId), 'running-before.json');
}

function definitionsFile(root: string, restoreId: string, service: string): string {
  return path.join(restoreDirectory(root, restoreId), 'compose', `${service}.json`);
}

function askedFile(root: string, restoreId: string, service: string): string {
  return path.join(restoreDirectory(root, restoreId), 'asked', `${service}.json`);
}

async function write(file: string, value: unknown): Promise<void> {
  await mkdirDurably(path.dirname(file), 0o700);
  await writeFileDurably(file, `${JSON.stringify(value, undefined, 2)}\n`);
}

async function read<Schema extends z.ZodType>(
  schema: Schema,
  file: string,
): Promise<z.output<Schema> | undefined> {
  const text = await readTextIfExists(file);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new HoldfastError('MANIFEST_INVALID', `${file} can't be read`, {
      facts: { path: file },
      cause: error,
    });
  }
}
