/**
 * Exchanging the directories of local volumes by rename: at once for any size, on one file system,
 * and the root directory keeps its mode, owner, times and attributes. By this process where it sees
 * the engine's volumes, else in a helper container that has their parent mounted.
 */
import { access, constants, lstat, rename } from 'node:fs/promises';
import path from 'node:path';
import { isMountPoint, mountsIn } from '../../base/files/places.js';
import { HoldfastError, messageOf, systemCodeOf } from '../../base/errors.js';
import { fsyncPath } from '../../base/files/durable.js';
import type { Work } from '../../base/progress.js';
import type { Engine } from '../engine/engine.js';
import { runHelper } from './helper.js';
import type { InspectedVolume } from './volumes.js';
import { sharesVolumes } from './volumes.js';

export interface Renamer {
  readonly through: 'direct' | 'helper-container';
  /** Inodes of the volumes' directories when it was made, decimal; a missing directory has none. */
  readonly inodes: ReadonlyMap<string, string>;
  /**
   * Puts the directory of one volume in the place of another's, which is missing or empty.
   * @throws HoldfastError INTEGRITY where that isn't empty.
   */
  readonly move: (from: string, to: string) => Promise<void>;
}

/** Where an engine's local volume keeps its content. */
const DATA = '_data';

/**
 * A way to rename between these volumes, or undefined where content must be copied: other drivers,
 * mount options, several file systems, a directory that is a link or a mount point.
 */
export async function findRenamer(
  engine: Engine,
  volumes: readonly InspectedVolume[],
  helperName: string,
  work: Work,
): Promise<Renamer | undefined> {
  const plain = volumes.every(
    ({ driver, options, mountpoint }) =>
      driver === 'local' && Object.keys(options).length === 0 && path.basename(mountpoint) === DATA,
  );
  const roots = new Set(volumes.map(({ mountpoint }) => path.dirname(path.dirname(mountpoint))));
  const [root] = roots;
  if (!plain || roots.size !== 1 || root === undefined) return undefined;
  const names = volumes.map(({ name }) => name);
  if (await sharesVolumes(engine)) {
    // A rename would take along what is mounted in it, and is not possible where it is a mount itself.
    for (const { mountpoint } of volumes) {
      if ((await isMountPoint(mountpoint)) || (await mountsIn(mountpoint)).length > 0) {
        return undefined;
      }
    }
    const inodes = await lookHere(root, names);
    if (inodes !== undefined) return directRenamer(root, inodes);
  }
  return helperRenamer(engine, root, names, helperName, work);
}

function directRenamer(root: string, inodes: ReadonlyMap<string, string>): Renamer {
  const at = (volume: string): string => path.join(root, volume, DATA);
  return {
    through: 'direct',
    inodes,
    move: async (from, to) => {
      try {
        // Replaces an empty directory in one step, and refuses any other.
        await rename(at(from), at(to));
      } catch (error) {
        throw notMoved(from, to, messageOf(error), error);
      }
      await fsyncPath(path.dirname(at(to)));
      await fsyncPath(path.dirname(at(from)));
    },
  };
}

/** Undefined where these directories can't all be renamed into each other's place from here. */
async function lookHere(
  root: string,
  volumes: readonly string[],
): Promise<Map<string, string> | undefined> {
  const inodes = new Map<string, string>();
  const devices = new Set<bigint>();
  try {
    for (const volume of volumes) {
      const parent = path.join(root, volume);
      await access(parent, constants.W_OK | constants.X_OK);
      devices.add((await lstat(parent, { bigint: true })).dev);
      const data = await lstat(path.join(parent, DATA), { bigint: true }).catch(
        (error: unknown) => {
          if (systemCodeOf(error) === 'ENOENT') return undefined; // between two steps of a swap
          throw error;
        },
      );
      if (data === undefined) continue;
      if (!data.isDirectory()) return undefined;
      devices.add(data.dev); // a mount point differs from its parent
      inodes.set(volume, String(data.ino));
    }
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    return undefined;
  }
  return devices.size === 1 ? inodes : undefined;
}

/** Prints name, devices of parent and directory, and inode, for each; fails where they can't be renamed. */
const LOOK = `
  for name in "$@"; do
    cd "/volumes/$name" && [ -w . ] || exit 9
    [ -L ${DATA} ] && exit 9
    [ -e ${DATA} ] || { stat -c "$name %d" .; continue; }
    [ -d ${DATA} ] || exit 9
    stat -c "$name $(stat -c %d .) %d %i" ${DATA}
  done`;
const MOVE = `mv -T -- "/volumes/$1/${DATA}" "/volumes/$2/${DATA}" && sync`;

async function helperRenamer(
  engine: Engine,
  root: string,
  volumes: readonly string[],
  name: string,
  work: Work,
): Promise<Renamer | undefined> {
  const run = (script: string, args: readonly string[]): ReturnType<typeof runHelper> =>
    runHelper(engine, {
      name,
      argv: ['sh', '-c', script, 'holdfast', ...args],
      mounts: [{ type: 'bind', source: root, target: '/volumes' }],
      signal: work.signal,
    });
  const { exitCode, stdout } = await run(LOOK, volumes);
  if (exitCode !== 0) return undefined;
  const devices = new Set<string>();
  const inodes = new Map<string, string>();
  for (const line of stdout.trim().split('\n')) {
    const [volume = '', parentDevice = '', device = parentDevice, inode] = line.split(' ');
    devices.add(parentDevice).add(device);
    if (inode !== undefined) inodes.set(volume, inode);
  }
  if (devices.size !== 1) return undefined;
  return {
    through: 'helper-container',
    inodes,
    move: async (from, to) => {
      const moved = await run(MOVE, [from, to]);
      if (moved.exitCode !== 0) throw notMoved(from, to, moved.stderr.trim());
    },
  };
}

function notMoved(from: string, to: string, why: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'INTEGRITY',
    `the content of volume ${from} could not take the place of ${to}'s: ${why}`,
    { facts: { from, to }, hint: 'nothing is lost: see what is in both volumes', cause },
  );
}
