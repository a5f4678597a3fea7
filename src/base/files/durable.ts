/**
 * The one gateway to durable file operations: what is reported written has reached the disk, and a
 * file or directory appears whole or not at all (write → fsync → rename → fsync of the directory).
 */
import { constants } from 'node:fs';
import { link, lstat, mkdir, open, opendir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { systemCodeOf } from '../errors.js';
import { fromSystemError } from './system-error.js';

export { removeTree } from './remove-tree.js';

/** Flushes a file's or directory's own data and metadata. */
export async function fsyncPath(target: string): Promise<void> {
  const handle = await open(target, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Flushes every regular file and directory below and including `directory`; links are left alone. */
export async function fsyncTree(directory: string): Promise<void> {
  for await (const entry of await opendir(directory)) {
    const child = path.join(directory, entry.name);
    if (entry.isDirectory()) await fsyncTree(child);
    else if (entry.isFile()) await fsyncPath(child);
  }
  await fsyncPath(directory);
}

/** Replaces `file` with `content` in one step; readers see the old or the new, never a part. */
export async function writeFileDurably(
  file: string,
  content: string | Uint8Array,
  mode = 0o644,
): Promise<void> {
  const temporary = path.join(
    path.dirname(file),
    `.${path.basename(file)}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`,
  );
  const handle = await mapped(() => open(temporary, 'wx', mode), temporary);
  try {
    await mapped(() => handle.writeFile(content), file);
    await mapped(() => handle.sync(), file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  await renameDurably(temporary, file);
}

/** Renames on one file system and makes the new name survive a power cut. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await mapped(() => rename(from, to), to);
  await fsyncPath(path.dirname(to));
  if (path.dirname(from) !== path.dirname(to)) await fsyncPath(path.dirname(from));
}

/** Makes a directory and its missing parents, durable. Existing ones are left as they are. */
export async function mkdirDurably(directory: string, mode = 0o755): Promise<void> {
  const first = await mapped(() => makeDirectories(directory, mode), directory);
  if (first !== undefined) {
    for (let at = directory; at.length >= first.length; at = path.dirname(at)) {
      await fsyncPath(path.dirname(at));
    }
  }
}

/** @returns the first directory that was made, undefined where all were there */
async function makeDirectories(directory: string, mode: number): Promise<string | undefined> {
  try {
    return await mkdir(directory, { recursive: true, mode });
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
    // Node says so, too, where the parent is on a read-only file system; the plain call says why.
    await mkdir(directory, { mode });
    return directory;
  }
}

/** A second name for the same bytes; an existing equal link is fine. */
export async function linkFile(existing: string, name: string): Promise<void> {
  await mapped(() => link(existing, name), name);
}

export async function pathExists(target: string): Promise<boolean> {
  try {
    await lstat(target);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return false;
    throw error;
  }
}

/** The file's text, or undefined when there is none. */
export async function readTextIfExists(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** What a JSON text says, or undefined where it is none: a line that a kill has cut short. */
export function parseJsonIfWhole(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A full disk, a quota and a read-only file system have their own errors, with the name that was meant. */
async function mapped<T>(operation: () => Promise<T>, target: string): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (['ENOSPC', 'EDQUOT', 'EROFS'].includes(systemCodeOf(error) ?? '')) {
      throw fromSystemError(error, target) ?? error;
    }
    throw error;
  }
}
