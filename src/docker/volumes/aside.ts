/**
 * The volumes around a swap: the staging volume that holds the new content, and the aside volume
 * that takes the old. Docker can't rename volumes, and labels can't be changed after creation, so
 * the aside is made first and its labels are the swap's journal: what there was before, and which
 * directory is which.
 */
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import type { VolumeInfo } from '../../format/manifest.js';
import { volumeInfoSchema } from '../../format/manifest.js';
import type { Engine } from '../engine/engine.js';
import type { InspectedVolume } from './volumes.js';
import { createVolume, findVolume, listVolumes, removeVolume } from './volumes.js';

export const STAGING_LABEL = 'dev.holdfast.staging';
export const ASIDE_LABEL = 'dev.holdfast.aside';
const VOLUME_LABEL = 'dev.holdfast.volume';
const JOURNAL_LABEL = 'dev.holdfast.journal';

const journalSchema = z.object({
  /** The volume as it was; null where there was none. */
  prior: volumeInfoSchema.nullable(),
  /** The volume as the swap makes it: where it was missing, its options say where its content lies. */
  wanted: volumeInfoSchema.optional(),
  /** rename: directories change places · copy: contents are copied by a helper container */
  way: z.enum(['rename', 'copy']),
  /** The volume that held the new content: while it exists, the swap isn't finished. */
  staging: z.string(),
  /** The volume was only made by what is being taken back, and goes when that is done. */
  thenRemove: z.boolean(),
  /** Inode of the old content's directory, decimal; null where there was none (rename only). */
  oldInode: z.string().nullable(),
  /** Inode of the new content's directory (rename only). */
  newInode: z.string().nullable(),
});

export type SwapJournal = z.output<typeof journalSchema>;

export interface AsideVolume {
  readonly name: string;
  readonly id: string;
  /** The volume whose old content it holds. */
  readonly volume: string;
  readonly journal: SwapJournal;
}

export interface StagingVolume extends InspectedVolume {
  /** It is left from an earlier attempt and may hold a part of the content. */
  readonly existed: boolean;
}

/** A volume's name with its purpose and id; a dot can't begin a name, so it can't clash with compose's. */
export function stagingName(volume: string, id: string): string {
  return `${volume}.holdfast-staging-${id}`;
}

export function asideName(volume: string, id: string): string {
  return `${volume}.holdfast-aside-${id}`;
}

/** Makes the volume that new content of `volume` is unpacked into; the one of an earlier attempt is given back. */
export async function stageVolume(
  engine: Engine,
  volume: string,
  id: string,
): Promise<StagingVolume> {
  const name = stagingName(volume, id);
  const existed = (await findVolume(engine, name)) !== undefined;
  const made = await createVolume(engine, {
    name,
    driver: 'local',
    options: {},
    labels: { [STAGING_LABEL]: id, [VOLUME_LABEL]: volume },
  });
  return { ...made, existed };
}

/** Removes a staging volume with what is in it; a missing one is fine. */
export async function discardStaging(engine: Engine, volume: string, id: string): Promise<void> {
  await removeVolume(engine, stagingName(volume, id));
}

/** Writes the journal: after this, an attempt that finds it goes on from what it says. */
export async function createAside(
  engine: Engine,
  volume: string,
  id: string,
  journal: SwapJournal,
): Promise<AsideVolume> {
  const name = asideName(volume, id);
  await createVolume(engine, {
    name,
    driver: 'local',
    options: {},
    labels: {
      [ASIDE_LABEL]: id,
      [VOLUME_LABEL]: volume,
      [JOURNAL_LABEL]: JSON.stringify(journal),
    },
  });
  return { name, id, volume, journal };
}

/** The aside of a volume's swap, if there is one. @throws HoldfastError INTEGRITY when it isn't ours. */
export async function findAside(
  engine: Engine,
  volume: string,
  id: string,
): Promise<AsideVolume | undefined> {
  const found = await findVolume(engine, asideName(volume, id));
  return found === undefined ? undefined : toAside(found);
}

/**
 * Throws a safety copy away; a missing one is fine.
 * @throws HoldfastError INTEGRITY while its swap isn't finished: then it may be the only copy.
 */
export async function discardAside(engine: Engine, volume: string, id: string): Promise<void> {
  const aside = await findAside(engine, volume, id);
  if (aside === undefined) return;
  if ((await findVolume(engine, aside.journal.staging)) !== undefined) {
    throw new HoldfastError(
      'INTEGRITY',
      `volume ${aside.name} may hold the only copy: the swap of ${volume} is not finished`,
      { facts: { volume, aside: aside.name }, hint: 'finish the restore, or take it back, first' },
    );
  }
  await removeVolume(engine, aside.name);
}

/** All asides of this engine: what could be put back, or thrown away. */
export async function listAsides(engine: Engine): Promise<AsideVolume[]> {
  return (await listVolumes(engine, ASIDE_LABEL)).map(toAside);
}

function toAside(found: InspectedVolume): AsideVolume {
  const { [ASIDE_LABEL]: id, [VOLUME_LABEL]: volume, [JOURNAL_LABEL]: text } = found.labels;
  const journal = journalSchema.safeParse(parseJson(text));
  if (id === undefined || volume === undefined || !journal.success) {
    throw new HoldfastError('INTEGRITY', `volume ${found.name} is not a safety copy of ours`, {
      facts: { volume: found.name },
      hint: 'its name is needed for a safety copy: rename or remove what made it',
    });
  }
  return { name: found.name, id, volume, journal: journal.data };
}

function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Without the mountpoint. */
export function plainInfo(volume: VolumeInfo): VolumeInfo {
  const { name, driver, options, labels } = volume;
  return { name, driver, options, labels };
}
