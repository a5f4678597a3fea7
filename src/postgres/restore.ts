/** A dump into a new, empty cluster. */
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { HoldfastError } from '../errors.js';
import type { Work } from '../progress.js';
import type { ArtifactFile, PostgresInfo } from '../store/manifest.js';
import { databaseBeside, dropDatabase, ensureEmptyCluster } from './fresh.js';
import { readCatalogue, type ClusterCatalogue } from './inspect.js';
import { LoadProgress } from './load-progress.js';
import { loadScript } from './load-script.js';
import { observed } from './bytes.js';
import { connectTo, loadEnv } from './client-env.js';
import { clientError } from './client-error.js';
import { endSessions, runSql, serverFacts, type PostgresExec, type ServerLogin } from './server.js';
import { assertTablespaceDirectories } from './tablespaces.js';
import { verifyDump } from './verify.js';
import { majorOf } from './version.js';
import { errorLineOf, warningsOf } from './warnings.js';
export { waitUntilReady, type ReadyServer } from './ready.js';

export interface LoadOptions extends ServerLogin {
  readonly directory: string;
  readonly files: readonly ArtifactFile[];
  /** From the manifest; a script found without one is loaded on its own word. */
  readonly postgres?: PostgresInfo | undefined;
  /**
   * When the caller emptied the server's data directory. What the image's first start has put into a
   * cluster initialised since then is cleared away; without it, only an empty cluster is accepted.
   */
  readonly initialisedAfter?: Date | undefined;
}

export interface LoadResult {
  readonly databases: readonly string[];
  /** Bytes of dump files read. */
  readonly bytes: number;
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

/**
 * Loads a dump made by dumpCluster (or a script of pg_dumpall alone). In this order: everything that
 * can be checked is; roles and tablespaces; each database, created with its owner, settings and
 * rights; statistics; a checkpoint. `postgres` and `template1` of an archive dump replace the new
 * cluster's own, with their settings.
 *
 * May be run again after a failure, but only on a new cluster (or with `initialisedAfter`, on the
 * one it left): nothing is ever loaded twice.
 * @throws HoldfastError INTEGRITY (nothing was touched), VERSION_INCOMPATIBLE (nothing was touched),
 *   RESTORE_FAILED, DISK_FULL, POSTGRES_UNREACHABLE, or the signal's reason.
 */
export async function loadDump(
  pg: PostgresExec,
  options: LoadOptions,
  work: Work,
): Promise<LoadResult> {
  const startedAt = Date.now();
  const { directory, files, postgres } = options;
  const server = await serverFacts(pg, options, 'RESTORE_FAILED', work.signal);
  if (server.inRecovery) {
    throw new HoldfastError('RESTORE_FAILED', 'the server is a standby: it can’t be loaded into');
  }
  if (
    postgres !== undefined &&
    majorOf(server.versionNumber) < majorOf(postgres.serverVersionNumber)
  ) {
    throw new HoldfastError(
      'VERSION_INCOMPATIBLE',
      `a dump of PostgreSQL ${postgres.serverVersion} can't be loaded into ${server.version}`,
      {
        facts: { dumped: postgres.serverVersion, server: server.version },
        hint: `use an image of PostgreSQL ${majorOf(postgres.serverVersionNumber)} or newer`,
      },
    );
  }
  await verifyDump({ directory, files, ...(postgres && { postgres }) }, pg, work, { hashes: true });
  const globals = files.find(({ role }) => role === 'globals' || role === 'cluster');
  if (globals === undefined) {
    throw new HoldfastError('RESTORE_FAILED', 'the dump has neither globals nor a cluster script');
  }
  // A loader of a killed attempt may still be writing.
  await endSessions(pg, options, server, 'holdfast-load', work.signal);
  const catalogue = await readCatalogue(pg, options, server, work.signal);
  await ensureEmptyCluster(pg, options, catalogue, options.initialisedAfter, work.signal);
  const script = path.join(directory, globals.name);
  await assertTablespaceDirectories(pg, options, server, script, work.signal);

  const progress = new LoadProgress(files, work, pg, options);
  try {
    const warnings = await loadScript(
      pg,
      options,
      {
        file: script,
        kind: globals.role === 'globals' ? 'globals' : 'cluster',
        bootstrapRole: server.bootstrapRole,
        database: server.maintenanceDatabase,
        onBytes: progress.onBytes,
      },
      work.signal,
    );
    progress.fileDone();
    const databases: string[] = [];
    for (const file of files) {
      if (file.role !== 'database') continue;
      const database = file.database ?? path.basename(file.name, '.dump');
      const archive = { file, database, progress };
      const found = await loadArchive(pg, options, catalogue, archive, work.signal);
      warnings.push(...found.map((warning) => `${database}: ${warning}`));
      databases.push(database);
      progress.fileDone();
    }
    warnings.push(...(await analyze(pg, options, work)));
    const inScript = postgres?.databases.map(({ name }) => name) ?? [];
    return {
      databases: databases.length > 0 ? databases : inScript,
      bytes: progress.bytes,
      durationMs: Date.now() - startedAt,
      warnings,
    };
  } finally {
    progress.stop();
  }
}

interface ArchiveToLoad {
  readonly file: ArtifactFile;
  readonly database: string;
  readonly progress: LoadProgress;
}

async function loadArchive(
  pg: PostgresExec,
  options: LoadOptions,
  catalogue: ClusterCatalogue,
  { file, database, progress }: ArchiveToLoad,
  signal: AbortSignal,
): Promise<string[]> {
  // Without --create the database's own settings, rights and comment would be lost.
  if (database === 'postgres' || database === 'template1') {
    await dropDatabase(pg, options, catalogue, database, signal);
  }
  const source = createReadStream(path.join(options.directory, file.name));
  const result = await pg.capture(
    [
      'pg_restore',
      '--no-password',
      `--username=${options.user}`,
      '--create',
      '--exit-on-error',
      `--dbname=${connectTo(databaseBeside(database))}`,
    ],
    {
      input: observed(source, (chunk) => progress.onBytes(chunk.length)),
      env: loadEnv(options),
      signal,
    },
  );
  const errorLine = errorLineOf(result.stderr);
  if (result.exitCode !== 0 || errorLine !== undefined) {
    throw clientError('pg_restore', result, 'RESTORE_FAILED', { database, file: file.name });
  }
  return warningsOf(result.stderr);
}

/** Statistics, which a dump does not hold: without them the first queries choose bad plans. */
async function analyze(pg: PostgresExec, options: LoadOptions, work: Work): Promise<string[]> {
  const result = await pg.capture(
    [
      'vacuumdb',
      '--no-password',
      `--username=${options.user}`,
      '--all',
      '--analyze-only',
      '--quiet',
    ],
    { env: loadEnv(options), signal: work.signal },
  );
  const sql = 'checkpoint;';
  await runSql(
    pg,
    options,
    { database: 'template1', sql, failureCode: 'RESTORE_FAILED' },
    work.signal,
  );
  return result.exitCode === 0
    ? warningsOf(result.stderr)
    : [
        `statistics are missing: vacuumdb ended with ${result.exitCode}: ${result.stderr.slice(-500)}`,
      ];
}
