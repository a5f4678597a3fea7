/** The parts of an artifact back into a tree. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { HoldfastError, systemCodeOf } from '../errors.js';
import type { Work } from '../progress.js';
import type { ArtifactFile } from '../store/manifest.js';
import { joinCommands } from '../system/pipeline.js';
import { runCommand, startCommand, type RunningCommand } from '../system/process.js';
import { HostileCheck } from './hostile.js';
import { TarHeaderReader } from './tar-headers.js';

export interface ExtractOptions {
  readonly artifactDirectory: string;
  /** The manifest's files; those with role `part` are read, in this order. */
  readonly files: readonly ArtifactFile[];
  /** Existing empty directory; gets the mode and owner of the tree's root. */
  readonly target: string;
  /** Device nodes are unpacked instead of refused. */
  readonly allowDevices?: boolean;
  /**
   * Where tar runs when the target can't be written from here: started with these arguments, the
   * target as its working directory and an open stdin. The caller has seen that it is empty.
   */
  readonly startTar?: (args: readonly string[], signal: AbortSignal) => RunningCommand;
}

const EXTRACT_ARGUMENTS = [
  '--extract',
  '--file=-',
  '--ignore-zeros',
  '--numeric-owner',
  '--same-owner',
  '--same-permissions',
  '--xattrs',
  '--xattrs-include=*',
  '--acls',
  '--delay-directory-restore',
  // A host whose clock is behind is no reason to fail.
  '--warning=no-timestamp',
] as const;

/**
 * Unpacks all parts into an empty directory and flushes it to disk. What is unpacked is hashed and
 * looked through on its way, so that what was checked is what was written: a wrong hash or a hostile
 * member ends the work, with whatever was unpacked before it left in `target`.
 * @returns members unpacked and bytes of the tar stream
 * @throws HoldfastError RESTORE_FAILED (also: target not empty), INTEGRITY (facts: path, expected,
 *   actual), ARCHIVE_HOSTILE, DISK_FULL; or the signal's reason
 */
export async function extractTree(
  options: ExtractOptions,
  work: Work,
): Promise<{ entries: number; bytes: number }> {
  const parts = options.files.filter(({ role }) => role === 'part');
  if (options.startTar === undefined) await requireEmptyDirectory(options.target);
  if (parts.length === 0) {
    throw new HoldfastError('RESTORE_FAILED', 'the artifact has no parts to unpack', {
      facts: { path: options.artifactDirectory },
    });
  }
  const totalBytes = parts.reduce((sum, { contentBytes }) => sum + (contentBytes ?? 0), 0);
  const progress = { bytes: 0, entries: 0 };
  const hostile = new HostileCheck({ allowDevices: options.allowDevices ?? false });
  const headers = new TarHeaderReader((member) => {
    hostile.check(member);
    progress.entries += 1;
  });
  const source = Readable.from(readHashed(options.artifactDirectory, parts), { objectMode: false });
  const { signal } = work;
  try {
    const zstd = startCommand('zstd', ['-q', '-d', '-c', '-'], { signal, openStdin: true });
    const tar =
      options.startTar?.(EXTRACT_ARGUMENTS, signal) ??
      startCommand('tar', EXTRACT_ARGUMENTS, {
        signal,
        openStdin: true,
        cwd: options.target,
        env: { LC_ALL: 'C' },
      });
    await joinCommands([zstd, tar], {
      source,
      taps: [
        (chunk) => {
          headers.push(chunk);
          progress.bytes += chunk.length;
          work.report({ phase: 'extract', ...progress, totalBytes });
        },
      ],
    });
    headers.end();
    if (options.startTar === undefined) {
      await runCommand('sync', ['-f', options.target], { signal });
    }
  } catch (error) {
    await requireSoundParts(error, options.artifactDirectory, parts, signal);
    throw extractFailure(error, options);
  }
  requireAllEntries(parts, progress.entries);
  return progress;
}

/** The parts' bytes one after another; ends with an error when a part is not what the manifest says. */
async function* readHashed(
  directory: string,
  parts: readonly ArtifactFile[],
): AsyncGenerator<Buffer> {
  for (const part of parts) {
    const hash: Hash = createHash('sha256');
    const file = path.join(directory, part.name);
    // The end of a part is passed on only when its hash is known to be right.
    let held: Buffer | undefined;
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
      if (!Buffer.isBuffer(chunk)) continue;
      hash.update(chunk);
      if (held !== undefined) yield held;
      held = chunk;
    }
    requireHash(file, part, hash.digest('hex'));
    if (held !== undefined) yield held;
  }
}

function requireHash(file: string, part: ArtifactFile, actual: string): void {
  if (actual === part.sha256) return;
  throw new HoldfastError(
    'INTEGRITY',
    `${part.name} is damaged: its hash is not the recorded one`,
    {
      facts: { path: file, expected: part.sha256, actual },
      hint: 'restore from another set; holdfast verify shows which are sound',
    },
  );
}

/**
 * zstd and the look at the headers may stumble over damaged bytes before the hash of their part is
 * known: then the parts are hashed again to name the damaged one.
 */
async function requireSoundParts(
  error: unknown,
  directory: string,
  parts: readonly ArtifactFile[],
  signal: AbortSignal,
): Promise<void> {
  if (!(error instanceof HoldfastError) || error.facts.path !== undefined) return;
  if (error.code !== 'INTEGRITY' && error.facts.command !== 'zstd') return;
  for (const part of parts) {
    const file = path.join(directory, part.name);
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024, signal })) {
      if (Buffer.isBuffer(chunk)) hash.update(chunk);
    }
    requireHash(file, part, hash.digest('hex'));
  }
}

async function requireEmptyDirectory(target: string): Promise<void> {
  const names = await readdir(target).catch((error: unknown) => {
    throw new HoldfastError('RESTORE_FAILED', `${target} is not a directory to unpack into`, {
      facts: { path: target, reason: systemCodeOf(error) ?? null },
      cause: error,
    });
  });
  if (names.length === 0) return;
  throw new HoldfastError('RESTORE_FAILED', `${target} is not empty`, {
    facts: { path: target, found: names.slice(0, 5) },
    hint: 'a restore never merges into existing files: move them aside first',
  });
}

function requireAllEntries(parts: readonly ArtifactFile[], actual: number): void {
  let expected = 0;
  for (const { entries } of parts) {
    if (entries === undefined) return;
    expected += entries;
  }
  if (actual === expected) return;
  throw new HoldfastError('RESTORE_FAILED', `${actual} of ${expected} entries were unpacked`, {
    facts: { expected, actual },
  });
}

function extractFailure(error: unknown, options: ExtractOptions): unknown {
  const code = systemCodeOf(error);
  if (code === 'ENOENT' || code === 'EISDIR') {
    return new HoldfastError('INTEGRITY', 'a part of the artifact is missing', {
      facts: { path: options.artifactDirectory },
      cause: error,
    });
  }
  if (!(error instanceof HoldfastError) || error.code !== 'COMMAND_FAILED') return error;
  return new HoldfastError(
    'RESTORE_FAILED',
    `unpacking into ${options.target} failed: ${error.message}`,
    {
      facts: { ...error.facts, path: options.target },
      cause: error,
    },
  );
}
