/**
 * Puts an unpacked tree in the place of an existing one, and back. Everything is a rename on one file
 * system, so each step is instant, and each can be repeated after a kill: what has been done is seen
 * from what lies where.
 */
import { chown, chmod, lstat, mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError, systemCodeOf } from '../../base/errors.js';
import { fsyncPath, removeTree } from '../../base/files/durable.js';
import { readMounts } from '../../base/files/mounts.js';
import {
  pathFromBuffer,
  pathToBuffer,
  pathToText,
  type BytePath,
} from '../../base/files/byte-paths.js';
import { mountsIn, realPlace } from '../../base/files/places.js';
import { besidePath } from './place.js';
import { listUnits } from './units.js';

const SLASH = 0x2f;

export interface TreePlace {
  readonly base: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** All that is needed to swap and to swap back; plain JSON, bytes of names as base64. */
export interface TreeSwap {
  readonly mode: 'whole' | 'units';
  readonly base: string;
  readonly stage: string;
  readonly aside: string;
  readonly existed: boolean;
  readonly oldUnits: readonly string[];
  readonly newUnits: readonly string[];
  readonly carried: readonly string[];
  /** Directories that stay, and get the mode and owner of those of the stage. */
  readonly kept?: string[] | undefined;
  /** How the units were found, `mounts` encoded like them. Absent in records of earlier versions. */
  readonly listed?: { include: string[]; exclude: string[]; mounts: string[] } | undefined;
}

/**
 * Where a restore of this place unpacks. Beside it, so that swapping is a rename; inside it when it can't
 * be renamed itself.
 */
export async function stagePath(base: string, restoreId: string): Promise<string> {
  return besidePath(await realPlace(base), 'new', restoreId);
}

/** Decides what will be renamed, from what is unpacked in the stage and what is in place now. */
export async function planSwap(
  place: TreePlace,
  stage: string,
  restoreId: string,
): Promise<TreeSwap> {
  // A link that leads to the place stays what it is.
  const base = await realPlace(place.base);
  const existed = await exists(base);
  const aside = await besidePath(base, 'aside', restoreId);
  const all = place.include.length === 1 && place.include[0] === '**';
  // What the backup leaves out on purpose must survive the swap of the directory around it.
  const excluded =
    existed && place.exclude.length > 0
      ? (await listUnits(base, { include: place.exclude, exclude: [] })).map(encode)
      : [];
  const mounts = existed ? await mountsIn(base) : [];
  const inPlace = existed && (mounts.length > 0 || isBelowPath(stage, base));
  // With nothing in place there is nothing to leave alone, and the directory itself comes back too.
  if (!existed || (all && !inPlace)) {
    return {
      mode: 'whole',
      base,
      stage,
      aside,
      existed,
      oldUnits: [],
      newUnits: [],
      carried: excluded,
    };
  }
  const patterns = { include: all ? ['*'] : place.include, exclude: place.exclude, mounts };
  const oldUnits = await listUnits(base, patterns);
  const newUnits = await listUnits(stage, patterns);
  return {
    mode: 'units',
    base,
    stage,
    aside,
    existed,
    oldUnits: oldUnits.map(encode),
    newUnits: newUnits.map(encode),
    carried: excluded.filter((unit) => oldUnits.some((old) => isBelow(unit, old))),
    listed: {
      include: [...patterns.include],
      exclude: [...patterns.exclude],
      mounts: mounts.map((mount) => encode(pathToBuffer(mount))),
    },
    ...(all ? { kept: await keptDirectories(base, stage, mounts) } : {}),
  };
}

/** The directories that stay and that the set has, too: the place itself, and what leads to mounts. */
async function keptDirectories(
  base: string,
  stage: string,
  mounts: readonly BytePath[],
): Promise<string[]> {
  const above = mounts.flatMap((mount) => {
    const names = mount.split('/').slice(0, -1);
    return names.map((_, index) => names.slice(0, index + 1).join('/'));
  });
  const kept: string[] = [];
  for (const path of ['', ...new Set(above)]) {
    const unit = encode(pathToBuffer(path));
    const [old, brought] = [await kindOf(join(base, unit)), await kindOf(join(stage, unit))];
    if (old === 'directory' && brought === 'directory') kept.push(unit);
  }
  return kept;
}

/** Swaps the new tree in. Repeatable. @returns where the old one lies, if there was one */
export async function swapIn(swap: TreeSwap): Promise<{ aside?: string }> {
  await requireUnmounted(swap);
  if (swap.mode === 'whole') await swapWhole(swap);
  else await swapUnits(swap);
  return swap.existed ? { aside: swap.aside } : {};
}

/** Brings the old tree back and removes the new one. Repeatable, also after half a swap. */
export async function swapBack(swap: TreeSwap): Promise<void> {
  await requireUnmounted(swap);
  if (swap.mode === 'whole') await backWhole(swap);
  else await backUnits(swap);
  await removeTree(swap.stage, { ours: true });
}

/**
 * Before anything is moved: a mount would go along with what is around it, and be gone from its place.
 * @throws HoldfastError RESTORE_FAILED (facts: path)
 */
async function requireUnmounted({
  mode,
  base,
  stage,
  aside,
  oldUnits,
  newUnits,
}: TreeSwap): Promise<void> {
  const mounts = await readMounts();
  const places =
    mode === 'whole'
      ? [base, aside, stage].map((place) => Buffer.from(place))
      : [
          ...[...oldUnits, ...newUnits].map((unit) => join(base, unit)),
          ...[aside, stage].map((place) => Buffer.from(place)),
        ];
  for (const mount of new Set(mounts.map(({ point }) => point))) {
    const within = places.find((place) => {
      const text = place.toString('latin1');
      return mount === text || mount.startsWith(`${text}/`);
    });
    if (within === undefined) continue;
    const point = pathToText(mount);
    throw new HoldfastError(
      'RESTORE_FAILED',
      `${within.toString()} can't be moved: something is mounted on ${point}`,
      {
        facts: { path: point },
        hint: `unmount it (umount ${point}) and try again; mount it again afterwards`,
      },
    );
  }
}

async function swapWhole(swap: TreeSwap): Promise<void> {
  const parent = path.dirname(swap.base);
  await mkdir(parent, { recursive: true });
  if (swap.existed && !(await exists(swap.aside))) {
    // Taken back, or its stage was removed: what is in place must stay where it is.
    if (!(await exists(swap.stage))) throw nothingToSwap(swap);
    await move(swap.base, swap.aside);
  }
  if (await exists(swap.stage)) await move(swap.stage, swap.base);
  await carry(swap.carried, swap.aside, swap.base);
  await fsyncPath(parent);
}

function nothingToSwap({ base, stage }: TreeSwap): HoldfastError {
  return new HoldfastError('RESTORE_FAILED', `there is nothing in ${stage} to put in ${base}`, {
    facts: { base, stage },
    hint: 'the restore was taken back meanwhile, or its unpacked state was removed',
  });
}

/** Moves what neither tree owns to where the tree around it now is. */
async function carry(units: readonly string[], fromBase: string, toBase: string): Promise<void> {
  for (const unit of units) {
    const from = join(fromBase, unit);
    const to = join(toBase, unit);
    if (!(await exists(from)) || (await exists(to))) continue;
    await makeParents(fromBase, toBase, unit);
    await move(from, to);
  }
}

async function backWhole(swap: TreeSwap): Promise<void> {
  const parent = path.dirname(swap.base);
  if (!(await exists(swap.aside))) {
    // Nothing was moved yet, or there was nothing: then what is in place is ours, unless it was.
    if (!swap.existed && !(await exists(swap.stage)) && (await exists(swap.base))) {
      await move(swap.base, swap.stage);
    }
    return;
  }
  await carry(swap.carried, swap.base, swap.aside);
  if (await exists(swap.base)) {
    await removeTree(swap.stage, { ours: true });
    await move(swap.base, swap.stage);
  }
  await move(swap.aside, swap.base);
  await fsyncPath(parent);
}

async function swapUnits(swap: TreeSwap): Promise<void> {
  await mkdir(swap.base, { recursive: true });
  // In the aside with the attributes they have now, before anything in them is moved.
  for (const unit of swap.kept ?? []) {
    const at = join(swap.aside, unit);
    if (!(await exists(at))) await makeLike(join(swap.base, unit), at);
  }
  // All of the old goes before any of the new comes: that is what makes a repeat unambiguous.
  for (const unit of swap.oldUnits) {
    const to = join(swap.aside, unit);
    if (await exists(to)) continue;
    await makeParents(swap.base, swap.aside, unit);
    await move(join(swap.base, unit), to);
  }
  for (const unit of swap.newUnits) {
    const from = join(swap.stage, unit);
    if (!(await exists(from))) continue;
    await makeParents(swap.stage, swap.base, unit);
    await move(from, join(swap.base, unit));
  }
  await carry(swap.carried, swap.aside, swap.base);
  if (await exists(swap.stage)) await likeKept(swap, swap.stage);
  await removeTree(swap.stage, { ours: true });
  await fsyncPath(swap.base);
}

async function backUnits(swap: TreeSwap): Promise<void> {
  const old = new Set(swap.oldUnits);
  await carry(swap.carried, swap.base, swap.aside);
  for (const unit of swap.newUnits) {
    // Still staged: never came. Was there before and is not aside: what lies there is the old one.
    if (await exists(join(swap.stage, unit))) continue;
    if (old.has(unit) && !(await exists(join(swap.aside, unit)))) continue;
    await removeTree(join(swap.base, unit), { ours: true });
  }
  for (const unit of await madeSince(swap)) {
    await removeTree(join(swap.base, unit), { ours: true });
  }
  for (const unit of swap.oldUnits) {
    const from = join(swap.aside, unit);
    if (!(await exists(from))) continue;
    await makeParents(swap.aside, swap.base, unit);
    await move(from, join(swap.base, unit));
  }
  if (await exists(swap.aside)) await likeKept(swap, swap.aside);
  await removeTree(swap.aside, { ours: true });
}

/**
 * What lies there now and was not there before: somebody has made it since the swap. Where the whole
 * directory is swapped it goes with that, too; and it would be in the way of old units of its name.
 */
async function madeSince({ base, aside, oldUnits, listed }: TreeSwap): Promise<string[]> {
  // Until something was put aside, all that lies there is the old.
  if (listed === undefined || !(await exists(aside))) return [];
  const mounts = new Set([
    ...listed.mounts.map((mount) => pathFromBuffer(Buffer.from(mount, 'base64'))),
    ...(await mountsIn(base)),
  ]);
  const old = new Set(oldUnits);
  const units: string[] = [];
  for (const found of await listUnits(base, { ...listed, mounts: [...mounts] })) {
    const unit = encode(found);
    if (!old.has(unit) || (await exists(join(aside, unit)))) units.push(unit);
  }
  return units;
}

/** Mode and owner of the directories that stay; the times of what is in them are moved along. */
async function likeKept({ base, kept = [] }: TreeSwap, model: string): Promise<void> {
  for (const unit of kept) {
    const found = await lstat(join(model, unit)).catch(() => undefined);
    if (found === undefined) continue;
    const at = join(base, unit);
    await chown(at, found.uid, found.gid);
    await chmod(at, found.mode & 0o7777);
  }
}

/** Makes the directories above a unit, with mode and owner of those it came from. */
async function makeParents(from: string, to: string, unit: string): Promise<void> {
  const relative = Buffer.from(unit, 'base64');
  if (!(await exists(to))) await makeLike(Buffer.from(from), Buffer.from(to));
  for (let at = relative.indexOf(SLASH); at !== -1; at = relative.indexOf(SLASH, at + 1)) {
    const part = relative.subarray(0, at).toString('base64');
    if (!(await exists(join(to, part)))) await makeLike(join(from, part), join(to, part));
  }
}

async function makeLike(model: Buffer, directory: Buffer): Promise<void> {
  await mkdir(directory, { recursive: true });
  try {
    const { mode, uid, gid } = await lstat(model);
    await chown(directory, uid, gid);
    await chmod(directory, mode & 0o7777);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  }
}

async function move(from: string | Buffer, to: string | Buffer): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    throw new HoldfastError(
      'RESTORE_FAILED',
      `${from.toString()} can't be renamed to ${to.toString()}: ${systemCodeOf(error) ?? 'error'}`,
      {
        facts: { from: from.toString(), to: to.toString(), errno: systemCodeOf(error) ?? null },
        cause: error,
      },
    );
  }
}

function isBelow(unit: string, above: Buffer): boolean {
  return Buffer.from(unit, 'base64')
    .toString('latin1')
    .startsWith(`${above.toString('latin1')}/`);
}

function encode(name: Buffer): string {
  return name.toString('base64');
}

/** Base path and base64 of a path below it, as bytes. */
function join(base: string, unit: string): Buffer {
  return Buffer.concat([Buffer.from(`${base}/`), Buffer.from(unit, 'base64')]);
}

async function kindOf(target: Buffer): Promise<'directory' | 'other' | undefined> {
  const found = await lstat(target).catch(() => undefined);
  if (found === undefined) return undefined;
  return found.isDirectory() ? 'directory' : 'other';
}

function isBelowPath(inner: string, outer: string): boolean {
  return inner.startsWith(outer === '/' ? '/' : `${outer}/`);
}

async function exists(target: string | Buffer): Promise<boolean> {
  try {
    await lstat(target);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return false;
    throw error;
  }
}
