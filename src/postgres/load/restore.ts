/** A dump into a new, empty cluster. */
import path from 'node:path';
import { HoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { ArtifactFile, PostgresInfo } from '../../format/manifest.js';
import { analyzeDatabases } from './analyze.js';
import { ensureEmptyCluster } from './fresh.js';
import { readCatalogue } from '../inspect/inspect.js';
import { PARALLEL_FROM_BYTES, defaultLoadJobs, loadArchive } from './load-archive.js';
import { LoadProgress } from './load-progress.js';
import type { LeftObject } from './left-object.js';
import { loadScript } from './load-script.js';
import { removeStaged, stagingPlaces } from './staged-archive.js';
import { LOADER_NAME } from '../client/client-env.js';
import type { LoginRoute } from '../client/ready.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { endSessions, runSql, serverFacts } from '../client/server.js';
import {
  assertTablespaceDirectories,
  tablespacesIn,
  versionDirectory,
  type TablespaceLocation,
} from './tablespaces.js';
import { verifyDump } from '../inspect/verify.js';
import { majorOf } from '../client/version.js';
export { waitUntilReady, type ReadyServer } from '../client/ready.js';

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
  /**
   * The way into the server once its roles are those of the dump: they may have other passwords than
   * those that initdb gave. The same way as before by default.
   */
  readonly afterGlobals?: (() => Promise<LoginRoute>) | undefined;
  /** Makes room where the tablespaces of the dump will be; what is there is left alone by default. */
  readonly prepareTablespaces?: ((tablespaces: TablespacesToMake) => Promise<void>) | undefined;
  /** Parallel jobs for large databases: by default {@link defaultLoadJobs}. */
  readonly jobs?: number | undefined;
  /** From which size of a database on; {@link PARALLEL_FROM_BYTES} by default. */
  readonly parallelFromBytes?: number | undefined;
}

export interface TablespacesToMake {
  readonly tablespaces: readonly TablespaceLocation[];
  /** What the server will make in each of their directories: what has this name must not be there. */
  readonly versionDirectory: string;
  /** Of the server, in its container. */
  readonly dataDirectory: string;
}

export interface LoadResult {
  readonly databases: readonly string[];
  /** Bytes of dump files read. */
  readonly bytes: number;
  readonly durationMs: number;
  readonly warnings: readonly string[];
  /** What of the dump could not be made again, though all rows are there. */
  readonly left: readonly LeftObject[];
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
  await endSessions(pg, options, server, LOADER_NAME, work.signal);
  const found = await readCatalogue(pg, options, server, work.signal);
  await removeStaged(pg, stagingPlaces(found.dataDirectory), work.signal);
  await ensureEmptyCluster(pg, options, found, options.initialisedAfter, work.signal);
  // Of the emptied cluster: databases of the one found may be gone.
  const catalogue = await readCatalogue(pg, options, server, work.signal);
  const script = path.join(directory, globals.name);
  const tablespaces = await tablespacesIn(script, work.signal);
  if (tablespaces.length > 0) {
    await options.prepareTablespaces?.({
      tablespaces,
      versionDirectory: await versionDirectory(pg, options, server, work.signal),
      dataDirectory: found.dataDirectory,
    });
  }
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
    const route = (await options.afterGlobals?.()) ?? { pg, login: options };
    const databases: string[] = [];
    const left: LeftObject[] = [];
    const jobs = options.jobs ?? defaultLoadJobs();
    const parallelFromBytes = options.parallelFromBytes ?? PARALLEL_FROM_BYTES;
    const loader = { ...route, catalogue, directory, progress, jobs, parallelFromBytes };
    for (const file of files) {
      if (file.role !== 'database') continue;
      const loaded = await loadArchive(loader, file, work.signal);
      warnings.push(...loaded.warnings.map((warning) => `${loaded.database}: ${warning}`));
      left.push(...loaded.left);
      databases.push(loaded.database);
      progress.fileDone();
    }
    const inScript = postgres?.databases.map(({ name }) => name) ?? [];
    const loaded = databases.length > 0 ? databases : inScript;
    warnings.push(...(await settle(route, { databases: loaded, jobs }, work)));
    return {
      databases: loaded,
      bytes: progress.bytes,
      durationMs: Date.now() - startedAt,
      warnings,
      left,
    };
  } finally {
    progress.stop();
  }
}

/** A dump does not hold statistics; a checkpoint makes durable what was loaded. */
async function settle(
  { pg, login }: LoginRoute,
  { databases, jobs }: { readonly databases: readonly string[]; readonly jobs: number },
  work: Work,
): Promise<string[]> {
  const warnings = await analyzeDatabases(pg, login, { databases, jobs, all: true }, work);
  const sql = 'checkpoint;';
  await runSql(
    pg,
    login,
    { database: 'template1', sql, failureCode: 'RESTORE_FAILED' },
    work.signal,
  );
  return warnings;
}
