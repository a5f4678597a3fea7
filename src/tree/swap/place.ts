import path from 'node:path';
import { HoldfastError } from '../../base/errors.js';
import { pathExists } from '../../base/files/durable.js';
import { findFlagged } from '../../base/files/file-flags.js';
import { mountOf, readMounts } from '../../base/files/mounts.js';
import { pathToText, type BytePath } from '../../base/files/byte-paths.js';
import { isMountPoint, latin1, mountsIn, realPlace } from '../../base/files/places.js';

export type BesideKind = 'new' | 'aside' | 'discard';

/**
 * A name for what a restore puts beside a place: on the same file system, so that swapping is a rename;
 * inside it where the place itself can't be renamed. One that is there already stays where it is.
 * @param place as {@link realPlace} gives it
 */
export async function besidePath(
  place: string,
  what: BesideKind,
  restoreId: string,
): Promise<string> {
  const name = `.${path.basename(place)}.holdfast-${what}-${restoreId}`;
  const inside = path.join(place, name);
  const beside = path.join(path.dirname(place), name);
  if (await pathExists(inside)) return inside;
  if (await pathExists(beside)) return beside;
  return (await isPinned(place)) ? inside : beside;
}

/** Can a place not be renamed: a mount point, or held by the directory it is in? */
export async function isPinned(place: string): Promise<boolean> {
  if (await isMountPoint(place)) return true;
  if (!(await pathExists(place))) return false;
  return (await findFlagged(path.dirname(place), 'itself')).length > 0;
}

/**
 * Could a restore put something else in this place? What shows only when services are down would cost
 * them: so it is asked before.
 * @param whole everything in the place is replaced
 * @param enters which of the mount points below it (relative) a backup has the content of
 * @throws HoldfastError RESTORE_FAILED (facts: path)
 */
export async function requireReplaceable(
  configured: string,
  whole: boolean,
  enters: (mount: BytePath) => boolean,
): Promise<void> {
  const place = await realPlace(configured);
  if (whole && place === '/') {
    throw refused('/', 'it is the root of the running system', 'restore into a directory (--to)');
  }
  const there = await pathExists(place);
  const mount = mountOf(await readMounts(), latin1(there ? place : await nearest(place)));
  if (mount?.readOnly === true) {
    throw refused(
      place,
      `${pathToText(mount.point)} is mounted read-only`,
      `mount it for writing (mount -o remount,rw ${pathToText(mount.point)}) and restore again`,
    );
  }
  const entered = (await mountsIn(place)).find(enters);
  if (entered !== undefined) {
    const point = path.join(place, pathToText(entered));
    throw refused(
      point,
      'something is mounted there, and the backup has what is in it',
      `unmount it and restore again, or restore into another directory (--to)`,
    );
  }
  if (!there) return;
  // Where the directory itself can't be renamed, its entries are.
  const byEntries = !whole || (await isPinned(place)) || (await mountsIn(place)).length > 0;
  const [held] = await findFlagged(place, byEntries ? 'entries' : 'itself');
  if (held === undefined) return;
  const at = path.join(place, held.name);
  throw refused(
    at,
    `it is ${held.flag}`,
    `take the flag off (chattr -i -a ${at}) and restore again`,
  );
}

/** The nearest directory above that is there. */
async function nearest(place: string): Promise<string> {
  let at = place;
  while (at !== '/' && !(await pathExists(at))) at = path.dirname(at);
  return at;
}

function refused(at: string, why: string, hint: string): HoldfastError {
  return new HoldfastError('RESTORE_FAILED', `${at} can't be replaced: ${why}`, {
    facts: { path: at },
    hint: `${hint}; nothing was touched`,
  });
}
