/**
 * Pins: sets that an operator wants kept whatever retention says, one record each in
 * `.holdfast/pins/`. A pin that can't be understood still pins.
 */
import { requireStore } from '../write/known-store.js';
import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import { systemCodeOf } from '../../base/errors.js';
import { readTextIfExists, removeTree, writeFileDurably } from '../../base/files/durable.js';
import { makeDirectoriesInside, RECORDS_DIRECTORY, resolveInside, setFileName } from '../layout.js';
import { tierSchema, type SetFile } from '../../format/manifest.js';

const DIRECTORY = `${RECORDS_DIRECTORY}/pins`;

const pinSchema = z.object({
  format: z.literal('holdfast-pin'),
  version: z.literal(1),
  setId: z.string(),
  tier: tierSchema,
  at: z.iso.datetime(),
  /** Why; empty where nothing was said. */
  note: z.string(),
});

/** What is told of a pinned set. */
export interface Pin {
  /** When it was pinned; null where the record is damaged. */
  readonly at: string | null;
  /** Why; empty where nothing was said. */
  readonly note: string;
}

/** Pins a set, or gives its pin another note. */
export async function pinSet(
  root: string,
  set: Pick<SetFile, 'id' | 'tier'>,
  note: string,
  at: Date,
): Promise<void> {
  await requireStore(root);
  await makeDirectoriesInside(root, DIRECTORY);
  const pin: z.input<typeof pinSchema> = {
    format: 'holdfast-pin',
    version: 1,
    setId: set.id,
    tier: set.tier,
    at: at.toISOString(),
    note,
  };
  const file = await resolveInside(root, `${DIRECTORY}/${setFileName(set)}`);
  await writeFileDurably(file, `${JSON.stringify(pin, null, 2)}\n`);
}

/** @returns whether there was a pin */
export async function unpinSet(root: string, set: Pick<SetFile, 'id' | 'tier'>): Promise<boolean> {
  await requireStore(root);
  const file = await resolveInside(root, `${DIRECTORY}/${setFileName(set)}`);
  if ((await readTextIfExists(file)) === undefined) return false;
  await removeTree(file);
  return true;
}

/**
 * All pins by the name of their set, `<id>-<tier>`.
 * @throws what the system says where the records can't be read: then nothing must be removed
 */
export async function readPins(root: string): Promise<ReadonlyMap<string, Pin>> {
  const directory = await resolveInside(root, DIRECTORY);
  const names = await readdir(directory).catch((error: unknown) => {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw error;
  });
  const pins = new Map<string, Pin>();
  for (const name of names.sort()) {
    if (name.startsWith('.') || !name.endsWith('.json')) continue;
    const text = await readTextIfExists(await resolveInside(root, `${DIRECTORY}/${name}`));
    if (text !== undefined) pins.set(name.slice(0, -'.json'.length), parsePin(text));
  }
  return pins;
}

function parsePin(text: string): Pin {
  try {
    const { at, note } = pinSchema.parse(JSON.parse(text));
    return { at, note };
  } catch {
    return { at: null, note: 'its record is damaged' };
  }
}
