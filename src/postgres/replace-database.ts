/**
 * One database of a running server replaced: the old one is renamed aside, the archive makes the new
 * one. Roles and the other databases are left as they are.
 */
import { createHash } from 'node:crypto';
import { HoldfastError } from '../errors.js';
import type { Work } from '../progress.js';
import type { ArtifactFile } from '../store/manifest.js';
import { databaseOfFile } from './archive.js';
import { LOADER_NAME } from './client-env.js';
import { databaseBeside, dropDatabase } from './fresh.js';
import { readCatalogue } from './inspect.js';
import { defaultLoadJobs, loadArchive, PARALLEL_FROM_BYTES } from './load-archive.js';
import { LoadProgress } from './load-progress.js';
import {
  endSessions,
  quoteLiteral,
  runSql,
  serverFacts,
  type PostgresExec,
  type ServerLogin,
} from './server.js';
import { quoteIdentifier } from './sql-text.js';
import { removeStaged, stagingPlaces } from './staged-archive.js';

/** The name a database has while it is aside; PostgreSQL cuts names at 63 bytes, this has 40. */
export function asideDatabase(database: string, restoreId: string): string {
  const hash = createHash('sha256').update(database).digest('hex').slice(0, 8);
  return `holdfast_aside_${restoreId}_${hash}`;
}

export async function databaseExists(
  pg: PostgresExec,
  login: ServerLogin,
  database: string,
  signal: AbortSignal,
): Promise<boolean> {
  const sql = `select 1 from pg_database where datname = ${quoteLiteral(database)};`;
  return (await runSql(pg, login, { database: databaseBeside(database), sql }, signal)).length > 0;
}

export interface DatabaseAside {
  readonly database: string;
  readonly aside: string;
}

/**
 * Renames a database aside; whoever is connected to it is disconnected, and can't come back. Nothing
 * happens where it is aside already.
 * @throws HoldfastError RESTORE_FAILED, POSTGRES_UNREACHABLE
 */
export async function setDatabaseAside(
  pg: PostgresExec,
  login: ServerLogin,
  { database, aside }: DatabaseAside,
  signal: AbortSignal,
): Promise<void> {
  if (await databaseExists(pg, login, aside, signal)) return;
  if (!(await databaseExists(pg, login, database, signal))) return;
  await renameDatabase(pg, login, { from: database, to: aside }, signal);
  const sql = `alter database ${quoteIdentifier(aside)} allow_connections false;`;
  await run(pg, login, database, sql, signal);
}

/**
 * Takes {@link setDatabaseAside} back: what was loaded since is dropped. Repeatable.
 * @param existed was there a database to set aside? If not, the loaded one goes and nothing returns.
 * @throws HoldfastError RESTORE_FAILED, POSTGRES_UNREACHABLE
 */
export async function bringDatabaseBack(
  pg: PostgresExec,
  login: ServerLogin,
  { database, aside, existed }: DatabaseAside & { readonly existed: boolean },
  signal: AbortSignal,
): Promise<void> {
  const isAside = await databaseExists(pg, login, aside, signal);
  // Not aside though it existed: it was never renamed, or is back already; perhaps still closed.
  if (existed && !isAside) {
    if (await databaseExists(pg, login, database, signal)) await open();
    return;
  }
  const server = await serverFacts(pg, login, 'RESTORE_FAILED', signal);
  await endSessions(pg, login, server, LOADER_NAME, signal);
  const catalogue = await readCatalogue(pg, login, server, signal);
  await dropDatabase(pg, login, catalogue, database, signal);
  if (!isAside) return;
  await renameDatabase(pg, login, { from: aside, to: database }, signal);
  await open();

  async function open(): Promise<void> {
    const sql = `alter database ${quoteIdentifier(database)} allow_connections true;`;
    await run(pg, login, database, sql, signal);
  }
}

/** Throws a database that is aside away; a missing one is fine. */
export async function dropAsideDatabase(
  pg: PostgresExec,
  login: ServerLogin,
  aside: string,
  signal: AbortSignal,
): Promise<void> {
  const server = await serverFacts(pg, login, 'RESTORE_FAILED', signal);
  const catalogue = await readCatalogue(pg, login, server, signal);
  await dropDatabase(pg, login, catalogue, aside, signal);
}

