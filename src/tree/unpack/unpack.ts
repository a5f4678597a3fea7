/** Parts through their decoder and GNU tar into a directory, hashed and looked at on their way. */
import path from 'node:path';
import { HoldfastError } from '../../base/errors.js';
import type { ArtifactFile } from '../../format/manifest.js';
import { hashFile } from '../../base/files/hash-file.js';
import { decoderFor } from '../../base/process/decoder.js';
import { joinCommands } from '../../base/process/pipeline.js';
import { startCommand, type RunningCommand } from '../../base/process/process.js';
import { renameArguments } from '../../tar/rename-members.js';
import { foreignPrefix, requireBelow } from './foreign.js';
import { TarHeaderReader, type TarMember } from '../../tar/headers.js';

const EXTRACT_ARGUMENTS = [
  '--extract',
  '--file=-',
  // Larger records than 10 KiB: fewer, larger reads and writes.
  '--blocking-factor=128',
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
  /** Nothing is unpacked: the parts are only hashed and looked through. */
  readonly lookOnly?: boolean;
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
  const args = [
    ...EXTRACT_ARGUMENTS,
    ...(unpacking.bare === true ? NO_ATTRIBUTES : ATTRIBUTES),
    ...renameArguments(foreignPrefix(parts)),
  ];
  // The decoder reads the files itself; they are hashed beside it, from the same pages of the file cache.
  const damage = new AbortController();
  const hashing = requireHashes(parts, unpacking.artifactDirectory, damage.signal, signal);
  hashing.catch((error: unknown) => damage.abort(error));
  try {
    await unpack(parts, args, unpacking, AbortSignal.any([signal, damage.signal]));
  } catch (error) {
    // The decoder, tar or the look at the headers may stumble over damaged bytes first: the hash says which.
    if (mayBeDamage(error)) await hashing;
    else damage.abort(error);
    await hashing.catch(() => undefined);
    signal.throwIfAborted();
    throw error;
  }
  await hashing;
}

async function unpack(
  parts: readonly ArtifactFile[],
  args: readonly string[],
  unpacking: Unpacking,
  signal: AbortSignal,
): Promise<void> {
  const prefix = foreignPrefix(parts);
  const headers = new TarHeaderReader((member) => {
    if (prefix !== undefined) requireBelow(member.path, prefix);
    unpacking.onMember(member);
  });
  const files = parts.map(({ name }) => path.join(unpacking.artifactDirectory, name));
  const [command, ...decode] = decoderFor(parts[0]?.name ?? '') ?? ['cat'];
  const decoder = startCommand(command, [...decode, '--', ...files], { signal });
  const look = (chunk: Buffer): void => {
    headers.push(chunk);
    unpacking.onBytes(chunk.length);
  };
  if (unpacking.lookOnly === true) {
    await joinCommands([decoder], { taps: [look] });
    headers.end();
    return;
  }
  const tar =
    unpacking.startTar?.(args, signal) ??
    startCommand('tar', args, {
      signal,
      openStdin: true,
      cwd: unpacking.target,
      env: { LC_ALL: 'C' },
    });
  await joinCommands([decoder, tar], { taps: [look] });
  headers.end();
}

function mayBeDamage(error: unknown): boolean {
  if (!(error instanceof HoldfastError)) return true;
  return error.code === 'INTEGRITY' || error.code === 'COMMAND_FAILED';
}

/** @throws HoldfastError INTEGRITY for the first part that is not what the manifest says */
async function requireHashes(
  parts: readonly ArtifactFile[],
  directory: string,
  stop: AbortSignal,
  signal: AbortSignal,
): Promise<void> {
  const either = AbortSignal.any([stop, signal]);
  for (const part of parts) {
    const file = path.join(directory, part.name);
    requireHash(file, part, (await hashFile(file, either)).sha256);
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
