/** One database from its archive: streamed to one job, or, where it is large, by several. */
import { createReadStream } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import type { ArtifactFile } from '../store/manifest.js';
import { databaseOfFile, unreadable } from './archive.js';
import { observed } from './bytes.js';
import { LOADER_NAME, connectTo, loadEnv } from './client-env.js';
import { clientError } from './client-error.js';
import { decompressed } from './compress.js';
import { runFramed } from './framed.js';
import { databaseBeside, dropDatabase } from './fresh.js';
import type { ClusterCatalogue } from './inspect.js';
import type { LoadProgress } from './load-progress.js';
import { endSessions, type PostgresExec, type ServerLogin } from './server.js';
import { stageArchive, stagingPlaces } from './staged-archive.js';
import { clientVersion } from './version.js';
import { errorLineOf, warningsOf } from './warnings.js';

/** Databases from this size on are loaded by parallel jobs: below, setting that up costs more. */
export const PARALLEL_FROM_BYTES = 64 * 1024 * 1024;
/** Each job is a session that builds indexes with memory of its own. */
const MAX_LOAD_JOBS = 4;
/** On two cores jobs won nothing (docs/benchmarks-postgres.md): a stream keeps both of them busy. */
const CORES_FOR_JOBS = 3;
/**
 * An archive that was streamed when it was made does not say where its data is. Some releases of
 * pg_restore 12 refuse to look for it in parallel jobs (regression 548e50976, mended for 12.4).
 */
const OLDEST_PARALLEL_CLIENT = 13;
/** Limit for ending sessions, which must not make a cancellation hang. */
const END_SESSIONS_MS = 10_000;

/** As many jobs as this host has cores, within limits; 1 is a stream. */
export function defaultLoadJobs(cores = availableParallelism()): number {
  return cores < CORES_FOR_JOBS ? 1 : Math.min(MAX_LOAD_JOBS, cores);
}

export interface Loader {
  readonly pg: PostgresExec;
  readonly login: ServerLogin;
  readonly catalogue: ClusterCatalogue;
  readonly directory: string;
  readonly progress: LoadProgress;
  /** Parallel jobs for large databases; 1 streams them all. */
  readonly jobs: number;
  readonly parallelFromBytes: number;
}

/**
 * Creates the database of an archive and fills it.
 * @returns The name of the database, and what pg_restore warned of.
 * @throws HoldfastError RESTORE_FAILED (facts: database, file), DISK_FULL, POSTGRES_UNREACHABLE, or
 *   the signal's reason.
 */
export async function loadArchive(
  loader: Loader,
  file: ArtifactFile,
  signal: AbortSignal,
): Promise<{ database: string; warnings: string[] }> {
  const { pg, login, catalogue, progress } = loader;
  const database = file.database ?? databaseOfFile(file.name);
  const reasons: string[] = [];
  if (await wantsJobs(loader, file, signal)) {
    const staged = await stageArchive(
      pg,
      {
        directory: loader.directory,
        file,
        places: stagingPlaces(catalogue.dataDirectory),
        // The database itself, and as much again for its write-ahead log and the sorting of indexes.
        reserveBytes: 2 * (file.contentBytes ?? 0),
        onBytes: progress.onUnpacked,
      },
      signal,
    );
    if (typeof staged !== 'string') {
      try {
        await dropStandard();
        const stderr = await loadStaged(loader, { file, database, path: staged.path }, signal);
        progress.onBytes(file.sizeBytes);
        return { database, warnings: warningsOf(stderr) };
      } finally {
        await staged.remove();
      }
    }
    reasons.push(`loaded by one job only: ${staged}`);
  }
  await dropStandard();
  const stderr = await loadStreamed(loader, { file, database }, signal);
  return { database, warnings: [...reasons, ...warningsOf(stderr)] };

  /** Without --create the database's own settings, rights and comment would be lost. */
  async function dropStandard(): Promise<void> {
    if (database !== 'postgres' && database !== 'template1') return;
    await dropDatabase(pg, login, catalogue, database, signal);
  }
}

async function wantsJobs(
  { pg, jobs, parallelFromBytes }: Loader,
  file: ArtifactFile,
  signal: AbortSignal,
): Promise<boolean> {
  if (jobs < 2 || (file.contentBytes ?? 0) < parallelFromBytes) return false;
  return (await clientVersion(pg, 'pg_restore', signal)).major >= OLDEST_PARALLEL_CLIENT;
}

interface Target {
  readonly file: ArtifactFile;
  readonly database: string;
}

async function loadStreamed(
  { pg, login, directory, progress }: Loader,
  { file, database }: Target,
  signal: AbortSignal,
): Promise<string> {
  const source = createReadStream(path.join(directory, file.name));
  const counted = observed(source, (chunk) => progress.onBytes(chunk.length));
  const input = decompressed(counted, file.name, signal);
  try {
    const argv = pgRestoreArgv(login, database);
    const result = await pg.capture(argv, { input, env: loadEnv(login), signal });
    assertLoaded({ file, database }, result);
    return result.stderr;
  } catch (error) {
    signal.throwIfAborted();
    if (input.errored === null) throw error;
    throw unreadable(file.name, 'RESTORE_FAILED', input.errored, { database });
  } finally {
    source.destroy();
  }
}

/** Jobs are processes: they are stopped through the server, see framed.ts. */
async function loadStaged(
  { pg, login, catalogue, jobs }: Loader,
  { file, database, path: archive }: Target & { readonly path: string },
  signal: AbortSignal,
): Promise<string> {
  const server = { ...catalogue.server, maintenanceDatabase: databaseBeside(database) };
  const { stderr } = await runFramed(
    pg,
    [...pgRestoreArgv(login, database), `--jobs=${jobs}`, archive],
    {
      env: loadEnv(login),
      signal,
      failureCode: 'RESTORE_FAILED',
      cutCode: 'RESTORE_FAILED',
      database,
      endSessions: () =>
        endSessions(pg, login, server, LOADER_NAME, AbortSignal.timeout(END_SESSIONS_MS)),
    },
    (stdout) => finished(stdout.resume()), // it writes nothing
  );
  assertLoaded({ file, database }, { exitCode: 0, stderr });
  return stderr;
}

function pgRestoreArgv(login: ServerLogin, database: string): string[] {
  return [
    'pg_restore',
    '--no-password',
    `--username=${login.user}`,
    '--create',
    '--exit-on-error',
    `--dbname=${connectTo(databaseBeside(database))}`,
  ];
}

function assertLoaded(
  { file, database }: Target,
  result: { readonly exitCode: number; readonly stderr: string },
): void {
  if (result.exitCode === 0 && errorLineOf(result.stderr) === undefined) return;
  throw clientError('pg_restore', result, 'RESTORE_FAILED', { database, file: file.name });
}
