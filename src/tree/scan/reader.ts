/**
 * How the bytes of a tree are reached. Both ways run the same two programs, GNU find and GNU tar,
 * with the tree's root as working directory; only where they run differs.
 */
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { HoldfastError, systemCodeOf } from '../../base/errors.js';
import type { BytePath } from '../../base/files/byte-paths.js';
import { mountsIn } from '../../base/files/places.js';
import { startCommand, type Priority, type RunningCommand } from '../../base/process/process.js';

export interface ReaderCommandOptions {
  readonly signal: AbortSignal;
  /** Bytes for standard input; none by default. */
  readonly input?: Readable;
  /** Exit codes that are not an error; `[0]` by default. */
  readonly okExitCodes?: readonly number[];
}

export interface TreeReader {
  readonly readThrough: 'direct' | 'helper-container';
  /**
   * What it starts runs where this process runs: it can write this process's files, and tar finds
   * the same zstd.
   */
  readonly sharesPrograms: boolean;
  /** @throws HoldfastError SOURCE_MISSING when there is no such directory. */
  readonly check: () => Promise<void>;
  /** Mount points below the root, relative to it; where they can't be known, devices tell most. */
  readonly mounts?: () => Promise<readonly BytePath[]>;
  /**
   * Starts a program with the tree's root as working directory and `LC_ALL=C` in its environment.
   * Standard output must arrive byte for byte; errors as {@link startCommand} gives them.
   */
  readonly start: (
    command: 'find' | 'tar' | 'cmp',
    args: readonly string[],
    options: ReaderCommandOptions,
  ) => RunningCommand;
}

/** Reads a directory of this host with this process's rights. */
export function directReader(root: string, priority?: Priority): TreeReader {
  return {
    readThrough: 'direct',
    sharesPrograms: true,
    check: () => checkDirectory(root),
    mounts: () => mountsIn(root),
    start: (command, args, options) =>
      startCommand(command, args, { ...options, priority, cwd: root, env: { LC_ALL: 'C' } }),
  };
}

async function checkDirectory(root: string): Promise<void> {
  const problem = await stat(root).then(
    (found) => (found.isDirectory() ? undefined : 'is not a directory'),
    (error: unknown) => {
      const code = systemCodeOf(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return 'does not exist';
      throw error;
    },
  );
  if (problem === undefined) return;
  throw new HoldfastError('SOURCE_MISSING', `${root} ${problem}`, {
    facts: { path: root },
    hint: 'correct the path in the configuration, or mount what belongs there',
  });
}
