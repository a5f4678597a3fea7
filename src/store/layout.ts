/** Names below the root of the store, and the rule that nothing is touched outside of it. */
import { chmod, chown, lstat, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError, systemCodeOf } from '../base/errors.js';
import { fsyncPath } from '../base/files/durable.js';

export const SETS_DIRECTORY = 'sets';
export const INCOMING_DIRECTORY = '.incoming';
export const TRASH_DIRECTORY = '.trash';
export const ASIDE_DIRECTORY = '.aside';
/** Locks, and records of what must survive a run. */
export const RECORDS_DIRECTORY = '.holdfast';

export const MANIFEST_FILE = 'manifest.json';
export const CHECKSUMS_FILE = 'SHA256SUMS';
export const INSTRUCTIONS_FILE = 'RESTORE.md';

/** Owner and modes of what is published; the owner is left alone where no ids are given. */
export interface StoreOwnership {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly fileMode: number;
  readonly directoryMode: number;
}

/** `<name>_<YYYYMMDD_HHMMSS>`: the last directory of an artifact's path. */
export function artifactDirName(name: string, setId: string): string {
  return `${name}_${setId}`;
}

/** Name of a set's file: `sets/<id>-<tier>.json`. */
export function setFileName(set: { readonly id: string; readonly tier: string }): string {
  return `${set.id}-${set.tier}.json`;
}

/**
 * The components of a relative path.
 * @throws HoldfastError STORE_UNSAFE for absolute and empty paths, `..`, `.` and NUL
 */
export function relativeParts(relative: string): readonly string[] {
  const parts = relative.split('/');
  const bad = parts.some((part) => part === '' || part === '.' || part === '..');
  if (bad || relative.includes('\0')) {
    throw new HoldfastError('STORE_UNSAFE', `"${relative}" is not a path below the backups' root`, {
      facts: { path: relative },
    });
  }
  return parts;
}

/**
 * The absolute path of something below `root`; it need not exist. The root itself may be reached
 * through a symlink, what is below it may not.
 * @throws HoldfastError STORE_UNSAFE when the path would leave the root or leads through a symlink
 */
export async function resolveInside(root: string, relative: string): Promise<string> {
  let at = root;
  for (const part of relativeParts(relative)) {
    at = path.join(at, part);
    const kind = await kindOf(at);
    if (kind === 'missing') break;
    if (kind === 'symlink') {
      throw new HoldfastError(
        'STORE_UNSAFE',
        `${at} is a symlink: nothing is followed inside the backups`,
        {
          facts: { path: at },
          hint: 'replace the link by what it points to, or make that directory the root',
        },
      );
    }
  }
  return path.join(root, relative);
}

export async function kindOf(
  target: string,
): Promise<'missing' | 'symlink' | 'directory' | 'file' | 'other'> {
  try {
    const found = await lstat(target);
    if (found.isSymbolicLink()) return 'symlink';
    if (found.isDirectory()) return 'directory';
    return found.isFile() ? 'file' : 'other';
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    throw error;
  }
}

/**
 * Makes a directory below the root with its missing parents, durable; new ones get the ownership.
 * @throws HoldfastError STORE_UNSAFE as {@link resolveInside}
 */
export async function makeDirectoriesInside(
  root: string,
  relative: string,
  ownership?: StoreOwnership,
): Promise<string> {
  const directory = await resolveInside(root, relative);
  let at = root;
  for (const part of relativeParts(relative)) {
    const parent = at;
    at = path.join(at, part);
    if ((await kindOf(at)) === 'directory') continue;
    await mkdir(at).catch((error: unknown) => {
      if (systemCodeOf(error) !== 'EEXIST') throw error;
    });
    if (ownership !== undefined) await own(at, ownership, ownership.directoryMode);
    await fsyncPath(parent);
  }
  return directory;
}

/** Sets owner, then mode: a change of owner clears setuid and setgid. */
export async function own(target: string, ownership: StoreOwnership, mode: number): Promise<void> {
  const { uid, gid } = ownership;
  if (uid !== undefined || gid !== undefined) await chown(target, uid ?? -1, gid ?? -1);
  await chmod(target, mode);
}
