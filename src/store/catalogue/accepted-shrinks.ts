/** Shrinks an operator accepted, in `.holdfast/accepted-shrinks.json`: sources that are smaller now. */
import { z } from 'zod';
import type { AcceptedShrink } from '../../format/set-knowledge.js';
import { parseJsonIfWhole, readTextIfExists, writeFileDurably } from '../../base/files/durable.js';
import { makeDirectoriesInside, RECORDS_DIRECTORY, resolveInside } from '../layout.js';

const FILE = `${RECORDS_DIRECTORY}/accepted-shrinks.json`;

const recordSchema = z.object({
  format: z.literal('holdfast-accepted-shrinks'),
  version: z.literal(1),
  accepted: z.array(
    z.object({
      stack: z.string(),
      service: z.string(),
      source: z.string(),
      upTo: z.iso.datetime(),
      contentBytes: z.number().int().min(0),
      entries: z.number().int().min(0),
      at: z.iso.datetime(),
    }),
  ),
});

/** Of one stack. A record that can't be read accepts nothing: the alarm comes again, no set goes. */
export async function readAcceptedShrinks(root: string, stack: string): Promise<AcceptedShrink[]> {
  return (await readAll(root)).filter((one) => one.stack === stack);
}

/** Accepts these; what was accepted of other sources stays. */
export async function acceptShrinks(
  root: string,
  stack: string,
  shrinks: readonly AcceptedShrink[],
  at: Date,
): Promise<void> {
  if (shrinks.length === 0) return;
  await makeDirectoriesInside(root, RECORDS_DIRECTORY);
  const isNow = (one: { stack: string; service: string; source: string }): boolean =>
    one.stack === stack &&
    shrinks.some(({ service, source }) => service === one.service && source === one.source);
  const accepted = [
    ...(await readAll(root)).filter((one) => !isNow(one)),
    ...shrinks.map((shrink) => ({ stack, ...shrink, at: at.toISOString() })),
  ];
  const record = { format: 'holdfast-accepted-shrinks', version: 1, accepted };
  await writeFileDurably(await resolveInside(root, FILE), `${JSON.stringify(record, null, 2)}\n`);
}

async function readAll(root: string): Promise<z.output<typeof recordSchema>['accepted']> {
  const text = await readTextIfExists(await resolveInside(root, FILE));
  if (text === undefined) return [];
  const parsed = recordSchema.safeParse(parseJsonIfWhole(text));
  return parsed.success ? parsed.data.accepted : [];
}
