/**
 * One database of a running server replaced: the old one is renamed aside, the archive makes the new
 * one. Roles and the other databases are left as they are.
 */
import { HoldfastError, isHoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { ArtifactFile } from '../../format/manifest.js';
import { analyzeDatabases } from '../load/analyze.js';
import { databaseOfFile } from '../inspect/archive.js';
import { LOADER_NAME } from '../client/client-env.js';
import { databaseBeside, dropDatabase } from '../load/fresh.js';
import {
  databaseHolds,
  disableSubscriptions,
  enableSubscriptions,
  refusePrepared,
  type DatabaseHolds,
} from './held-database.js';
import { readCatalogue } from '../inspect/inspect.js';
import { defaultLoadJobs, loadArchive, PARALLEL_FROM_BYTES } from '../load/load-archive.js';
import { LoadProgress } from '../load/load-progress.js';
import type { LeftObject } from '../load/left-object.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { endSessions, quoteLiteral, runSql, serverFacts } from '../client/server.js';
import { quoteIdentifier } from '../client/sql-text.js';
import { removeStaged, stagingPlaces } from '../load/staged-archive.js';

export async function databaseExists(
  pg: PostgresExec,
  login: ServerLogin,
  database: string,
  signal: AbortSignal,
): Promise<boolean> {
  const sql = `select 1 from pg_database where datname = ${quoteLiteral(database)};`;
  return (await runBeside(pg, login, database, sql, signal)).length > 0;
}

export interface DatabaseAside {
  readonly database: string;
  readonly aside: string;
  /** Subscriptions that were enabled; none are known of records of earlier versions. */
  readonly subscriptions?: readonly string[] | undefined;
  /** Did it let anybody in? Yes in records of earlier versions. */
  readonly allowConnections?: boolean | undefined;
}

/** What ties a database down; undefined where there is none. */
export async function holdsOf(
  pg: PostgresExec,
  login: ServerLogin,
  database: string,
  signal: AbortSignal,
): Promise<DatabaseHolds | undefined> {
  const beside = await openBeside(pg, login, database, signal);
  return databaseHolds(pg, login, { database, beside }, signal);
}

/**
 * What is to be known of a database before it goes aside; undefined where there is none.
 * @throws HoldfastError RESTORE_FAILED also for a database that can't go aside
 */
export async function beforeAside(
  pg: PostgresExec,
  login: ServerLogin,
  database: string,
  signal: AbortSignal,
): Promise<DatabaseHolds | undefined> {
  const holds = await holdsOf(pg, login, database, signal);
  if (holds !== undefined) refusePrepared(database, holds);
  return holds;
}

/**
 * Renames a database aside; whoever is connected to it is disconnected, and can't come back, and its
 * subscriptions are disabled: they would go on filling it. Nothing happens where it is aside already.
 * @throws HoldfastError RESTORE_FAILED, POSTGRES_UNREACHABLE
 */
export async function setDatabaseAside(
  pg: PostgresExec,
  login: ServerLogin,
  { database, aside, subscriptions, allowConnections }: DatabaseAside,
  signal: AbortSignal,
): Promise<void> {
  if (await databaseExists(pg, login, aside, signal)) return;
  if ((await beforeAside(pg, login, database, signal)) === undefined) return;
  if (subscriptions !== undefined && subscriptions.length > 0) {
    // An attempt before this one may have closed it.
    if (allowConnections !== false) await allow(pg, login, database, true, signal);
    await disableSubscriptions(pg, login, database, subscriptions, signal);
  }
  await renameDatabase(pg, login, { from: database, to: aside }, signal);
  await allow(pg, login, aside, false, signal);
}

/**
 * Takes {@link setDatabaseAside} back: what was loaded since is dropped. Repeatable.
 * @param existed was there a database to set aside? If not, the loaded one goes and nothing returns.
 * @throws HoldfastError RESTORE_FAILED, POSTGRES_UNREACHABLE
 */
export async function bringDatabaseBack(
  pg: PostgresExec,
  login: ServerLogin,
  one: DatabaseAside & { readonly existed: boolean },
  signal: AbortSignal,
): Promise<void> {
  const { database, aside, existed } = one;
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
    const { subscriptions = [], allowConnections = true } = one;
    if (subscriptions.length > 0) {
      await allow(pg, login, database, true, signal);
      await enableSubscriptions(pg, login, database, subscriptions, signal);
    }
    await allow(pg, login, database, allowConnections, signal);
  }
}

async function allow(
  pg: PostgresExec,
  login: ServerLogin,
  database: string,
  connections: boolean,
  signal: AbortSignal,
): Promise<void> {
  const sql = `alter database ${quoteIdentifier(database)} allow_connections ${connections};`;
  await run(pg, login, database, sql, signal);
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
): Promise<{ readonly warnings: readonly string[]; readonly left: readonly LeftObject[] }> {
  const archives = archivesOf(options.files, options.databases);
  const server = await serverFacts(pg, options, 'RESTORE_FAILED', work.signal);
  await endSessions(pg, options, server, LOADER_NAME, work.signal);
  const catalogue = await readCatalogue(pg, options, server, work.signal);
  await removeStaged(pg, stagingPlaces(catalogue.dataDirectory), work.signal);
  const progress = new LoadProgress(archives, work, pg, options);
  const warnings: string[] = [];
  const left: LeftObject[] = [];
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
      left.push(...loaded.left);
      const about = { databases: [database], jobs: 1, all: false };
      warnings.push(...(await analyzeDatabases(pg, options, about, work)));
      progress.fileDone();
    }
    // What was loaded was committed without waiting for the disk.
    const checkpoint = { database: 'template1', sql: 'checkpoint;' };
    await runSql(pg, options, { ...checkpoint, failureCode: 'RESTORE_FAILED' }, work.signal);
  } finally {
    progress.stop();
  }
  return { warnings, left };
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
  // No new session between the end of the old ones and the renaming. Who was just being let in, and
  // workers that come back by themselves, are ended in turn.
  await run(
    pg,
    login,
    from,
    `alter database ${quoteIdentifier(from)} allow_connections false;
     do $$ begin for i in 1..100 loop
       perform pg_terminate_backend(pid) from pg_stat_activity where datname = ${quoteLiteral(from)};
       exit when not found;
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
): Promise<void> {
  await runBeside(pg, login, about, sql, signal);
}

/** Runs SQL about a database from another one. */
async function runBeside(
  pg: PostgresExec,
  login: ServerLogin,
  about: string,
  sql: string,
  signal: AbortSignal,
): Promise<string[]> {
  const database = await openBeside(pg, login, about, signal);
  return runSql(pg, login, { database, sql, failureCode: 'RESTORE_FAILED' }, signal);
}

/** A database beside `name` that lets us in: a cluster may lack `postgres`, or keep it closed. */
async function openBeside(
  pg: PostgresExec,
  login: ServerLogin,
  name: string,
  signal: AbortSignal,
): Promise<string> {
  const usual = databaseBeside(name);
  const sql = `select datname from pg_database where datallowconn order by datname <> 'postgres', datname;`;
  const ask = (database: string): Promise<string[]> =>
    runSql(pg, login, { database, sql, failureCode: 'RESTORE_FAILED' }, signal);
  try {
    await ask(usual);
    return usual;
  } catch (error) {
    if (!isHoldfastError(error) || !/FATAL: +database /.test(String(error.facts['stderr']))) {
      throw error;
    }
    const other = usual === 'postgres' ? 'template1' : 'postgres';
    return (await ask(other)).find((one) => one !== name) ?? other;
  }
}
