/** Reading an artifact again, to know that it is what was written. */
import { readFile, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { inParallel, usualParallelism } from '../../base/parallel.js';
import { TarHeaderReader } from '../../tar/headers.js';
import { HoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import { decoderFor } from '../../base/process/decoder.js';
import { hashFile } from '../../base/files/hash-file.js';
import { joinCommands } from '../../base/process/pipeline.js';
import { startCommand } from '../../base/process/process.js';
import { readManifest } from '../write/artifact.js';
import { parseChecksums } from '../../format/checksums.js';
import { CHECKSUMS_FILE, INSTRUCTIONS_FILE, MANIFEST_FILE } from '../layout.js';
import { isLinked, type ArtifactFile, type ArtifactManifest } from '../../format/manifest.js';

export type VerifyLevel = 'hashes' | 'decode';

export interface VerifyOptions {
  /** What the set says the manifest's hash is. */
  readonly manifestSha256?: string | undefined;
  readonly level: VerifyLevel;
  /** Of files that were linked from an earlier set only the size is looked at. */
  readonly onlyWritten?: boolean;
  /** How far an attempt before this one had come, which ended half way: that is not read again. */
  readonly from?: Readonly<VerifiedSoFar> | undefined;
  /** Told whenever another file is done. */
  readonly onFile?: ((done: VerifiedSoFar) => void) | undefined;
}

/** Files of the manifest, in its order, that are done with: the first so many of them. */
export interface VerifiedSoFar {
  readonly hashed: number;
  readonly decoded: number;
}

export interface VerifyReport {
  readonly level: VerifyLevel;
  readonly files: number;
  /** Bytes of all files read. */
  readonly bytes: number;
  /** Entries counted in the parts; 0 at level `hashes`. */
  readonly entries: number;
  readonly manifest: ArtifactManifest;
}

/**
 * Verifies one artifact: its manifest against the hash the set has, every file's size and hash, and
 * that nothing is missing or there beside. Level `decode` also decompresses every compressed file and
 * counts the entries of the parts.
 * @throws HoldfastError INTEGRITY (facts: path, expected, actual), MANIFEST_INVALID
 */
export async function verifyArtifact(
  directory: string,
  options: VerifyOptions,
  work: Work,
): Promise<VerifyReport> {
  const { manifest, manifestSha256 } = await readManifest(directory);
  if (options.manifestSha256 !== undefined && options.manifestSha256 !== manifestSha256) {
    throw damaged(path.join(directory, MANIFEST_FILE), options.manifestSha256, manifestSha256);
  }
  const sums = parseChecksums(
    await readFile(path.join(directory, CHECKSUMS_FILE), 'utf8').catch(() => ''),
  );
  await requireNames(directory, manifest);
  const progress = { bytes: 0, entries: 0 };
  const totalBytes = manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const advance = (bytes: number, entries: number): void => {
    progress.bytes += bytes;
    progress.entries += entries;
    work.report({ phase: 'verify', ...progress, totalBytes });
  };
  const from = options.from ?? { hashed: 0, decoded: 0 };
  for (const [at, file] of manifest.files.entries()) {
    if (sums.get(file.name) !== file.sha256) {
      throw damaged(
        path.join(directory, CHECKSUMS_FILE),
        file.sha256,
        sums.get(file.name) ?? 'nothing',
      );
    }
    const target = path.join(directory, file.name);
    const isRead = at < from.hashed;
    if (isRead || (options.onlyWritten === true && isLinked(file, manifest.setId))) {
      await verifySize(target, file);
    } else await verifyHash(target, file, work.signal, (bytes) => advance(bytes, 0));
    advance(0, 1);
    if (!isRead) options.onFile?.({ hashed: at + 1, decoded: from.decoded });
  }
  const papers = [MANIFEST_FILE, INSTRUCTIONS_FILE];
  for (const name of papers) {
    const expected = sums.get(name) ?? 'nothing';
    const { sha256 } = await hashFile(path.join(directory, name), work.signal);
    if (sha256 !== expected) throw damaged(path.join(directory, name), expected, sha256);
  }
  const entries =
    options.level === 'decode'
      ? await decodeAll(directory, manifest, work, {
          from: from.decoded,
          onFile: (decoded) => options.onFile?.({ hashed: manifest.files.length, decoded }),
        })
      : 0;
  return {
    level: options.level,
    files: manifest.files.length + papers.length,
    bytes: progress.bytes,
    entries,
    manifest,
  };
}

async function requireNames(directory: string, manifest: ArtifactManifest): Promise<void> {
  const expected = new Set([
    MANIFEST_FILE,
    CHECKSUMS_FILE,
    INSTRUCTIONS_FILE,
    ...manifest.files.map(({ name }) => name),
  ]);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const target = path.join(directory, entry.name);
    if (!expected.delete(entry.name)) throw damaged(target, 'not in the manifest', 'there');
    if (!entry.isFile()) throw damaged(target, 'a regular file', 'something else');
  }
  for (const name of expected) throw damaged(path.join(directory, name), 'there', 'missing');
}

async function verifySize(file: string, { sizeBytes }: ArtifactFile): Promise<void> {
  const { size } = await stat(file);
  if (size !== sizeBytes) throw damaged(file, `${sizeBytes} bytes`, `${size} bytes`);
}

async function verifyHash(
  file: string,
  expected: ArtifactFile,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { sha256, sizeBytes } = await hashFile(file, signal, onBytes);
  if (sizeBytes !== expected.sizeBytes) {
    throw damaged(file, `${expected.sizeBytes} bytes`, `${sizeBytes} bytes`);
  }
  if (sha256 !== expected.sha256) throw damaged(file, expected.sha256, sha256);
}

async function decodeAll(
  directory: string,
  manifest: ArtifactManifest,
  work: Work,
  { from, onFile }: { readonly from: number; readonly onFile: (done: number) => void },
): Promise<number> {
  const progress = { bytes: 0, entries: 0 };
  const done = new Set<number>();
  let first = from;
  await inParallel(
    manifest.files.filter(({ name }) => decoderFor(name) !== undefined).slice(from),
    usualParallelism(),
    async (file, index, signal) => {
      const target = path.join(directory, file.name);
      const members = await decode(target, file, signal, (bytes, entries) => {
        progress.bytes += bytes;
        progress.entries += entries;
        const { contentBytes: totalBytes } = manifest.totals;
        work.report({ phase: 'decode', ...progress, totalBytes });
      });
      if (file.role === 'part' && file.entries !== undefined && file.entries !== members) {
        throw damaged(target, `${file.entries} entries`, `${members} entries`);
      }
      // They end in any order; what counts is up to where all have.
      done.add(from + index);
      while (done.delete(first)) first += 1;
      onFile(first);
    },
    work.signal,
  );
  return progress.entries;
}

/** @returns members of a part, 0 of anything else */
async function decode(
  target: string,
  { role }: ArtifactFile,
  signal: AbortSignal,
  onProgress: (bytes: number, entries: number) => void,
): Promise<number> {
  let members = 0;
  const headers = new TarHeaderReader(() => {
    members += 1;
    onProgress(0, 1);
  });
  const [command, ...args] = decoderFor(target) ?? ['cat'];
  try {
    await joinCommands([startCommand(command, [...args, '--', target], { signal })], {
      taps: [
        (chunk) => {
          if (role === 'part') headers.push(chunk);
          onProgress(chunk.length, 0);
        },
      ],
    });
    headers.end();
    return members;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof HoldfastError)) throw error;
    throw new HoldfastError('INTEGRITY', `${target} cannot be decoded: ${error.message}`, {
      facts: { path: target, expected: 'a sound archive', actual: error.message },
      cause: error,
    });
  }
}

function damaged(file: string, expected: string, actual: string): HoldfastError {
  return new HoldfastError(
    'INTEGRITY',
    `${file} is damaged: expected ${expected}, found ${actual}`,
    {
      facts: { path: file, expected, actual },
      hint: 'use another set for restores, and run a backup soon',
    },
  );
}
