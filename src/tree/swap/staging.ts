/**
 * A directory that is filled beside its place and appears there when it is whole: a new one by one
 * rename, an existing empty one (it may be a mount point) by renames within it.
 */
import { chmod, lstat, mkdir, readdir, realpath, rename, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError, systemCodeOf } from '../../base/errors.js';
import { fsyncPath, removeTree, renameDurably } from '../../base/files/durable.js';
import { joinCommands } from '../../base/process/pipeline.js';
import { startCommand } from '../../base/process/process.js';

/** Every attribute of a directory itself, as one member of an archive. */
const ROOT_ARGUMENTS = [
  '--create',
  '--file=-',
  '--format=posix',
  '--pax-option=delete=atime,delete=ctime',
  '--numeric-owner',
  '--xattrs',
  '--xattrs-include=*',
  '--acls',
  '--no-recursion',
  '.',
] as const;

export interface Target {
  /** Where what is unpacked will be; symlinks that lead there are resolved. */
  readonly path: string;
  readonly exists: boolean;
}

export interface StagedDirectory {
  /** An empty directory, on the target's file system. */
  readonly path: string;
  /**
   * Moves what is in it to its place; on failure nothing of it stays there.
   * @param extractArguments those tar is to give an existing directory the staged one's own mode,
   *   owner, times and attributes with; without them it keeps its own
   */
  commit(extractArguments?: readonly string[]): Promise<void>;
  /** Leaves the target as it was. */
  discard(): Promise<void>;
}

/**
 * Looks at a directory to unpack into: it must be empty, or not be there yet, in one that is.
 * @throws HoldfastError USAGE (facts: path)
 */
export async function inspectTarget(wanted: string): Promise<Target> {
  const absolute = path.resolve(wanted);
  const found = await lstat(absolute).catch(missing);
  if (found === undefined) {
    const parent = await realpath(path.dirname(absolute)).catch(missing);
    if (parent === undefined || !(await stat(parent)).isDirectory()) {
      throw refused(absolute, `there is no directory ${path.dirname(absolute)}`, 'make it first');
    }
    return { path: path.join(parent, path.basename(absolute)), exists: false };
  }
  const at = await realpath(absolute).catch(missing);
  const names = at === undefined ? undefined : await readdir(at).catch(missing);
  if (at === undefined || names === undefined) {
    throw refused(absolute, `${absolute} is not a directory`, 'name a new or an empty one');
  }
  if (names.length > 0) {
    const example = names.slice(0, 3).join(', ');
    throw refused(
      absolute,
      `${absolute} is not empty (${example}${names.length > 3 ? ', …' : ''})`,
      'name a new or an empty directory: nothing is ever merged into existing files',
    );
  }
  return { path: at, exists: true };
}

/** @throws HoldfastError USAGE when the place can't be written */
export async function stageDirectory(target: Target): Promise<StagedDirectory> {
  const stamp = `${Date.now()}_${process.pid}`;
  // The name is one a backup of the surroundings leaves out.
  const staging = target.exists
    ? path.join(target.path, `.restore.holdfast-new-${stamp}`)
    : path.join(
        path.dirname(target.path),
        `.${path.basename(target.path).slice(0, 100)}.holdfast-new-${stamp}`,
      );
  const before = target.exists ? await stat(target.path) : undefined;
  try {
    await mkdir(staging, { mode: 0o700 });
  } catch (error) {
    const code = systemCodeOf(error) ?? 'unknown';
    throw new HoldfastError('USAGE', `nothing can be written to ${path.dirname(staging)}`, {
      facts: { path: path.dirname(staging), reason: code },
      hint: 'name a directory in a place you may write to',
      cause: error,
    });
  }
  const discard = async (): Promise<void> => {
    // Also where directories were unpacked that not even their owner may write.
    await removeTree(staging, { ours: true });
    if (before !== undefined) await utimes(target.path, before.atime, before.mtime);
  };
  return {
    path: staging,
    discard,
    commit: (extractArguments) =>
      before === undefined
        ? commitNew(staging, target.path)
        : commitInto(staging, target.path, extractArguments),
  };
}

async function commitNew(staging: string, target: string): Promise<void> {
  if ((await lstat(target).catch(missing)) !== undefined) {
    throw appeared(target);
  }
  await renameDurably(staging, target);
}

async function commitInto(
  staging: string,
  target: string,
  extractArguments: readonly string[] | undefined,
): Promise<void> {
  const hidden = path.basename(staging);
  if ((await readdir(target)).some((name) => name !== hidden)) throw appeared(target);
  const root = extractArguments === undefined ? undefined : await archiveRoot(staging);
  await chmod(staging, 0o700);
  const bytesOf = (directory: string, name: Buffer): Buffer =>
    Buffer.concat([Buffer.from(`${directory}/`), name]);
  const moved: Buffer[] = [];
  try {
    for (const name of await readdir(staging, { encoding: 'buffer' })) {
      await move(bytesOf(staging, name), bytesOf(target, name));
      moved.push(name);
    }
    await removeTree(staging, { ours: true });
    if (root !== undefined && extractArguments !== undefined) {
      await joinCommands([
        startCommand('tar', extractArguments, {
          cwd: target,
          env: { LC_ALL: 'C' },
          input: root,
        }),
      ]);
    }
    await fsyncPath(target);
  } catch (error) {
    await mkdir(staging, { recursive: true });
    for (const name of moved) await move(bytesOf(target, name), bytesOf(staging, name));
    throw error;
  }
}

/** Who is not root must be able to write a directory to give it another parent. */
async function move(from: Buffer, to: Buffer): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    const { mode } = await lstat(from);
    if (systemCodeOf(error) !== 'EACCES' || (mode & 0o170000) !== 0o040000) throw error;
    await chmod(from, (mode & 0o7777) | 0o700);
    await rename(from, to);
    await chmod(to, mode & 0o7777);
  }
}

async function archiveRoot(directory: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await joinCommands(
    [startCommand('tar', ROOT_ARGUMENTS, { cwd: directory, env: { LC_ALL: 'C' } })],
    { taps: [(chunk) => void chunks.push(chunk)] },
  );
  return Buffer.concat(chunks);
}

function missing(error: unknown): undefined {
  if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCodeOf(error) ?? '')) return undefined;
  throw error;
}

function refused(target: string, message: string, hint: string): HoldfastError {
  return new HoldfastError('USAGE', message, { facts: { path: target }, hint });
}

function appeared(target: string): HoldfastError {
  return new HoldfastError('RESTORE_FAILED', `something else was put into ${target} meanwhile`, {
    facts: { path: target },
    hint: 'name a new or an empty directory',
  });
}
