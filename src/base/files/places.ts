/** Where a path really leads, and what is mounted there and below it. */
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { systemCodeOf } from '../errors.js';
import { mountPointsIn, readMounts } from './mounts.js';
import type { BytePath } from './byte-paths.js';

/** The directory itself, where the configured path leads through links; it need not be there. */
export async function realPlace(place: string): Promise<string> {
  try {
    return await realpath(place);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  }
  if (path.dirname(place) === place) return place;
  const at = path.join(await realPlace(path.dirname(place)), path.basename(place));
  const found = await lstat(at).catch(() => undefined);
  return found?.isSymbolicLink() === true
    ? realPlace(path.resolve(path.dirname(at), await readlink(at)))
    : at;
}

/** Is something mounted there, be it a directory of the same file system? */
export async function isMountPoint(directory: string): Promise<boolean> {
  try {
    const real = latin1(await realpath(directory));
    if (mountPointsIn(await readMounts(), real, 'at-or-below').includes(real)) return true;
    const [own, parent] = await Promise.all([stat(directory), stat(path.dirname(directory))]);
    return own.dev !== parent.dev;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Mount points below a place, relative to it. */
export async function mountsIn(place: string): Promise<readonly BytePath[]> {
  const real = latin1(await realPlace(place));
  const skip = real === '/' ? 1 : real.length + 1;
  return mountPointsIn(await readMounts(), real, 'below').map((point) => point.slice(skip));
}

/** A path as BytePath has it. */
export function latin1(text: string): BytePath {
  return Buffer.from(text).toString('latin1');
}
