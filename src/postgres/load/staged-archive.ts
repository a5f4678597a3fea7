/**
 * An archive as a file where the server runs: parallel jobs of pg_restore each read their own places
 * of it, which a stream does not allow.
 */
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { HoldfastError, isHoldfastError, messageOf } from '../../base/errors.js';
import type { ArtifactFile } from '../../format/manifest.js';
import { unreadable } from '../inspect/archive.js';
import { asBuffer, observed } from '../client/bytes.js';
import { hasZstd, unpacked } from '../dump/compress.js';
import type { PostgresExec } from '../client/exec.js';
/** Directories that hold one archive each; a later attempt knows them by this name. */
const PREFIX = 'holdfast-load.';
/** Limit for removing one, which must not make a cancellation hang. */
const REMOVE_MS = 60_000;
/** f_type of tmpfs and ramfs (magic.h): files there take the server's own memory. */
/** Every container has it, also one whose root can't be written. Enough for a list of names. */
const MEMORY_PLACE = '/dev/shm';
const MEMORY_FILE_SYSTEMS = ['1021994', '858458f6'];

export interface ArchiveToStage {
  readonly directory: string;
  readonly file: ArtifactFile;
  /** Where it may go, see {@link stagingPlaces}. */
  readonly places: readonly string[];
  /** Bytes that must stay free beside it. */
  readonly reserveBytes: number;
  /** Told of every byte handled, some of them twice. */
  readonly onBytes: (count: number) => void;
}

export interface StagedArchive {
  /** Where the server runs. */
  readonly path: string;
  /** Never throws: what it leaves, {@link removeStaged} of the next attempt removes. */
  readonly remove: () => Promise<void>;
}

/**
 * Beside the data directory, which often is the volume with the room for what is loaded, and /tmp.
 * Never in it: the server's directory is the server's.
 */
export function stagingPlaces(dataDirectory: string): readonly string[] {
  return [...new Set([path.posix.dirname(dataDirectory), '/tmp'])];
}

/** Removes what killed attempts left. */
export async function removeStaged(
  pg: PostgresExec,
  places: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const script = `for place in "$@"; do rm -rf -- "$place"/${PREFIX}*; done`;
  try {
    await pg.capture(['sh', '-c', script, 'holdfast', ...places, MEMORY_PLACE], { signal });
  } catch (error) {
    // Where there is no shell nothing was staged either.
    if (!(isHoldfastError(error) && error.code === 'COMMAND_FAILED')) throw error;
  }
}

/**
 * Puts an archive, decompressed, into a new directory that only the client programs' user can read.
 * @returns The archive; or, where it can't be put there, why not: nothing is left behind then, and
 *   the archive can still be streamed.
 * @throws HoldfastError RESTORE_FAILED where it can't be decompressed, or the signal's reason.
 */
export async function stageArchive(
  pg: PostgresExec,
  archive: ArchiveToStage,
  signal: AbortSignal,
): Promise<StagedArchive | string> {
  const sizeBytes = await unpackedBytes(archive, signal);
  let directory: string | undefined;
  try {
    const place = await placeWithRoom(pg, archive, sizeBytes, signal);
    if (place === undefined) return `no room for ${sizeBytes} bytes where the server runs`;
    directory = await run(pg, ['mktemp', '-d', `${place}/${PREFIX}XXXXXX`], signal);
    const target = `${directory}/archive.dump`;
    await copyTo(pg, archive, target, signal);
    const copied = await run(pg, ['sh', '-c', 'wc -c < "$1"', 'holdfast', target], signal);
    if (Number(copied) !== sizeBytes) throw new Error(`${copied} of ${sizeBytes} bytes arrived`);
    const whole = directory;
    return { path: target, remove: () => removeDirectory(pg, whole) };
  } catch (error) {
    if (directory !== undefined) await removeDirectory(pg, directory);
    signal.throwIfAborted();
    return messageOf(error);
  }
}

/**
 * Puts a small text into a file where the server runs, for as long as `use` takes.
 * @throws HoldfastError COMMAND_FAILED where nothing can be written, what `use` fails with, or the
 *   signal's reason
 */
