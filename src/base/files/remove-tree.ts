/**
 * Removing a tree without touching anything beside it. A tree with something mounted in it is refused
 * before anything goes; so is one with entries that the kernel will not let go of, unless the tree is
 * ours and we may clear what holds them. Every directory is entered by its handle, so that neither a
 * link nor a mount that appears meanwhile leads elsewhere. Killed half way, the next call goes on.
 */
import { constants } from 'node:fs';
import { chmod, lstat, open, readFile, readdir, realpath, rmdir, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError, systemCodeOf } from '../errors.js';
import { clearFlags, findFlagged, mayClearFlags } from './file-flags.js';
import { mountPointsIn, readMounts } from './mounts.js';

export interface RemoveOptions {
  /**
   * The tree is ours to remove whatever it holds (a safety copy, what we unpacked): immutable and
   * append-only flags are cleared, directories nobody may write are opened up.
   */
  readonly ours?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Told how many entries are gone by now. */
  readonly onProgress?: ((removed: number) => void) | undefined;
}

/** linux/fcntl.h; a handle that is good for names below it, and needs no right to list them. */
const O_PATH = 0o10000000;
const AT_ONCE = 16;

/**
 * Removes a tree (or a single file) without following links. Missing is fine.
 * @param target bytes where the name may not be UTF-8
 * @throws HoldfastError REMOVE_FAILED (facts: path, reason: `mount`, `immutable`, `append-only` or the
 *   system's code), or the signal's reason
 */
export async function removeTree(
  target: string | Buffer,
  options: RemoveOptions = {},
): Promise<void> {
  const whole = Buffer.from(target)
    .toString('latin1')
    .replace(/(?<=.)\/+$/, '');
  const found = await lstat(bytes(whole)).catch(absent);
  if (found === undefined) return;
  const remover = new Remover(options);
  const parent = await open(bytes(path.dirname(whole)), O_PATH | constants.O_DIRECTORY).catch(
    (error: unknown) => {
      throw failure(path.dirname(whole), error);
    },
  );
  try {
    const place = { handle: parent, shown: path.dirname(whole) };
    if (found.isDirectory()) await remover.refuse(place, whole);
    await remover.remove(place, path.basename(whole));
  } finally {
    await parent.close();
  }
}

/** A directory that is open, and its name for messages (latin1). */
interface Place {
  readonly handle: FileHandle;
  readonly shown: string;
  /** Flags in it are cleared once, for all its entries. */
  cleared?: Promise<void>;
}

class Remover {
  #removed = 0;
  readonly #ours: boolean;

  constructor(readonly options: RemoveOptions) {
    this.#ours = options.ours === true;
  }

  /** @throws HoldfastError when something in the tree could not be removed, as far as that shows */
  async refuse(parent: Place, whole: string): Promise<void> {
    const real = path.join(
      await realpath(bytes(parent.shown), { encoding: 'latin1' }),
      path.basename(whole),
    );
    const [mounted] = mountPointsIn(await readMounts(), real, 'at-or-below');
    if (mounted !== undefined) throw mountedThere(mounted, whole);
    const { signal } = this.options;
    const above = await findFlagged(viaHandle(parent.handle), 'itself', { signal });
    if (above[0] !== undefined) throw held(parent.shown, above[0].flag);
    if (this.#ours && (await mayClearFlags())) return;
    const handle = await this.#openDirectory(parent, path.basename(whole));
    try {
      const [flagged] = await findFlagged(viaHandle(handle), 'tree', { signal });
      if (flagged !== undefined) {
        throw held(path.join(text(whole), flagged.name), flagged.flag);
      }
    } finally {
      await handle.close();
    }
  }

  async remove(place: Place, name: string): Promise<void> {
    if (await this.#unlink(place, name, false)) await this.#removeDirectory(place, name, false);
  }

  /**
   * @param inTree whether the directory it is in belongs to the tree that is removed
   * @returns whether it is a directory, and so still there
   */
  async #unlink(place: Place, name: string, inTree: boolean): Promise<boolean> {
    this.options.signal?.throwIfAborted();
    const at = below(place, name);
    const isDirectory = await this.#letting(place, name, inTree, () => unlinkUnlessDirectory(at));
    if (!isDirectory) this.#count();
    return isDirectory;
  }

  #count(): void {
    this.#removed += 1;
    this.options.onProgress?.(this.#removed);
  }

  async #removeDirectory(place: Place, name: string, inTree: boolean): Promise<void> {
    const shown = path.join(place.shown, name);
    for (let tries = 1; ; tries += 1) {
      const handle = await this.#openDirectory(place, name);
      try {
        // Bind mounts have the device number of what is around them; these ids tell them apart.
        if ((await mountIdOf(handle)) !== (await mountIdOf(place.handle))) {
          throw mountedThere(shown, shown);
        }
        await this.#empty({ handle, shown });
      } finally {
        await handle.close();
      }
      try {
        await this.#letting(place, name, inTree, () => rmdir(below(place, name)).catch(absent));
        this.#count();
        return;
      } catch (error) {
        // Something was put in meanwhile.
        if (reasonOf(error) !== 'ENOTEMPTY' || tries === 3) throw error;
      }
    }
  }

