/** Making sure that a dump is loaded into a cluster that holds nothing of anybody's. */
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import { releaseDatabase } from '../replace/held-database.js';
import type { ClusterCatalogue } from '../inspect/inspect.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { queryJson, runSql } from '../client/server.js';
import { quoteIdentifier } from '../client/sql-text.js';
import { majorOf } from '../client/version.js';

/** Databases of every cluster that hold no one's data at first. */
const STANDARD_DATABASES = ['postgres', 'template1'];

/** Objects made after initdb have object ids from 16384 (FirstNormalObjectId in transam.h). */
const USER_OBJECTS = `
with own as (select oid from pg_namespace where nspname !~ '^pg_')
select jsonb_build_object('objects',
    (select count(*) from pg_namespace where oid >= 16384 and nspname !~ '^pg_')
  + (select count(*) from pg_class where oid >= 16384 and relnamespace in (select oid from own))
  + (select count(*) from pg_proc where oid >= 16384 and pronamespace in (select oid from own))
  + (select count(*) from pg_type where oid >= 16384 and typnamespace in (select oid from own))
  + (select count(*) from pg_extension where oid >= 16384)
  + (select count(*) from pg_largeobject_metadata));`;

/**
 * Refuses a cluster that is not empty: loading into it would double rows of tables without a key,
 * and psql would call that a success. What the image's first start puts into a new cluster (the
 * database POSTGRES_DB, the work of initialisation scripts) is cleared away when the cluster is
 * known to be new.
 * @param initialisedAfter When the caller emptied the data directory: a cluster made by initdb since
 *   then holds nothing that was there before. Without it nothing is ever cleared.
 * @throws HoldfastError RESTORE_FAILED (facts: databases, roles, tablespaces).
 */
export async function ensureEmptyCluster(
  pg: PostgresExec,
  login: ServerLogin,
  catalogue: ClusterCatalogue,
  initialisedAfter: Date | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { bootstrapRole, maintenanceDatabase } = catalogue.server;
  const absent = STANDARD_DATABASES.filter(
    (name) => !catalogue.databases.some((database) => database.name === name),
  );
  const databases: string[] = [];
  for (const { name, allowConnections } of catalogue.databases) {
    if (!STANDARD_DATABASES.includes(name)) databases.push(name);
    else if (!allowConnections || (await countObjects(pg, login, name, signal)) > 0) {
      databases.push(name);
    }
  }
  const roles = catalogue.roles.filter((role) => role !== bootstrapRole);
  const tablespaces = catalogue.tablespaces.map(({ name }) => name);
  if (absent.length + databases.length + roles.length + tablespaces.length === 0) return;

  // initdb's time is in whole seconds.
  const isNew =
    initialisedAfter !== undefined &&
    Date.parse(catalogue.initialisedAt) >= Math.floor(initialisedAfter.getTime() / 1000) * 1000;
  if (!isNew) {
    throw new HoldfastError(
      'RESTORE_FAILED',
      'refuses to load into a cluster that is not empty: ' +
        [...databases, ...roles, ...tablespaces, ...absent.map((name) => `no database ${name}`)]
          .slice(0, 10)
          .join(', '),
      {
        facts: { databases, roles, tablespaces, initialisedAt: catalogue.initialisedAt },
        hint: 'a dump is loaded into a new cluster only: empty the data directory and start the server',
      },
    );
  }
  // Absent where an attempt was killed between dropping and creating it.
  for (const name of absent) await createStandardDatabase(pg, login, name, signal);
  for (const name of databases) {
    await dropDatabase(pg, login, catalogue, name, signal);
    // At once: the next one is dropped from here.
    if (STANDARD_DATABASES.includes(name)) await createStandardDatabase(pg, login, name, signal);
  }
  const sql = [
    ...tablespaces.map((name) => `drop tablespace ${quoteIdentifier(name)};`),
    ...roles.map((name) => `drop role ${quoteIdentifier(name)};`),
    `alter role all reset all;`,
    `alter role ${quoteIdentifier(bootstrapRole)} reset all;`,
  ].join('\n');
  await runSql(
    pg,
    login,
    { database: maintenanceDatabase, sql, failureCode: 'RESTORE_FAILED' },
    signal,
  );
}

async function countObjects(
  pg: PostgresExec,
  login: ServerLogin,
  database: string,
  signal: AbortSignal,
): Promise<number> {
  const schema = z.object({ objects: z.number() });
  const [row] = await queryJson(pg, login, { database, sql: USER_OBJECTS, schema }, signal);
  return row?.objects ?? 0;
}

/**
 * Drops a database with whoever is connected to it, also `postgres` and template1, from the other of
 * these two.
 */
export async function dropDatabase(
  pg: PostgresExec,
  login: ServerLogin,
  catalogue: ClusterCatalogue,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const beside = databaseBeside(name, catalogue);
  await releaseDatabase(pg, login, { database: name, beside }, signal);
  const quoted = quoteIdentifier(name);
  const template = catalogue.databases.some((one) => one.name === name && one.isTemplate);
  // A health check of the container may be connected; before 13 there is only a plain DROP, which
  // waits five seconds for others to leave.
  const force = majorOf(catalogue.server.versionNumber) >= 13 ? ' with (force)' : '';
  const sql = `${template ? `alter database ${quoted} is_template false;\n` : ''}drop database if exists ${quoted}${force};`;
  await runSql(pg, login, { database: beside, sql, failureCode: 'RESTORE_FAILED' }, signal);
}

/**
 * A database to be connected to while `name` is dropped or created.
 * @param catalogue Of the cluster, where it is known: it may lack `postgres`.
 */
export function databaseBeside(
  name: string,
  catalogue?: Pick<ClusterCatalogue, 'databases'>,
): string {
  const preferred = STANDARD_DATABASES.filter((one) => one !== name);
  const open = catalogue?.databases.filter(({ allowConnections }) => allowConnections) ?? [];
  const names = open.map((one) => one.name).filter((one) => one !== name);
  const [first = 'postgres', second = first] = preferred;
  if (names.length === 0 || names.includes(first)) return first;
  return names.includes(second) ? second : (names[0] ?? first);
}

async function createStandardDatabase(
  pg: PostgresExec,
  login: ServerLogin,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const sql = `create database ${quoteIdentifier(name)} template template0${name === 'template1' ? ' is_template true' : ''};`;
  await runSql(
    pg,
    login,
    { database: databaseBeside(name), sql, failureCode: 'RESTORE_FAILED' },
    signal,
  );
}
