/**
 * Replacing a volume's content so that it can be taken back. Containers keep working: the volume
 * keeps its name, and stopped ones that refer to it need not be touched.
 *
 * A kill at any point is fine. The aside volume, made first, says in its labels what there was, and
 * the directories' inodes say which of them lies where; a retry goes on from what it finds. While a
 * rename has been half done the volume has no directory at all, and the engine refuses to start
 * containers with it, rather than on an empty one.
 */
import { HoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { VolumeInfo } from '../../format/manifest.js';
import type { AsideVolume, SwapJournal } from './aside.js';
import { createAside, findAside, plainInfo } from './aside.js';
import type { Engine } from '../engine/engine.js';
import { removeHelpersOf } from './helper.js';
import type { CopyPlace } from './volume-copy.js';
import {
  assertNewVolumeEmpty,
  copyAside,
  copyIn,
  isAsideComplete,
  isPutIn,
} from './volume-copy.js';
import type { Renamer } from './volume-rename.js';
import { findRenamer } from './volume-rename.js';
import type { InspectedVolume } from './volumes.js';
import {
  assertNoRunningUsers,
  createVolume,
  findVolume,
  inspectVolume,
  removeVolume,
  volumeDifferences,
  volumeUsers,
} from './volumes.js';

/** What a test may hang a fault on: called before each step. */
export type SwapStep =
  'journal' | 'create' | 'set-aside' | 'remove' | 're-create' | 'put-in' | 'clean-up';

export interface SwapRequest {
  /** The volume as it shall be. Made where it is missing; made again where driver or options differ. */
  readonly volume: VolumeInfo;
  /** Name of the volume with the new content; it is used up. */
  readonly staging: string;
  /** Names the aside; the same for every attempt. */
  readonly asideId: string;
  /** `copy` where directories must not be renamed even if they could be. */
  readonly way?: 'copy';
  /** The volume is to be removed once its content is out, see {@link restoreAside}. */
  readonly thenRemove?: boolean;
  readonly onStep?: (step: SwapStep) => void;
}

export interface SwapResult {
  /** The volume with the replaced content; absent where there was none to replace. */
  readonly aside?: string;
  readonly way: SwapJournal['way'];
}

/**
 * Puts the staging volume's content in the place of the volume's, which goes to the aside volume.
 * Idempotent: a second call with the same ids finishes what the first has begun.
 * @throws HoldfastError VOLUME_IN_USE (running users; or it would have to be made anew, and stopped
 *   containers refer to it), VOLUME_NOT_FOUND (no staging), INTEGRITY, RESTORE_FAILED, DISK_FULL.
 */
export async function swapVolume(
  engine: Engine,
  request: SwapRequest,
  work: Work,
): Promise<SwapResult> {
  const { volume, staging, asideId } = request;
  await removeHelpersOf(engine, volume.name);
  await assertNoRunningUsers(engine, volume.name);
  const aside =
    (await findAside(engine, volume.name, asideId)) ?? (await begin(engine, request, work));
  const result: SwapResult = {
    ...(aside.journal.prior === null ? {} : { aside: aside.name }),
    way: aside.journal.way,
  };
  work.signal.throwIfAborted();
  const stagingVolume = await findVolume(engine, staging);
  if (stagingVolume === undefined) {
    await assertFinished(engine, request, aside, work); // its removal is the last step
    return result;
  }
  const present = await makeIfMissing(engine, request, aside);
  if (aside.journal.way === 'rename') {
    await swapByRename(engine, request, aside, [present, stagingVolume], work);
  } else {
    await swapByCopy(engine, request, aside, work);
  }
  request.onStep?.('clean-up');
  await removeVolume(engine, staging);
  return result;
}

/** Looks at everything while nothing has been changed, and writes down what there is. */
async function begin(engine: Engine, request: SwapRequest, work: Work): Promise<AsideVolume> {
  const { volume, asideId } = request;
  const staging = await inspectVolume(engine, request.staging);
  const prior = await findVolume(engine, volume.name);
  if (prior !== undefined) await assertReplaceable(engine, prior, volume);
  const renamer =
    request.way === 'copy' || !isPlainLocal(volume)
      ? undefined
      : await findRenamer(
          engine,
          prior === undefined ? [staging] : [prior, staging],
          helperName(request),
          work,
        );
  request.onStep?.('journal');
  return createAside(engine, volume.name, asideId, {
    prior: prior === undefined ? null : plainInfo(prior),
    wanted: plainInfo(volume),
    way: renamer === undefined ? 'copy' : 'rename',
    staging: staging.name,
    thenRemove: request.thenRemove ?? false,
    oldInode: renamer?.inodes.get(volume.name) ?? null,
    newInode: renamer?.inodes.get(staging.name) ?? null,
  });
}

/**
 * A volume that must be made anew can't be while a container, even a stopped one, refers to it.
 * @throws HoldfastError VOLUME_IN_USE
 */
export async function assertReplaceable(
  engine: Engine,
  prior: VolumeInfo,
  wanted: VolumeInfo,
): Promise<void> {
  const differences = volumeDifferences(prior, wanted).filter((what) => what !== 'labels');
  if (differences.length === 0) return;
  const users = (await volumeUsers(engine, prior.name)).map(({ name }) => name);
  if (users.length === 0) return;
  throw new HoldfastError(
    'VOLUME_IN_USE',
    `volume ${prior.name} has another ${differences.join(' and ')} than when it was backed up, and ` +
      `can't be made anew while ${users.join(', ')} refers to it`,
    {
      facts: { volume: prior.name, differences, containers: users },
      hint: `remove these containers (docker rm); compose makes them again`,
    },
  );
}

async function makeIfMissing(
  engine: Engine,
  { volume, onStep }: SwapRequest,
  { journal }: AsideVolume,
): Promise<InspectedVolume> {
  const found = await findVolume(engine, volume.name);
  if (found !== undefined) return found;
  onStep?.(journal.prior === null ? 'create' : 're-create');
  return createVolume(engine, volume);
}

async function swapByRename(
  engine: Engine,
  request: SwapRequest,
  aside: AsideVolume,
  volumes: readonly InspectedVolume[],
  work: Work,
): Promise<void> {
  const { volume, staging, onStep } = request;
  const { oldInode, newInode } = aside.journal;
  const asideVolume = await inspectVolume(engine, aside.name);
  const renamer = await findRenamer(engine, [...volumes, asideVolume], helperName(request), work);
  if (renamer === undefined) throw lostWay(volume.name);
  const inode = renamer.inodes.get(volume.name);
  if (inode === newInode) return;
  assertHolds(renamer, staging, newInode);
  if (oldInode !== null && inode === oldInode) {
    onStep?.('set-aside');
    await renamer.move(volume.name, aside.name);
  } else {
    assertHolds(renamer, aside.name, oldInode);
  }
  await makeAsWanted(engine, request);
  onStep?.('put-in');
  await renamer.move(staging, volume.name);
}

/** Before the volume is made anew or filled: is everything where it should be? */
function assertHolds(renamer: Renamer, volume: string, inode: string | null): void {
  if (inode === null || renamer.inodes.get(volume) === inode) return;
  throw new HoldfastError(
    'INTEGRITY',
    `the content that volume ${volume} should hold is not there`,
    {
      facts: { volume, expected: inode },
      hint: 'somebody else moved directories of these volumes: find it before going on',
    },
  );
}

/** The staging volume is gone: because its content has been put in, or because somebody removed it? */
async function assertFinished(
  engine: Engine,
  request: SwapRequest,
  aside: AsideVolume,
  work: Work,
): Promise<void> {
  const { volume } = request;
  if (aside.journal.way === 'copy') {
    if (await isPutIn(engine, placeOf(request, aside), work)) return;
  } else {
    const present = await inspectVolume(engine, volume.name);
    const renamer = await findRenamer(engine, [present], helperName(request), work);
    if (renamer === undefined) throw lostWay(volume.name);
    if (renamer.inodes.get(volume.name) === aside.journal.newInode) return;
  }
  throw new HoldfastError(
    'INTEGRITY',
    `volume ${request.staging} was removed before its content came to ${volume.name}`,
    { facts: { volume: volume.name, staging: request.staging }, hint: 'take this restore back' },
  );
}

async function swapByCopy(
  engine: Engine,
  request: SwapRequest,
  aside: AsideVolume,
  work: Work,
): Promise<void> {
  const { volume, staging, onStep } = request;
  const place = placeOf(request, aside);
  if (!(await isAsideComplete(engine, place, work))) {
    onStep?.('set-aside');
    // Also where the volume was missing: what its options name may hold data all the same.
    await copyAside(engine, place, work);
  }
  const { prior } = aside.journal;
  await makeAsWanted(engine, request);
  if (prior !== null && volumeDifferences(prior, volume).some((what) => what !== 'labels')) {
    await assertNewVolumeEmpty(engine, place, work);
  }
  onStep?.('put-in');
  await copyIn(engine, place, staging, work);
}

/** The old content is safe: now the volume may be removed and made with other settings. */
async function makeAsWanted(engine: Engine, { volume, onStep }: SwapRequest): Promise<void> {
  const found = await findVolume(engine, volume.name);
  if (found !== undefined) {
    const differences = volumeDifferences(found, volume);
    if (differences.length === 0) return;
    // Labels alone are not worth an error; they stay where stopped containers refer to the volume.
    if (differences.join() === 'labels' && (await volumeUsers(engine, volume.name)).length > 0) {
      return;
    }
    onStep?.('remove');
    await removeVolume(engine, volume.name);
  }
  onStep?.('re-create');
  await createVolume(engine, volume);
}

function placeOf(request: SwapRequest, aside: AsideVolume): CopyPlace {
  return {
    volume: request.volume.name,
    aside: aside.name,
    id: aside.id,
    helperName: helperName(request),
  };
}

function helperName({ volume, asideId }: SwapRequest): string {
  return `holdfast-swap-${asideId}-${volume.name}`;
}

function isPlainLocal({ driver, options }: VolumeInfo): boolean {
  return driver === 'local' && Object.keys(options).length === 0;
}

function lostWay(volume: string): HoldfastError {
  return new HoldfastError(
    'INTEGRITY',
    `the swap of volume ${volume} was begun by renaming, which is not possible from here`,
    {
      facts: { volume },
      hint: 'run it where it was begun: as root, on the engine’s host or with a helper image',
    },
  );
}
