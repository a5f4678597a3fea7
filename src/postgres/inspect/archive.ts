/** pg_dump archives (custom format) looked at from outside. */
import type { Readable } from 'node:stream';
import { HoldfastError, messageOf, type ErrorCode, type ErrorFacts } from '../../base/errors.js';
import { asBuffer } from '../client/bytes.js';
import { clientError } from '../client/client-error.js';
import type { PostgresExec } from '../client/exec.js';
import { errorLineOf } from '../client/warnings.js';

/** `PGDMP` and, after version and sizes of numbers, 1 for the custom format (pg_backup_archiver.c). */
const MAGIC = 'PGDMP';
const FORMAT_OFFSET = 10;
const CUSTOM_FORMAT = 1;

const HEAD_BYTES = 16;

/** The names of a database's archive: with zstd around it, and as it was written before. */
const ARCHIVE_NAME = /\.dump(\.zst)?$/;

/** The database of an archive whose manifest does not name one. */
export function databaseOfFile(fileName: string): string {
  return fileName.replace(ARCHIVE_NAME, '');
}

/**
 * Refuses what does not begin as a custom-format archive does. Says nothing about its end.
 * @param archive Decompressed; it is closed.
 * @throws HoldfastError `code`, also for what can't be decompressed.
 */
export async function assertArchive(
  archive: Readable,
  name: string,
  code: ErrorCode,
  signal: AbortSignal,
): Promise<void> {
  let head = Buffer.alloc(0);
  try {
    for await (const chunk of archive) {
      head = Buffer.concat([head, asBuffer(chunk)]);
      if (head.length >= HEAD_BYTES) break; // closes it
    }
  } catch (error) {
    signal.throwIfAborted();
    throw unreadable(name, code, error);
  }
  const known =
    head.length >= HEAD_BYTES &&
    head.toString('latin1', 0, MAGIC.length) === MAGIC &&
    head[FORMAT_OFFSET] === CUSTOM_FORMAT;
  if (!known) {
    throw new HoldfastError(code, `${name} is no pg_dump archive`, { facts: { file: name } });
  }
}

/** The error for a file that can't be decompressed, or not be read at all. */
export function unreadable(
  name: string,
  code: ErrorCode,
  cause: unknown,
  facts: ErrorFacts = {},
): HoldfastError {
  return new HoldfastError(code, `${name} can't be decompressed`, {
    facts: { file: name, reason: messageOf(cause), ...facts },
    cause,
  });
}

/**
 * Reads an archive's table of contents with the server's own pg_restore. The contents come first in
 * the file: this proves its head, not its end.
 * @param archive Decompressed; it is closed.
 * @returns The number of entries, at least 1.
 * @throws HoldfastError `code` for what can't be decompressed, what pg_restore can't read, or what
 *   has no entries.
 */
export async function listArchive(
  pg: PostgresExec,
  archive: Readable,
  name: string,
  code: ErrorCode,
  signal: AbortSignal,
): Promise<number> {
  const result = await feed(pg, ['pg_restore', '--list'], { archive, name, code }, signal);
  if (result.exitCode !== 0) throw clientError('pg_restore', result, code, { archive: name });
  // The header counts what the list leaves out (encoding, search path, the database itself), so a
  // database without a single object of its own is not taken for a damaged archive.
  const entries = Number(/^;\s+TOC Entries: (\d+)$/m.exec(result.stdout)?.[1] ?? 0);
  if (entries === 0) {
    throw new HoldfastError(code, `the archive of ${name} has an empty table of contents`, {
      facts: { archive: name },
    });
  }
  return entries;
}

/** A line of `pg_restore --list`. */
export interface TocLine {
  readonly id: number;
  /** Kind, schema (or `-`), name and owner. */
  readonly label: string;
}

/**
 * What an archive's table of contents lists, in the order it is loaded in.
 * @param archive Decompressed; it is closed.
 * @throws HoldfastError `code` as {@link listArchive}
 */
export async function readContents(
  pg: PostgresExec,
  archive: Readable,
  name: string,
  code: ErrorCode,
  signal: AbortSignal,
): Promise<TocLine[]> {
  const result = await feed(pg, ['pg_restore', '--list'], { archive, name, code }, signal);
  if (result.exitCode !== 0) throw clientError('pg_restore', result, code, { archive: name });
  return result.stdout.split('\n').flatMap((line) => {
    const found = /^(\d+); \d+ \d+ (.*)$/.exec(line);
    return found === null ? [] : [{ id: Number(found[1]), label: found[2] ?? '' }];
  });
}

/**
 * Reads an archive to its end: every block looked at and written nowhere.
 * @param archive Decompressed; it is closed.
 * @throws HoldfastError `code` where it is damaged or cut short.
 */
export async function decodeArchive(
  pg: PostgresExec,
  archive: Readable,
  name: string,
  code: ErrorCode,
  signal: AbortSignal,
): Promise<void> {
  const argv = ['pg_restore', '--file=/dev/null'];
  const result = await feed(pg, argv, { archive, name, code }, signal);
  if (result.exitCode !== 0 || errorLineOf(result.stderr) !== undefined) {
    throw clientError('pg_restore', result, code, { archive: name });
  }
}

async function feed(
  pg: PostgresExec,
  argv: readonly string[],
  { archive, name, code }: { archive: Readable; name: string; code: ErrorCode },
  signal: AbortSignal,
): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  try {
    return await pg.capture(argv, { input: archive, env: { LC_ALL: 'C' }, signal });
  } catch (error) {
    signal.throwIfAborted();
    // Not the program's fault, and not the engine's: what it was fed came to a bad end.
    if (archive.errored !== null) throw unreadable(name, code, archive.errored);
    throw error;
  } finally {
    archive.destroy();
  }
}
