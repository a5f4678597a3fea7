/** Is a dump on disk whole, as far as can be told without loading it? */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { HoldfastError, messageOf } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { ArtifactFile, PostgresInfo } from '../../format/manifest.js';
import { assertArchive, decodeArchive, listArchive, unreadable } from './archive.js';
import { decompressed, unpacked } from '../dump/compress.js';
import { asBuffer, observed } from '../client/bytes.js';
import { ScriptScanner, isCompleteScript } from './script-scan.js';
import type { PostgresExec } from '../client/exec.js';

export interface DumpOnDisk {
  readonly directory: string;
  readonly files: readonly ArtifactFile[];
  /** What the manifest says of the server; without it only the files are looked at. */
  readonly postgres?: Pick<PostgresInfo, 'databases' | 'format'>;
}

export interface VerifyDumpOptions {
  /** Also compares SHA-256 (false by default: verifying the whole artifact does that). */
  readonly hashes?: boolean;
  /** Also reads archives to their end through pg_restore; needs a server (false by default). */
  readonly decode?: boolean;
}

/**
 * Checks every file of a dump: its size; a script by decompressing it and looking for its last line;
 * an archive by its first bytes and, where a server is at hand, by that server's `pg_restore --list`.
 * Without a server the inside of an archive is vouched for by its SHA-256 alone: pg_dump's own exit
 * status and the end of its output were seen when that was computed.
 * @throws HoldfastError INTEGRITY (facts: file, expected, actual), or the signal's reason.
 */
export async function verifyDump(
  dump: DumpOnDisk,
  pg: PostgresExec | undefined,
  work: Work,
  options: VerifyDumpOptions = {},
): Promise<void> {
  assertAllFilesListed(dump);
  const totalBytes = dump.files.reduce((total, file) => total + file.sizeBytes, 0);
  let bytes = 0;
  let entries = 0;
  for (const file of dump.files) {
    const target = path.join(dump.directory, file.name);
    await assertSize(target, file);
    const onBytes = (count: number): void => {
      bytes += count;
      work.report({ phase: 'verify', bytes, entries, totalBytes });
    };
    switch (file.role) {
      case 'globals':
      case 'cluster':
        await verifyScript(target, file, options.hashes === true, onBytes, work.signal);
        break;
      case 'database':
        await verifyArchive(target, file, options.hashes === true, onBytes, work.signal);
        if (pg !== undefined) await readByServer(target, file, pg, options, work.signal);
        break;
      case 'part':
      case 'index':
      case 'other':
        break; // none of ours
    }
    entries += 1;
  }
}

function assertAllFilesListed({ files, postgres }: DumpOnDisk): void {
  if (postgres === undefined) return;
  const has = (role: ArtifactFile['role']): boolean => files.some((file) => file.role === role);
  const missing =
    postgres.format === 'cluster'
      ? has('cluster')
        ? []
        : ['the cluster script']
      : [
          ...(has('globals') ? [] : ['the globals']),
          ...postgres.databases
            .filter(({ name }) => !files.some((file) => file.database === name))
            .map(({ name }) => `database ${name}`),
        ];
  if (missing.length > 0) {
    throw new HoldfastError('INTEGRITY', `the dump lacks ${missing.join(', ')}`, {
      facts: { missing },
    });
  }
}

async function assertSize(target: string, file: ArtifactFile): Promise<void> {
  let actual: number;
  try {
    actual = (await stat(target)).size;
  } catch (error) {
    throw new HoldfastError('INTEGRITY', `${file.name} can't be read: ${messageOf(error)}`, {
      facts: { file: file.name },
      cause: error,
    });
  }
  if (actual === file.sizeBytes) return;
  throw new HoldfastError('INTEGRITY', `${file.name} has ${actual} bytes, not ${file.sizeBytes}`, {
    facts: { file: file.name, expected: file.sizeBytes, actual },
  });
}

/** A stream that hashes what passes through it. */
function hashing(
  source: Readable,
  onBytes: (count: number) => void,
): { stream: Readable; digest: () => string } {
  const hash = createHash('sha256');
  return {
    stream: observed(source, (chunk) => {
      hash.update(chunk);
      onBytes(chunk.length);
    }),
    digest: () => hash.digest('hex'),
  };
}

function assertHash(file: ArtifactFile, actual: string): void {
  if (actual === file.sha256) return;
  throw new HoldfastError(
    'INTEGRITY',
    `${file.name} is not what was written: its SHA-256 differs`,
    {
      facts: { file: file.name, expected: file.sha256, actual },
    },
  );
}

async function verifyScript(
  target: string,
  file: ArtifactFile,
  checkHash: boolean,
  onBytes: (count: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { stream, digest } = hashing(createReadStream(target, { signal }), onBytes);
  const scan = new ScriptScanner();
  try {
    for await (const chunk of decompressed(stream, file.name, signal)) scan.push(asBuffer(chunk));
  } catch (error) {
    signal.throwIfAborted();
    throw unreadable(file.name, 'INTEGRITY', error);
  }
  if (checkHash) assertHash(file, digest());
  if (!isCompleteScript(scan.tail, 'cluster')) {
    throw new HoldfastError('INTEGRITY', `${file.name} does not end as pg_dumpall ends a dump`, {
      facts: { file: file.name, bytes: scan.sizeBytes },
      hint: 'the dump was cut short; psql would load a part of it and report success',
    });
  }
}

async function verifyArchive(
  target: string,
  file: ArtifactFile,
  checkHash: boolean,
  onBytes: (count: number) => void,
  signal: AbortSignal,
): Promise<void> {
  await assertArchive(unpacked(target, signal), file.name, 'INTEGRITY', signal);
  if (!checkHash) {
    onBytes(file.sizeBytes);
    return;
  }
  const { stream, digest } = hashing(createReadStream(target, { signal }), onBytes);
  stream.resume(); // read for the hash alone
  await finished(stream);
  assertHash(file, digest());
}

async function readByServer(
  target: string,
  file: ArtifactFile,
  pg: PostgresExec,
  options: VerifyDumpOptions,
  signal: AbortSignal,
): Promise<void> {
  await listArchive(pg, unpacked(target, signal), file.name, 'INTEGRITY', signal);
  if (options.decode === true) {
    await decodeArchive(pg, unpacked(target, signal), file.name, 'INTEGRITY', signal);
  }
}
