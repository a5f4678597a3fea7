/** Parts through zstd and GNU tar into a directory, hashed and looked at on their way. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { HoldfastError } from '../errors.js';
import type { ArtifactFile } from '../store/manifest.js';
import { joinCommands } from '../system/pipeline.js';
import { startCommand, type RunningCommand } from '../system/process.js';
import { TarHeaderReader, type TarMember } from './tar-headers.js';

const EXTRACT_ARGUMENTS = [
  '--extract',
  '--file=-',
  '--ignore-zeros',
  '--numeric-owner',
  '--delay-directory-restore',
  // A host whose clock is behind is no reason to fail.
  '--warning=no-timestamp',
] as const;
const ATTRIBUTES = [
  '--same-owner',
  '--same-permissions',
  '--xattrs',
  '--xattrs-include=*',
  '--acls',
] as const;
const NO_ATTRIBUTES = ['--no-same-owner', '--no-same-permissions'] as const;

export interface Unpacking {
  readonly artifactDirectory: string;
  /** tar's working directory. */
  readonly target: string;
  /** Without owners, modes and extended attributes. */
  readonly bare?: boolean;
  /** As in ExtractOptions. */
  readonly startTar?: (args: readonly string[], signal: AbortSignal) => RunningCommand;
  /** Sees each member before tar does; throwing ends everything before tar has got it. */
  readonly onMember: (member: TarMember) => void;
  /** Told how many more bytes of the tar stream passed. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Unpacks some parts, one after another, with one tar.
 * @throws HoldfastError INTEGRITY (facts: path, expected, actual), COMMAND_FAILED, DISK_FULL, and what
 *   `onMember` throws; or the signal's reason
 */
export async function unpackParts(
  parts: readonly ArtifactFile[],
  unpacking: Unpacking,
  signal: AbortSignal,
): Promise<void> {
  const headers = new TarHeaderReader(unpacking.onMember);
  const args = [...EXTRACT_ARGUMENTS, ...(unpacking.bare === true ? NO_ATTRIBUTES : ATTRIBUTES)];
  try {
    const zstd = startCommand('zstd', ['-q', '-d', '-c', '-'], { signal, openStdin: true });
    const tar =
      unpacking.startTar?.(args, signal) ??
      startCommand('tar', args, {
        signal,
        openStdin: true,
        cwd: unpacking.target,
        env: { LC_ALL: 'C' },
      });
    await joinCommands([zstd, tar], {
      source: Readable.from(readHashed(unpacking.artifactDirectory, parts), { objectMode: false }),
      taps: [
        (chunk) => {
          headers.push(chunk);
          unpacking.onBytes(chunk.length);
        },
      ],
    });
    headers.end();
  } catch (error) {
    await requireSoundParts(error, unpacking.artifactDirectory, parts, signal);
    throw error;
  }
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
 * zstd, tar and the look at the headers may stumble over damaged bytes before the hash of their part
 * is known: then the parts are hashed again to name the damaged one.
 */
async function requireSoundParts(
  error: unknown,
  directory: string,
  parts: readonly ArtifactFile[],
  signal: AbortSignal,
): Promise<void> {
  if (!(error instanceof HoldfastError) || error.facts.path !== undefined) return;
  if (error.code !== 'INTEGRITY' && error.code !== 'COMMAND_FAILED') return;
  for (const part of parts) {
    const file = path.join(directory, part.name);
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024, signal })) {
      if (Buffer.isBuffer(chunk)) hash.update(chunk);
    }
    requireHash(file, part, hash.digest('hex'));
  }
}