export interface LoadDatabasesOptions extends ServerLogin {
  readonly directory: string;
  readonly files: readonly ArtifactFile[];
  readonly databases: readonly string[];
}

/**
 * Loads archives into a running server, each into a database of its own name that must not be there;
 * what an attempt before this one has loaded of it is dropped first.
 * @throws HoldfastError SOURCE_MISSING when the dump has no archive of a database; RESTORE_FAILED,
 *   DISK_FULL, POSTGRES_UNREACHABLE, the signal's reason
 */
export async function loadDatabases(
  pg: PostgresExec,
  options: LoadDatabasesOptions,
  work: Work,
): Promise<{ readonly warnings: readonly string[] }> {
  const archives = archivesOf(options.files, options.databases);
  const server = await serverFacts(pg, options, 'RESTORE_FAILED', work.signal);
  await endSessions(pg, options, server, LOADER_NAME, work.signal);
  const catalogue = await readCatalogue(pg, options, server, work.signal);
  await removeStaged(pg, stagingPlaces(catalogue.dataDirectory), work.signal);
  const progress = new LoadProgress(archives, work, pg, options);
  const warnings: string[] = [];
  try {
    for (const file of archives) {
      const database = file.database ?? databaseOfFile(file.name);
      await dropDatabase(pg, options, catalogue, database, work.signal);
      const loaded = await loadArchive(
        {
          pg,
          login: options,
          catalogue,
          directory: options.directory,
          progress,
          jobs: defaultLoadJobs(),
          parallelFromBytes: PARALLEL_FROM_BYTES,
        },
        file,
        work.signal,
      );
      warnings.push(...loaded.warnings.map((warning) => `${database}: ${warning}`));
      await run(pg, options, database, 'analyze;', work.signal, database);
      progress.fileDone();
    }
  } finally {
    progress.stop();
  }
  return { warnings };
}

/** @throws HoldfastError SOURCE_MISSING naming what the dump has */
export function archivesOf(
  files: readonly ArtifactFile[],
  databases: readonly string[],
): ArtifactFile[] {
  const nameOf = (file: ArtifactFile): string => file.database ?? databaseOfFile(file.name);
  const archives = files.filter(({ role }) => role === 'database');
  const missing = databases.filter((name) => !archives.some((file) => nameOf(file) === name));
  if (missing.length === 0) return archives.filter((file) => databases.includes(nameOf(file)));
  throw new HoldfastError('SOURCE_MISSING', `the dump has no archive of ${missing.join(', ')}`, {
    hint:
      archives.length === 0
        ? 'it is one script of the whole cluster: restore all of it'
        : `it has ${archives.map(nameOf).join(', ')}`,
    facts: { missing, known: archives.map(nameOf) },
  });
}

async function renameDatabase(
  pg: PostgresExec,
  login: ServerLogin,
  { from, to }: { readonly from: string; readonly to: string },
  signal: AbortSignal,
): Promise<void> {
  // No new session between the end of the old ones and the renaming.
  await run(
    pg,
    login,
    from,
    `alter database ${quoteIdentifier(from)} allow_connections false;
     select pg_terminate_backend(pid) from pg_stat_activity
       where datname = ${quoteLiteral(from)} and pid <> pg_backend_pid();`,
    signal,
  );
  await run(
    pg,
    login,
    from,
    `do $$ begin for i in 1..100 loop
       exit when not exists (select from pg_stat_activity where datname = ${quoteLiteral(from)});
       perform pg_sleep(0.1); perform pg_stat_clear_snapshot();
     end loop; end $$;
     alter database ${quoteIdentifier(from)} rename to ${quoteIdentifier(to)};`,
    signal,
  );
}

async function run(
  pg: PostgresExec,
  login: ServerLogin,
  about: string,
  sql: string,
  signal: AbortSignal,
  database: string = databaseBeside(about),
): Promise<void> {
  await runSql(pg, login, { database, sql, failureCode: 'RESTORE_FAILED' }, signal);
}
