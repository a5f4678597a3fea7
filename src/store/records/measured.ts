/**
 * How long restores took, in `.holdfast/measured.json`: what plans estimate from. A memory, not part
 * of the backups: without it a plan says nothing of time.
 */
import { z } from 'zod';
import type { Measurement } from '../../format/measurement.js';
import { readTextIfExists, writeFileDurably } from '../../base/files/durable.js';
import { makeDirectoriesInside, RECORDS_DIRECTORY, resolveInside } from '../layout.js';

const FILE = `${RECORDS_DIRECTORY}/measured.json`;
/** Some runs of a large stack; older ones say little of today. */
const KEEP = 400;

const recordSchema = z.object({
  format: z.literal('holdfast-measured'),
  version: z.literal(1),
  measurements: z.array(
    z.object({
      kind: z.enum(['files', 'volume', 'postgres', 'start', 'check']),
      service: z.string(),
      source: z.string(),
      bytes: z.number().min(0),
      durationMs: z.number().min(0),
      at: z.iso.datetime(),
    }),
  ),
});

/** Oldest first; empty where nothing was measured or the file can't be read. */
export async function readMeasured(root: string): Promise<readonly Measurement[]> {
  try {
    const text = await readTextIfExists(await resolveInside(root, FILE));
    return text === undefined ? [] : recordSchema.parse(JSON.parse(text)).measurements;
  } catch {
    return [];
  }
}

/** @throws what the system says where nothing can be written */
export async function addMeasured(root: string, added: readonly Measurement[]): Promise<void> {
  const measurements = [...(await readMeasured(root)), ...added].slice(-KEEP);
  await makeDirectoriesInside(root, RECORDS_DIRECTORY);
  const record = { format: 'holdfast-measured', version: 1, measurements };
  await writeFileDurably(await resolveInside(root, FILE), `${JSON.stringify(record)}\n`);
}
