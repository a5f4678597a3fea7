/**
 * What drills found, one file a set in `.holdfast/drills/`. A memory, not part of the backups, as with
 * verifications: without it nobody knows whether a set was ever restored, and how long that took.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { systemCodeOf } from '../../base/errors.js';
import { drillResultSchema, type DrillResult } from '../../format/drill-result.js';
import { readTextIfExists, removeTree, writeFileDurably } from '../../base/files/durable.js';
import { makeDirectoriesInside, RECORDS_DIRECTORY, resolveInside, setFileName } from '../layout.js';

const DIRECTORY = `${RECORDS_DIRECTORY}/drills`;
/** Results kept of one set. */
const KEPT_RESULTS = 10;

const recordSchema = z.object({
  format: z.literal('holdfast-drills'),
  version: z.literal(1),
  setId: z.string(),
  tier: z.string(),
  /** Newest first. */
  results: z.array(drillResultSchema),
});

/** Adds a result; the oldest beyond ten go. The same drill told twice counts once. */
export async function recordDrill(root: string, result: DrillResult): Promise<void> {
  await makeDirectoriesInside(root, DIRECTORY);
  const { setId, setTier: tier } = result;
  const file = await resolveInside(root, `${DIRECTORY}/${setFileName({ id: setId, tier })}`);
  const earlier = (await readRecord(file)).filter(({ drillId }) => drillId !== result.drillId);
  const record: z.output<typeof recordSchema> = {
    format: 'holdfast-drills',
    version: 1,
    setId,
    tier,
    results: [result, ...earlier].slice(0, KEPT_RESULTS),
  };
  await writeFileDurably(file, `${JSON.stringify(record, null, 2)}\n`);
}

/** Results by the name of their set (`<id>-<tier>`), newest first; what can't be read is left out. */
export async function readDrills(
  root: string,
): Promise<ReadonlyMap<string, readonly DrillResult[]>> {
  const directory = await resolveInside(root, DIRECTORY);
  const names = await readdir(directory).catch((error: unknown) => {
    // What can't be read is not known; it must not keep anyone from seeing the sets.
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(systemCodeOf(error) ?? '')) return [];
    throw error;
  });
  const drills = new Map<string, readonly DrillResult[]>();
  for (const name of names.sort()) {
    if (name.startsWith('.') || !name.endsWith('.json')) continue;
    const results = await readRecord(path.join(directory, name));
    if (results.length > 0) drills.set(name.slice(0, -'.json'.length), results);
  }
  return drills;
}

/** Forgets a set. Missing is fine. */
export async function dropDrills(
  root: string,
  set: { readonly id: string; readonly tier: string },
): Promise<void> {
  await removeTree(await resolveInside(root, `${DIRECTORY}/${setFileName(set)}`));
}

async function readRecord(file: string): Promise<readonly DrillResult[]> {
  const text = await readTextIfExists(file);
  if (text === undefined) return [];
  try {
    return recordSchema.parse(JSON.parse(text)).results;
  } catch {
    return [];
  }
}
