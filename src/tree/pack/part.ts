/** One part: its entries through GNU tar and zstd into a hashed file on disk. */
import { isUtf8 } from 'node:buffer';
import path from 'node:path';
import { Readable } from 'node:stream';
import { HoldfastError } from '../../base/errors.js';
import { writeOutputInto, writeOutputTo, type HashedFile } from '../../base/process/pipeline.js';
import {
  STDERR_TAIL_BYTES,
  saysDiskFull,
  startCommand,
  type Priority,
  type RunningCommand,
} from '../../base/process/process.js';
import type { ArtifactFile } from '../../format/manifest.js';
import type { Entry } from '../index/entry.js';
import { pathToBuffer } from '../../base/files/byte-paths.js';
import type { Part } from './plan-parts.js';
import { bytesReadBy } from '../../base/process/read-progress.js';
import type { TreeReader } from '../scan/reader.js';
import { TarHeaderReader } from '../../tar/headers.js';

/**
 * Names come as a NUL-separated list on standard input and verbatim: a name may begin with a dash or
 * hold a newline. Of the times only mtime is kept (in nanoseconds): the others can't be restored.
 */
const CREATE_ARGUMENTS = [
  '--create',
  // Larger records than 10 KiB: fewer, larger reads and writes. The zeros at the end cost nothing.
  '--blocking-factor=128',
  '--format=posix',
  '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
  '--numeric-owner',
  '--xattrs',
  '--xattrs-include=*',
  '--acls',
  '--no-recursion',
  '--null',
  '--verbatim-files-from',
  '--files-from=-',
] as const;

export interface WrittenPart {
  readonly file: Omit<ArtifactFile, 'state'>;
  /** tar said that something changed or vanished while it was read. */
  readonly disturbed: boolean;
  /** What it said, a line each; names as tar quotes them. */
  readonly complaints: readonly string[];
  /** Of these: files whose end it could not read and wrote zeros for, whatever the reason. */
  readonly padded: readonly string[];
}

