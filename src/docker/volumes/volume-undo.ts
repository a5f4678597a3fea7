/** Taking a volume's swap back, finished or not. */
import { HoldfastError, isHoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { VolumeInfo } from '../../format/manifest.js';
import type { AsideVolume } from './aside.js';
import { findAside, plainInfo } from './aside.js';
import type { Engine } from '../engine/engine.js';
import { removeHelpersOf } from './helper.js';
import { isAsideComplete } from './volume-copy.js';
import { findRenamer } from './volume-rename.js';
import type { SwapStep } from './swap.js';
import { swapVolume } from './swap.js';
import { assertNoRunningUsers, findVolume, inspectVolume, removeVolume } from './volumes.js';

export interface RestoreAsideRequest {
  /** Name of the volume whose content was replaced. */
  readonly volume: string;
  readonly asideId: string;
  /** Keep what it holds now as an aside `undo-<asideId>`, instead of throwing it away. */
  readonly keepReplaced?: boolean;
  readonly onStep?: (step: SwapStep) => void;
}

/**
 * Takes a swap back: the volume's old content (and driver, options, labels) returns. A volume that
 * the swap made is removed, or left empty where containers refer to it. Idempotent.
 * @returns false when there is nothing (any more) to take back.
 * @throws HoldfastError like `swapVolume`.
 */
export async function restoreAside(
  engine: Engine,
  request: RestoreAsideRequest,
  work: Work,
): Promise<boolean> {
  const { volume, asideId } = request;
  const undoId = `undo-${asideId}`;
  const aside = await findAside(engine, volume, asideId);
  const begun = await findAside(engine, volume, undoId);
  if (aside === undefined && begun === undefined) return false;
  await removeHelpersOf(engine, volume);
  await assertNoRunningUsers(engine, volume);
  if (aside !== undefined) {
    const changed = begun !== undefined || (await hasChanged(engine, aside, work));
    // Of a swap that was interrupted: what it was to bring is not wanted any more.
    await removeVolume(engine, aside.journal.staging);
    if (changed) {
      await swapBack(engine, request, aside, undoId, work);
    } else {
      if (aside.journal.prior === null) await removeUnlessReferred(engine, volume);
      await removeVolume(engine, aside.name);
    }
  }
  const undone = await findAside(engine, volume, undoId);
  if (undone !== undefined) {
    if (undone.journal.thenRemove) await removeUnlessReferred(engine, volume);
    if (request.keepReplaced !== true) await removeVolume(engine, undone.name);
  }
  return true;
}

async function swapBack(
  engine: Engine,
  request: RestoreAsideRequest,
  aside: AsideVolume,
  undoId: string,
  work: Work,
): Promise<void> {
  const { prior, wanted: made, way } = aside.journal;
  const present = await findVolume(engine, request.volume);
  const wanted: VolumeInfo = prior ??
    (present === undefined ? undefined : plainInfo(present)) ??
    // Somebody has removed it since, and what was behind it before belongs there all the same.
    made ?? {
      name: request.volume,
      driver: 'local',
      options: {},
      labels: {},
    };
  await swapVolume(
    engine,
    {
      volume: wanted,
      staging: aside.name,
      asideId: undoId,
      thenRemove: prior === null,
      // What was copied has the marks of that at its root; a rename would bring them along.
      ...(way === 'copy' ? { way } : {}),
      ...(request.onStep === undefined ? {} : { onStep: request.onStep }),
    },
    work,
  );
}

/**
 * Did the swap get as far as touching the volume? Where the old content lies is looked for, never
 * guessed: taken for moved when it was not, it would be thrown away.
 * @throws HoldfastError INTEGRITY when it can't be told
 */
async function hasChanged(engine: Engine, aside: AsideVolume, work: Work): Promise<boolean> {
  const { way, oldInode } = aside.journal;
  const helperName = `holdfast-undo-${aside.id}-${aside.volume}`;
  if (way === 'copy') {
    const place = { volume: aside.volume, aside: aside.name, id: aside.id, helperName };
    return isAsideComplete(engine, place, work);
  }
  if (oldInode === null) return true;
  const present = await findVolume(engine, aside.volume);
  const asideVolume = await inspectVolume(engine, aside.name);
  const volumes = present === undefined ? [asideVolume] : [present, asideVolume];
  const renamer = await findRenamer(engine, volumes, helperName, work);
  if (renamer === undefined)
    throw cantTell(aside, 'their directories can’t be looked at from here');
  if (renamer.inodes.get(aside.volume) === oldInode) return false;
  if (renamer.inodes.get(aside.name) === oldInode) return true;
  throw cantTell(aside, 'it is in neither of them');
}

function cantTell({ volume, name }: AsideVolume, why: string): HoldfastError {
  return new HoldfastError(
    'INTEGRITY',
    `whether the old content is in volume ${volume} or in ${name} can’t be told: ${why}`,
    {
      facts: { volume, aside: name },
      hint:
        'nothing was touched; run it where it was begun: as root, on the engine’s host or with a ' +
        'helper image, and see what is in both volumes',
    },
  );
}

async function removeUnlessReferred(engine: Engine, volume: string): Promise<void> {
  try {
    await removeVolume(engine, volume);
  } catch (error) {
    if (!isHoldfastError(error) || error.code !== 'VOLUME_IN_USE') throw error;
  }
}
