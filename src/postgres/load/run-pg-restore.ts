/** pg_restore run over an archive, with every error it goes on after known. */
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Transform, type Readable } from 'node:stream';
import type { ArtifactFile } from '../../format/manifest.js';
import { unreadable } from '../inspect/archive.js';
import { asBuffer, observed } from '../client/bytes.js';
import { clientError } from '../client/client-error.js';
import { decompressed } from '../dump/compress.js';
import { runFramed } from '../dump/framed.js';
import { RestoreReport } from './restore-report.js';
import type { PostgresExec } from '../client/exec.js';
/** Its errors go where its output would: all of them are wanted, not the last few kilobytes. */
const MERGED = 'exec "$@" 2>&1';
/** The same under framed.ts, which takes any exit status but 0 for a failure of the whole. */
const MERGED_WITH_STATUS = 'trap : TERM; "$@" 2>&1; printf "\\nholdfast-exit %d\\n" "$?"';
const STATUS = /^holdfast-exit (\d+)$/;

/** The archive's own first statement: nothing but pg_catalog is looked through. */
const EMPTY_PATH = `SELECT pg_catalog.set_config('search_path', '', false);`;
/** What makes the session's own path count; of the same length, since the archive counts bytes. */
const SESSION_PATH = 'RESET search_path;'.padEnd(EMPTY_PATH.length);
/** The statement is among the first entries of the table of contents, which begins the file. */
const LOOKED_THROUGH_BYTES = 1024 * 1024;

export interface ArchiveRun {
  readonly directory: string;
  readonly file: ArtifactFile;
  readonly database: string;
  /** pg_restore and its arguments, without an input file. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Let the session's search_path count instead of the archive's empty one. */
  readonly sessionPath?: boolean;
  readonly onBytes: (count: number) => void;
}

/**
 * Feeds the archive to pg_restore.
 * @throws HoldfastError RESTORE_FAILED where it did not come to its end, DISK_FULL,
 *   POSTGRES_UNREACHABLE, or the signal's reason
 */
export async function restoreFromStream(
  pg: PostgresExec,
  run: ArchiveRun,
  signal: AbortSignal,
): Promise<RestoreReport> {
  const { directory, file, database, onBytes } = run;
  const source = createReadStream(path.join(directory, file.name));
  const counted = observed(source, (chunk) => onBytes(chunk.length));
  const plain = decompressed(counted, file.name, signal);
  const input = run.sessionPath === true ? plain.pipe(withSessionPath()) : plain;
  plain.on('error', (error) => input.destroy(error));
  const hopeless = new AbortController();
  const report = new RestoreReport();
  try {
    const running = await pg.stream(['sh', '-c', MERGED, 'holdfast', ...run.argv], {
      input,
      env: run.env,
      signal: AbortSignal.any([signal, hopeless.signal]),
    });
    await eachLine(running.stdout, (line) => {
      report.push(line);
      if (report.hopeless !== undefined) hopeless.abort();
    });
    const { exitCode } = await running.done;
    assertWhole(report, exitCode, run);
    return report;
  } catch (error) {
    signal.throwIfAborted();
    if (report.hopeless !== undefined) throw failureOf(report, 1, run);
    if (plain.errored === null) throw error;
    throw unreadable(file.name, 'RESTORE_FAILED', plain.errored, { database });
  } finally {
    source.destroy();
  }
}

/**
 * Lets pg_restore read the archive where the server runs, in parallel jobs. Jobs are processes: they
 * are stopped through the server, see framed.ts.
 * @throws HoldfastError as {@link restoreFromStream}
 */
export async function restoreFromFile(
  pg: PostgresExec,
  run: ArchiveRun & { readonly endSessions: () => Promise<void> },
  signal: AbortSignal,
): Promise<RestoreReport> {
  const report = new RestoreReport();
  const hopeless = new AbortController();
  let exitCode = 1;
  try {
    await runFramed(
      pg,
      ['sh', '-c', MERGED_WITH_STATUS, 'holdfast', ...run.argv],
      {
        env: run.env,
        signal: AbortSignal.any([signal, hopeless.signal]),
        failureCode: 'RESTORE_FAILED',
        cutCode: 'RESTORE_FAILED',
        database: run.database,
        endSessions: run.endSessions,
      },
      (stdout) =>
        eachLine(stdout, (line) => {
          const status = STATUS.exec(line)?.[1];
          if (status !== undefined) exitCode = Number(status);
          else report.push(line);
          if (report.hopeless !== undefined) hopeless.abort();
        }),
    );
  } catch (error) {
    signal.throwIfAborted();
    if (report.hopeless !== undefined) throw failureOf(report, 1, run);
    throw error;
  }
  assertWhole(report, exitCode, run);
  return report;
}

async function eachLine(stdout: Readable, onLine: (line: string) => void): Promise<void> {
  for await (const line of createInterface({ input: stdout, crlfDelay: Infinity })) onLine(line);
  if (stdout.errored !== null) throw stdout.errored;
}

function assertWhole(report: RestoreReport, exitCode: number, run: ArchiveRun): void {
  if (report.hopeless !== undefined || !report.cameToItsEnd(exitCode)) {
    throw failureOf(report, exitCode, run);
  }
}

function failureOf(report: RestoreReport, exitCode: number, { database, file }: ArchiveRun): Error {
  const stderr = report.hopeless ?? report.tail;
  return clientError('pg_restore', { exitCode, stderr }, 'RESTORE_FAILED', {
    database,
    file: file.name,
  });
}

/** Replaces the statement that empties the path, byte for byte, and leaves all else as it is. */
function withSessionPath(): Transform {
  let head = Buffer.alloc(0);
  let isDone = false;
  const flush = (): Buffer => {
    isDone = true;
    const at = head.indexOf(EMPTY_PATH);
    if (at !== -1) head.write(SESSION_PATH, at, 'latin1');
    const all = head;
    head = Buffer.alloc(0);
    return all;
  };
  return new Transform({
    transform(chunk: unknown, _encoding, callback) {
      const bytes = asBuffer(chunk);
      if (isDone) {
        callback(null, bytes);
        return;
      }
      head = Buffer.concat([head, bytes]);
      const isFound = head.includes(EMPTY_PATH);
      if (isFound || head.length >= LOOKED_THROUGH_BYTES) callback(null, flush());
      else callback();
    },
    flush(callback) {
      callback(null, isDone ? undefined : flush());
    },
  });
}