export interface PartOptions {
  readonly directory: string;
  readonly name: string;
  readonly compressionLevel: number;
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly priority?: Priority | undefined;
  /** Asked before bytes of the tar stream go on: slows the reading down. */
  readonly throttle?: ((bytes: number) => Promise<void>) | undefined;
  /** Told how many more bytes of the files have been read. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Writes `<directory>/<name>`. Files that vanish before they are read are left out of it and make it
 * `disturbed`; everything else that cannot be read is an error.
 * @throws HoldfastError ARCHIVE_FAILED, DISK_FULL
 */
export async function writePart(
  part: Part,
  reader: TreeReader,
  options: PartOptions,
): Promise<WrittenPart> {
  const file = path.join(options.directory, options.name);
  const holes = (await mayLookForHoles(part, reader, options.signal)) ? ['--sparse'] : [];
  const write =
    reader.sharesPrograms && options.throttle === undefined ? writeCompressed : writeThroughHere;
  const { stored, members, exitCode, stderr } = await write(
    part,
    reader,
    file,
    options,
    holes,
  ).catch((error: unknown) => {
    throw readFailure(error, part);
  });
  if (exitCode === 2 && !onlyVanished(stderr)) {
    throw readFailure(tarError(exitCode, stderr), part);
  }
  const missing = part.count - members;
  if (missing !== 0 && exitCode === 0) {
    throw new HoldfastError('ARCHIVE_FAILED', `tar left out ${missing} entries without a word`, {
      facts: { expected: part.count, actual: members },
    });
  }
  return {
    file: {
      name: options.name,
      role: 'part',
      sizeBytes: stored.sizeBytes,
      sha256: stored.sha256,
      contentBytes: part.contentBytes,
      entries: members,
      holds: part.holds,
    },
    disturbed: exitCode !== 0,
    complaints: complaintsOf(stderr),
    padded: paddedOf(stderr),
  };
}

/** A file this large, and without a block, is looked at before it is read and stored in full. */
const LARGE_HOLE_BYTES = 16 * 1024 * 1024;

/**
 * GNU tar with `--sparse` takes a file without blocks for one hole and never reads it. So a part with
 * a file of which that may not be true is read in full; only one of nothing but large files that are
 * nothing but zeros is not: it would be restored with all its zeros on disk.
 */
async function mayLookForHoles(
  part: Part,
  reader: TreeReader,
  signal: AbortSignal,
): Promise<boolean> {
  if (!part.claimsHoles) return true;
  for await (const entries of part.batches()) {
    for (const entry of entries) {
      if (entry.claimsHole && !(await isLargeHole(entry, reader, signal))) return false;
    }
  }
  return true;
}

async function isLargeHole(
  { path: name, sizeBytes }: Entry,
  reader: TreeReader,
  signal: AbortSignal,
): Promise<boolean> {
  const text = pathToBuffer(name);
  if (sizeBytes < LARGE_HOLE_BYTES || !isUtf8(text)) return false;
  const args = ['-s', '-n', String(sizeBytes), '--', `./${text.toString('utf8')}`, '/dev/zero'];
  try {
    const comparing = reader.start('cmp', args, { signal, okExitCodes: [0, 1] });
    comparing.stdout.resume();
    return (await comparing.done).exitCode === 0;
  } catch (error) {
    signal.throwIfAborted();
    // There is no cmp, or the file can't be read: tar will tell.
    if (error instanceof HoldfastError) return false;
    throw error;
  }
}

interface Written {
  readonly stored: HashedFile;
  /** Entries that are in the part. */
  readonly members: number;
  readonly exitCode: number;
  readonly stderr: string;
}

/**
 * tar starts zstd itself, and zstd writes the file: no byte passes through here, the file is hashed as
 * it grows. What got into the part is known from the names tar lists.
 */
async function writeCompressed(
  part: Part,
  reader: TreeReader,
  file: string,
  options: PartOptions,
  holes: readonly string[],
): Promise<Written> {
  let members = 0;
  let tar: RunningCommand | undefined;
  let stopTelling = (): void => undefined;
  try {
    const stored = await writeOutputInto(file, () => {
      tar = reader.start(
        'tar',
        [
          ...CREATE_ARGUMENTS,
          ...holes,
          `--file=${path.resolve(file)}`,
          '--force-local',
          '--verbose',
          '--quoting-style=escape',
          `--use-compress-program=zstd ${zstdArguments(options.compressionLevel, options.threads).join(' ')}`,
        ],
        {
          signal: options.signal,
          input: listing(part),
          okExitCodes: [0, 1, 2],
        },
      );
      // A name a line: newlines in names are escaped.
      tar.stdout.on('data', (chunk: Buffer) => {
        members += countNewlines(chunk);
      });
      stopTelling = bytesReadBy(tar.pid, part.contentBytes, options.onBytes);
      return tar;
    });
    const ending = await tar?.done;
    if (ending === undefined) throw new HoldfastError('INTERNAL', 'tar was not started');
    return { stored, members, ...ending };
  } finally {
    stopTelling();
  }
}

function countNewlines(chunk: Buffer): number {
  let count = 0;
  for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) count += 1;
  return count;
}

/** For a tar that runs elsewhere, or is slowed down: its bytes come through here on their way to zstd. */
async function writeThroughHere(
  part: Part,
  reader: TreeReader,
  file: string,
  options: PartOptions,
  holes: readonly string[],
): Promise<Written> {
  let members = 0;
  const headers = new TarHeaderReader(() => {
    members += 1;
  });
  let tar: RunningCommand | undefined;
  const stored = await writeOutputTo(
    file,
    () => {
      tar = reader.start('tar', [...CREATE_ARGUMENTS, ...holes, '--file=-'], {
        signal: options.signal,
        input: listing(part),
        okExitCodes: [0, 1, 2],
      });
      return [tar, compressor(options)];
    },
    {
      throttle: options.throttle,
      taps: [
        (chunk) => {
          headers.push(chunk);
          options.onBytes(chunk.length);
        },
      ],
    },
  );
  headers.end();
  const ending = await tar?.done;
  if (ending === undefined) throw new HoldfastError('INTERNAL', 'tar was not started');
  return { stored, members, ...ending };
}

