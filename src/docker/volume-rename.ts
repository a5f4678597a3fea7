/**
 * Exchanging the directories of local volumes by rename: at once for any size, on one file system,
 * and the root directory keeps its mode, owner, times and attributes. By this process where it sees
 * the engine's volumes, else in a helper container that has their parent mounted.
 */
import { access, constants, lstat, rename } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError, messageOf, systemCodeOf } from '../errors.js';
import { fsyncPath } from '../system/durable.js';
import type { Work } from '../progress.js';
import type { Engine } from './engine.js';
import { runHelper } from './helper.js';
import type { InspectedVolume } from './volumes.js';
import { sharesVolumes } from './volumes.js';

export interface Renamer {
  readonly through: 'direct' | 'helper-container';
  /** Inode of a volume's directory, decimal; undefined where there is none at the moment. */
  readonly inodeOf: (volume: string) => Promise<string | undefined>;
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
    return (await canRenameHere(root, names)) ? directRenamer(root) : undefined;
  }
  return helperRenamer(engine, root, names, helperName, work);
}

function directRenamer(root: string): Renamer {
  const at = (volume: string): string => path.join(root, volume, DATA);
  return {
    through: 'direct',
    inodeOf: async (volume) => {
      try {
        return String((await lstat(at(volume), { bigint: true })).ino);
      } catch (error) {
        if (systemCodeOf(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
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

async function canRenameHere(root: string, volumes: readonly string[]): Promise<boolean> {
  try {
    const devices = new Set<number>();
    for (const volume of volumes) {
      const parent = path.join(root, volume);
      await access(parent, constants.W_OK | constants.X_OK);
      devices.add((await lstat(parent)).dev);
      const data = await lstat(path.join(parent, DATA)).catch((error: unknown) => {
        if (systemCodeOf(error) === 'ENOENT') return undefined; // between two steps of a swap
        throw error;
      });
      if (data === undefined) continue;
      if (!data.isDirectory()) return false;
      devices.add(data.dev); // a mount point differs from its parent
    }
    return devices.size === 1;
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    return false;
  }
}

/** Prints device and inode of each volume's directory; fails where they can't all be renamed. */
const LOOK = `
  for name in "$@"; do
    cd "/volumes/$name" && [ -w . ] || exit 9
    [ -L ${DATA} ] && exit 9
    stat -c '%d' .
    if [ -e ${DATA} ]; then [ -d ${DATA} ] || exit 9; stat -c '%d %i' ${DATA}; else echo none; fi
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
  const look = await run(LOOK, volumes);
  const devices = new Set(
    look.stdout
      .split('\n')
      .map((line) => line.split(' ')[0])
      .filter((device) => device !== '' && device !== 'none'),
  );
  if (look.exitCode !== 0 || devices.size !== 1) return undefined;
  return {
    through: 'helper-container',
    inodeOf: async (volume) => {
      const { exitCode, stdout, stderr } = await run(LOOK, [volume]);
      if (exitCode !== 0) throw notMoved(volume, volume, stderr.trim());
      return stdout.split('\n')[1]?.split(' ')[1];
    },
    move: async (from, to) => {
      const { exitCode, stderr } = await run(MOVE, [from, to]);
      if (exitCode !== 0) throw notMoved(from, to, stderr.trim());
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
