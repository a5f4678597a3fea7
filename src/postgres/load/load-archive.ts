/** One database from its archive: streamed to one job, or, where it is large, by several. */
import { availableParallelism } from 'node:os';
import type { ArtifactFile } from '../../format/manifest.js';
import { databaseOfFile } from '../inspect/archive.js';
import { LOADER_NAME, connectTo, loadEnv } from '../client/client-env.js';
import { databaseBeside, dropDatabase } from './fresh.js';
import type { ClusterCatalogue } from '../inspect/inspect.js';
import type { LoadProgress } from './load-progress.js';
import type { LeftObject } from './left-object.js';
import { rebuild } from './rebuild.js';
import type { RestoreReport } from './restore-report.js';
import { restoreFromFile, restoreFromStream, type ArchiveRun } from './run-pg-restore.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { endSessions } from '../client/server.js';
import { stageArchive, stagingPlaces } from './staged-archive.js';
import { clientVersion } from '../client/version.js';

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

export interface LoadedArchive {
  readonly database: string;
  readonly warnings: readonly string[];
  /** What is not in the database, though all its rows are. */
  readonly left: readonly LeftObject[];
}

/**
 * Creates the database of an archive and fills it. Statements that fail cost nobody else's rows: they
 * are tried again when all else is there, see rebuild.ts.
 * @throws HoldfastError RESTORE_FAILED (facts: database, file), DISK_FULL, POSTGRES_UNREACHABLE, or
 *   the signal's reason.
 */
export async function loadArchive(
  loader: Loader,
  file: ArtifactFile,
  signal: AbortSignal,
): Promise<LoadedArchive> {
  const { pg, login, catalogue, directory, progress } = loader;
  const database = file.database ?? databaseOfFile(file.name);
  const places = stagingPlaces(catalogue.dataDirectory);
  const { report, reasons } = await firstRun(loader, { file, database }, places, signal);
  const left = await rebuild(
    { pg, login, directory, file, database, places, onBytes: progress.onAgain },
    report.failed,
    signal,
  );
  return { database, warnings: [...reasons, ...report.warnings, ...report.general], left };
}

async function firstRun(
  loader: Loader,
  target: Target,
  places: readonly string[],
  signal: AbortSignal,
): Promise<{ report: RestoreReport; reasons: readonly string[] }> {
  const { pg, login, catalogue, directory, progress } = loader;
  const { file, database } = target;
  const reasons: string[] = [];
  if (await wantsJobs(loader, file, signal)) {
    const staged = await stageArchive(
      pg,
      {
        directory,
        file,
        places,
        // The database itself, and as much again for its write-ahead log and the sorting of indexes.
        reserveBytes: 2 * (file.contentBytes ?? 0),
        onBytes: progress.onUnpacked,
      },
      signal,
    );
    if (typeof staged !== 'string') {
      try {
        await dropStandard();
        const report = await loadStaged(loader, { ...target, path: staged.path }, signal);
        progress.onBytes(file.sizeBytes);
        return { report, reasons };
      } finally {
        await staged.remove();
      }
    }
    reasons.push(`loaded by one job only: ${staged}`);
  }
  await dropStandard();
  return { report: await restoreFromStream(pg, runOf(loader, target), signal), reasons };

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

function runOf(
  { login, catalogue, directory, progress }: Loader,
  { file, database }: Target,
): ArchiveRun {
  return {
    directory,
    file,
    database,
    argv: [
      'pg_restore',
      '--no-password',
      `--username=${login.user}`,
      '--create',
      '--verbose', // names the entry that fails
      `--dbname=${connectTo(databaseBeside(database, catalogue))}`,
    ],
    env: loadEnv(login),
    onBytes: progress.onBytes,
  };
}

async function loadStaged(
  loader: Loader,
  target: Target & { readonly path: string },
  signal: AbortSignal,
): Promise<RestoreReport> {
  const { pg, login, catalogue, jobs } = loader;
  const maintenanceDatabase = databaseBeside(target.database, catalogue);
  const server = { ...catalogue.server, maintenanceDatabase };
  const run = runOf(loader, target);
  return restoreFromFile(
    pg,
    {
      ...run,
      argv: [...run.argv, `--jobs=${jobs}`, target.path],
      endSessions: () =>
        endSessions(pg, login, server, LOADER_NAME, AbortSignal.timeout(END_SESSIONS_MS)),
    },
    signal,
  );
}