  async #empty(place: Place): Promise<void> {
    const names = await this.#letting(place, '', true, () =>
      readdir(viaHandle(place.handle), { encoding: 'latin1' }),
    );
    const directories: string[] = [];
    for (let index = 0; index < names.length; index += AT_ONCE) {
      const some = names.slice(index, index + AT_ONCE).map(async (name) => {
        if (await this.#unlink(place, name, true)) directories.push(name);
      });
      // All have ended before the handle is closed.
      const failed = (await Promise.allSettled(some)).find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
    }
    // One after another: a handle for each level is open, not for each directory.
    for (const name of directories) await this.#removeDirectory(place, name, true);
  }

  async #openDirectory(place: Place, name: string): Promise<FileHandle> {
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    const at = below(place, name);
    try {
      return await open(at, flags);
    } catch (error) {
      if (!this.#ours || systemCodeOf(error) !== 'EACCES') {
        throw failure(path.join(place.shown, name), error);
      }
    }
    try {
      await chmod(at, 0o700);
      return await open(at, flags);
    } catch (error) {
      throw failure(path.join(place.shown, name), error);
    }
  }

  /** Does something to an entry; where that is not allowed and the tree is ours, allows it first. */
  async #letting<T>(
    place: Place,
    name: string,
    inTree: boolean,
    action: () => Promise<T>,
  ): Promise<T> {
    try {
      return await action();
    } catch (error) {
      const code = systemCodeOf(error);
      if (!this.#ours || (code !== 'EPERM' && code !== 'EACCES')) {
        throw failure(path.join(place.shown, name), error);
      }
      if (code === 'EACCES' && inTree) await chmod(viaHandle(place.handle), 0o700).catch(absentOr);
      if (code === 'EPERM') await this.#clear(place, name, inTree);
    }
    try {
      return await action();
    } catch (error) {
      throw failure(path.join(place.shown, name), error);
    }
  }

  /** One directory's entries at once; of a directory that is not part of the tree one entry alone. */
  async #clear(place: Place, name: string, inTree: boolean): Promise<void> {
    const { signal } = this.options;
    if (inTree) {
      place.cleared ??= clearFlags(viaHandle(place.handle), { signal });
      await place.cleared;
      return;
    }
    const { ino } = await lstat(below(place, name), { bigint: true });
    await clearFlags(viaHandle(place.handle), { inode: ino, signal });
  }
}

/** @returns whether it is a directory, and so still there */
async function unlinkUnlessDirectory(at: Buffer): Promise<boolean> {
  try {
    await unlink(at);
    return false;
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT') return false;
    if (code === 'EISDIR') return true;
    // What POSIX says of directories, and what the kernel says of immutable entries of any kind.
    if (code === 'EPERM' && (await lstat(at)).isDirectory()) return true;
    throw error;
  }
}

async function mountIdOf(handle: FileHandle): Promise<string | undefined> {
  const info = await readFile(`/proc/self/fdinfo/${handle.fd}`, 'utf8');
  return /^mnt_id:\s*(\d+)$/m.exec(info)?.[1];
}

/** A path to an open directory, for this process and its children. */
function viaHandle(handle: FileHandle): string {
  return `/proc/${process.pid}/fd/${handle.fd}`;
}

function below(place: Place, name: string): Buffer {
  return bytes(`${viaHandle(place.handle)}/${name}`);
}

function bytes(latin1: string): Buffer {
  return Buffer.from(latin1, 'latin1');
}

function text(latin1: string): string {
  return bytes(latin1).toString('utf8');
}

function absent(error: unknown): undefined {
  if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return undefined;
  throw error;
}

/** The next attempt tells what is wrong. */
function absentOr(): undefined {
  return undefined;
}

function reasonOf(error: unknown): unknown {
  return error instanceof HoldfastError ? error.facts['reason'] : undefined;
}

function mountedThere(point: string, whole: string): HoldfastError {
  return new HoldfastError(
    'REMOVE_FAILED',
    `${text(whole)} can't be removed: something is mounted on ${text(point)}`,
    {
      facts: { path: text(point), reason: 'mount' },
      hint: `what is mounted is never removed: look what it is (findmnt), unmount it, and try again`,
    },
  );
}

function held(shown: string, flag: string): HoldfastError {
  return new HoldfastError('REMOVE_FAILED', `${shown} can't be removed: it is ${flag}`, {
    facts: { path: shown, reason: flag },
    hint: 'take the flag off (chattr -i -a) where it is not wanted any more, and try again',
  });
}

function failure(shown: string, error: unknown): unknown {
  const code = systemCodeOf(error);
  if (code === undefined) return error;
  const name = text(shown);
  return new HoldfastError('REMOVE_FAILED', `${name} can't be removed: ${code}`, {
    facts: { path: name, reason: code },
    hint: hintOf(code),
    cause: error,
  });
}

function hintOf(code: string): string {
  switch (code) {
    case 'EBUSY':
      return 'it is mounted on, or in use by the system: see findmnt and swapon --show';
    case 'EPERM':
      return 'it may be immutable or append-only (lsattr), or a swap file in use';
    case 'EACCES':
      return 'it belongs to another user: run the worker as root, or remove it by hand';
    case 'EROFS':
      return 'the file system is mounted read-only: see what the kernel says of it (dmesg)';
    case 'ENOTEMPTY':
      return 'something keeps writing into it: stop that first';
    default:
      return 'see what the kernel says of this file system (dmesg), and try again';
  }
}
