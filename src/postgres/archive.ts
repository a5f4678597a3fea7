/** pg_dump archives (custom format) looked at from outside. */
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { HoldfastError, type ErrorCode } from '../errors.js';
import { clientError } from './client-error.js';
import type { PostgresExec } from './server.js';
import { errorLineOf } from './warnings.js';

/** `PGDMP` and, after version and sizes of numbers, 1 for the custom format (pg_backup_archiver.c). */
const MAGIC = 'PGDMP';
const FORMAT_OFFSET = 10;
const CUSTOM_FORMAT = 1;

/** Does the file begin as a custom-format archive does? Says nothing about its end. */
export async function looksLikeArchive(handle: FileHandle): Promise<boolean> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, 0);
  return (
    bytesRead === 16 &&
    buffer.toString('latin1', 0, MAGIC.length) === MAGIC &&
    buffer[FORMAT_OFFSET] === CUSTOM_FORMAT
  );
}

/**
 * Reads an archive's table of contents with the server's own pg_restore. The contents come first in
 * the file: this proves its head, not its end.
 * @returns The number of entries, at least 1.
 * @throws HoldfastError `code` for what pg_restore can't read or what has no entries.
 */
export async function listArchive(
  pg: PostgresExec,
  archive: Readable,
  name: string,
  code: ErrorCode,
  signal: AbortSignal,
): Promise<number> {
  const result = await feed(pg, ['pg_restore', '--list'], archive, signal);
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

/**
 * Reads an archive to its end: every block decompressed and written nowhere.
 * @throws HoldfastError `code` where it is damaged or cut short.
 */
export async function decodeArchive(
  pg: PostgresExec,
  archive: Readable,
  name: string,
  code: ErrorCode,
  signal: AbortSignal,
): Promise<void> {
  const result = await feed(pg, ['pg_restore', '--file=/dev/null'], archive, signal);
  if (result.exitCode !== 0 || errorLineOf(result.stderr) !== undefined) {
    throw clientError('pg_restore', result, code, { archive: name });
  }
}

async function feed(
  pg: PostgresExec,
  argv: readonly string[],
  archive: Readable,
  signal: AbortSignal,
): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  try {
    return await pg.capture(argv, { input: archive, env: { LC_ALL: 'C' }, signal });
  } finally {
    archive.destroy();
  }
}