/** zstd as a child that reads standard input and writes standard output, with the frame's checksum. */
export function compressor(options: {
  readonly compressionLevel: number;
  readonly threads?: number;
  readonly signal: AbortSignal;
  readonly priority?: Priority | undefined;
}): RunningCommand {
  const args = zstdArguments(options.compressionLevel, options.threads ?? 1);
  return startCommand('zstd', [...args, '-'], {
    signal: options.signal,
    priority: options.priority,
    openStdin: true,
  });
}

function zstdArguments(level: number, threads: number): readonly string[] {
  return ['-q', '-c', '--check', `-T${threads}`, `-${level}`];
}

/** Names as tar takes them: below `./`, so that none can look like an option. */
function listing(part: Part): Readable {
  async function* chunks(): AsyncGenerator<Buffer> {
    for await (const batch of part.batches()) yield* names(batch);
  }
  return Readable.from(chunks(), { objectMode: false });
}

function* names(entries: readonly Entry[]): Generator<Buffer> {
  let text = '';
  for (const entry of entries) {
    text += entry.path === '' ? './\0' : `./${entry.path}\0`;
    if (text.length >= 65_536) {
      yield Buffer.from(text, 'latin1');
      text = '';
    }
  }
  if (text !== '') yield Buffer.from(text, 'latin1');
}

/**
 * Is every complaint of tar about a file that is no longer there? Of the kept end of its output the
 * first line may be cut, and what came before is unknown: then it does not count as explained.
 */
function onlyVanished(stderr: string): boolean {
  if (Buffer.byteLength(stderr) >= STDERR_TAIL_BYTES - 1024) return false;
  const lines = stderr.split('\n').filter((line) => line !== '');
  return lines.every(
    (line) =>
      /: (Warning: )?Cannot \w+: No such file or directory$/.test(line) ||
      /: File removed before we read it$/.test(line) ||
      /: file changed as we read it$/.test(line) ||
      /: File shrank by \d+ bytes?; padding with zeros$/.test(line) ||
      /: Exiting with failure status due to previous errors$/.test(line),
  );
}

/** More than is kept of tar's words may have named more of them. */
export function paddedOf(stderr: string): readonly string[] {
  const named = stderr
    .split('\n')
    .filter((line) => /: File shrank by \d+ bytes?; padding with zeros$/.test(line))
    .map((line) => line.replace(/^\S*tar: /, ''));
  if (named.length > 0 || Buffer.byteLength(stderr) < STDERR_TAIL_BYTES - 1024) return named;
  return ['more changed than can be told apart from what could not be read'];
}

function complaintsOf(stderr: string): readonly string[] {
  return stderr
    .split('\n')
    .filter((line) => line !== '' && !line.includes('Exiting with failure status'))
    .map((line) => line.replace(/^\S*tar: /, ''))
    .slice(0, 20);
}

function tarError(exitCode: number, stderr: string): HoldfastError {
  const reason = stderr.trim().split('\n').slice(0, 3).join(' | ');
  // zstd is tar's child here, and says so on the same standard error.
  if (saysDiskFull(stderr)) {
    return new HoldfastError('DISK_FULL', `no space left to write a part: ${reason}`, {
      hint: 'free some space, or let an older set go (holdfast list shows their sizes)',
    });
  }
  return new HoldfastError('COMMAND_FAILED', `tar ended with exit code ${exitCode}: ${reason}`, {
    facts: { command: 'tar', exitCode, stderr: stderr.slice(-2000) },
  });
}

function readFailure(error: unknown, part: Part): unknown {
  if (!(error instanceof HoldfastError) || error.code !== 'COMMAND_FAILED') return error;
  return new HoldfastError('ARCHIVE_FAILED', `the tree cannot be read: ${error.message}`, {
    facts: { ...error.facts, entries: part.count },
    cause: error,
  });
}