export async function withTemporaryFile<T>(
  pg: PostgresExec,
  { text, places }: { readonly text: string; readonly places: readonly string[] },
  signal: AbortSignal,
  use: (file: string) => Promise<T>,
): Promise<T> {
  const script = `for place in "$@"; do
    directory=$(mktemp -d "$place/${PREFIX}XXXXXX" 2>/dev/null) || continue
    cat > "$directory/text" || exit
    echo "$directory"
    exit
  done
  echo "nothing can be written in $*" >&2
  exit 1`;
  const input = Readable.from([Buffer.from(text)], { objectMode: false });
  const argv = ['sh', '-c', script, 'holdfast', ...places, MEMORY_PLACE];
  const directory = await run(pg, argv, signal, input);
  try {
    return await use(`${directory}/text`);
  } finally {
    await removeDirectory(pg, directory);
  }
}

/** Counted rather than trusted to fit: a full disk would take the server down. */
async function unpackedBytes(
  { directory, file, onBytes }: ArchiveToStage,
  signal: AbortSignal,
): Promise<number> {
  if (!file.name.endsWith('.zst')) return file.sizeBytes;
  let sizeBytes = 0;
  try {
    for await (const chunk of unpacked(path.join(directory, file.name), signal)) {
      sizeBytes += asBuffer(chunk).length;
      onBytes(asBuffer(chunk).length);
    }
  } catch (error) {
    signal.throwIfAborted();
    const database = file.database ?? '';
    throw unreadable(file.name, 'RESTORE_FAILED', error, { database });
  }
  return sizeBytes;
}

/** The place with the most free bytes, if these are enough. */
async function placeWithRoom(
  pg: PostgresExec,
  { places, reserveBytes }: ArchiveToStage,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  // A line each: type, free blocks for others than root, bytes of a block. GNU's stat and busybox's.
  const script = `for place in "$@"; do
    { [ -d "$place" ] && [ -w "$place" ] && stat -f -c "%t %a %S" -- "$place"; } || echo none
  done`;
  const answer = await run(pg, ['sh', '-c', script, 'holdfast', ...places], signal);
  const free = answer.split('\n').map((line) => {
    const [type = '', blocks, blockBytes] = line.split(' ');
    return MEMORY_FILE_SYSTEMS.includes(type) ? 0 : Number(blocks) * Number(blockBytes) || 0;
  });
  const most = Math.max(...free);
  return most >= sizeBytes + reserveBytes ? places[free.indexOf(most)] : undefined;
}

async function copyTo(
  pg: PostgresExec,
  { directory, file, onBytes }: ArchiveToStage,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const source = path.join(directory, file.name);
  const beside = file.name.endsWith('.zst') && (await hasZstd(pg, signal));
  // One process, no child: a child orphaned and killed would be taken for one of the server's own.
  const script = beside ? 'exec zstd -q -d -c > "$1"' : 'exec cat > "$1"';
  const bytes: Readable = beside ? createReadStream(source) : unpacked(source, signal);
  const input = observed(bytes, (chunk) => onBytes(chunk.length));
  try {
    await run(pg, ['sh', '-c', script, 'holdfast', target], signal, input);
  } finally {
    bytes.destroy();
  }
}

/** The output of a command that must succeed. */
async function run(
  pg: PostgresExec,
  argv: readonly string[],
  signal: AbortSignal,
  input?: Readable,
): Promise<string> {
  const result = await pg.capture(argv, { env: { LC_ALL: 'C' }, signal, input });
  if (result.exitCode === 0) return result.stdout.trimEnd();
  throw new HoldfastError(
    'COMMAND_FAILED',
    result.stderr.trim().slice(-500) || `${argv[0] ?? ''} ended with ${result.exitCode}`,
  );
}

async function removeDirectory(pg: PostgresExec, directory: string): Promise<void> {
  await pg
    .capture(['rm', '-rf', '--', directory], { signal: AbortSignal.timeout(REMOVE_MS) })
    .catch(() => undefined); // the next attempt sees to it
}
