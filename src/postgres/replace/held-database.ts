/** What ties a database down: what keeps it from being renamed or dropped, or is lost when it is. */
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { queryJson, quoteLiteral, runSql } from '../client/server.js';
import { quoteIdentifier } from '../client/sql-text.js';

const holdsSchema = z.object({
  allowConnections: z.boolean(),
  subscriptions: z.array(
    z.object({ name: z.string(), enabled: z.boolean(), slot: z.string().nullable() }),
  ),
  /** Global identifiers of transactions that wait for COMMIT PREPARED. */
  prepared: z.array(z.string()),
  /** Logical replication slots: whoever reads them reads this database. */
  slots: z.array(z.object({ name: z.string(), active: z.boolean() })),
});
export type DatabaseHolds = z.output<typeof holdsSchema>;

/**
 * @param beside A database to ask in.
 * @returns undefined when there is no such database
 * @throws HoldfastError RESTORE_FAILED, POSTGRES_UNREACHABLE, LOGIN_REFUSED
 */
export async function databaseHolds(
  pg: PostgresExec,
  login: ServerLogin,
  { database, beside }: { readonly database: string; readonly beside: string },
  signal: AbortSignal,
): Promise<DatabaseHolds | undefined> {
  const [holds] = await queryJson(
    pg,
    login,
    {
      database: beside,
      failureCode: 'RESTORE_FAILED',
      schema: holdsSchema,
      sql: `
select jsonb_build_object('allowConnections', datallowconn,
  'subscriptions', coalesce((select jsonb_agg(jsonb_build_object('name', subname,
     'enabled', subenabled, 'slot', subslotname) order by subname)
     from pg_subscription where subdbid = d.oid), '[]'),
  'prepared', coalesce((select jsonb_agg(gid order by gid)
     from pg_prepared_xacts where database = d.datname), '[]'),
  'slots', coalesce((select jsonb_agg(jsonb_build_object('name', slot_name, 'active', active)
     order by slot_name) from pg_replication_slots where database = d.datname), '[]'))
from pg_database d where datname = ${quoteLiteral(database)};`,
    },
    signal,
  );
  return holds;
}

/**
 * Prepared transactions can't be carried along: they belong to a database by its identity, lock its
 * rows, and only whoever made them knows whether they are to be committed.
 * @throws HoldfastError RESTORE_FAILED
 */
export function refusePrepared(database: string, { prepared }: DatabaseHolds): void {
  if (prepared.length === 0) return;
  const named = prepared.slice(0, 5).map((gid) => quoteLiteral(gid));
  throw new HoldfastError(
    'RESTORE_FAILED',
    `database ${database} has prepared transactions, which keep it where it is: ${named.join(', ')}`,
    {
      facts: { database, prepared },
      hint: 'end them in that database with COMMIT PREPARED or ROLLBACK PREPARED, then restore again',
    },
  );
}

/** Stops subscriptions, whose workers would hold the database and go on writing into it. */
export async function disableSubscriptions(
  pg: PostgresExec,
  login: ServerLogin,
  database: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await alterSubscriptions(pg, login, database, names, signal, 'disable');
}

export async function enableSubscriptions(
  pg: PostgresExec,
  login: ServerLogin,
  database: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await alterSubscriptions(pg, login, database, names, signal, 'enable');
}

async function alterSubscriptions(
  pg: PostgresExec,
  login: ServerLogin,
  database: string,
  names: readonly string[],
  signal: AbortSignal,
  what: 'enable' | 'disable',
): Promise<void> {
  if (names.length === 0) return;
  const statements = names.map((name) => `alter subscription ${quoteIdentifier(name)} ${what};`);
  await runQuietly(pg, login, database, statements, signal);
}

/**
 * Takes from a database that is to be dropped what forbids that. Its subscriptions go without a word
 * to their publishers: the slot there may be that of the database that comes back. Slots that are read
 * are let go; PostgreSQL drops them with the database. Prepared transactions end as what else is in it.
 * @param beside A database to do it from.
 */
export async function releaseDatabase(
  pg: PostgresExec,
  login: ServerLogin,
  { database, beside }: { readonly database: string; readonly beside: string },
  signal: AbortSignal,
): Promise<void> {
  const holds = await databaseHolds(pg, login, { database, beside }, signal);
  if (holds === undefined) return;
  const inside = [
    ...holds.subscriptions.flatMap(({ name }) => {
      const subscription = quoteIdentifier(name);
      return [
        `alter subscription ${subscription} disable;`,
        `alter subscription ${subscription} set (slot_name = none);`,
        `drop subscription ${subscription};`,
      ];
    }),
    ...holds.prepared.map((gid) => `rollback prepared ${quoteLiteral(gid)};`),
  ];
  const outside = (sql: string): Promise<string[]> =>
    runSql(pg, login, { database: beside, sql, failureCode: 'RESTORE_FAILED' }, signal);
  const quoted = quoteIdentifier(database);
  if (inside.length > 0) {
    if (!holds.allowConnections) await outside(`alter database ${quoted} allow_connections true;`);
    await runQuietly(pg, login, database, inside, signal);
  }
  if (holds.slots.some(({ active }) => active)) {
    // Closed first: who reads a slot comes back at once.
    await outside(`alter database ${quoted} allow_connections false;
      select pg_terminate_backend(active_pid) from pg_replication_slots
        where database = ${quoteLiteral(database)} and active_pid is not null;
      do $$ begin for i in 1..100 loop
        exit when not exists (select from pg_replication_slots
          where database = ${quoteLiteral(database)} and active);
        perform pg_sleep(0.1);
      end loop; end $$;`);
  }
}

/** In the database itself, past its event triggers. */
async function runQuietly(
  pg: PostgresExec,
  login: ServerLogin,
  database: string,
  statements: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const sql = ['set session_replication_role = replica;', ...statements].join('\n');
  await runSql(pg, login, { database, sql, failureCode: 'RESTORE_FAILED' }, signal);
}

/** How a subscription that came back from a dump, disabled as pg_dump makes it, is set going again. */
export function describeDisabled(
  database: string,
  { name, slot }: DatabaseHolds['subscriptions'][number],
): string {
  const quoted = quoteIdentifier(name);
  return (
    `subscription ${name} of database ${database} is back, but disabled: to let it go on where its slot ` +
    `${slot === null ? '' : `${slot} `}on the publisher stands, run in ${database}: alter subscription ${quoted} enable; ` +
    `alter subscription ${quoted} refresh publication with (copy_data = false);`
  );
}

/** What a database that goes aside takes with it. */
export function describeSlots(database: string, slots: DatabaseHolds['slots']): string[] {
  return slots.map(
    ({ name }) =>
      `replication slot ${name} stays with the old database ${database}, which is aside: who read from it ` +
      'gets nothing more, and the server keeps its WAL for it, until the restore is undone or discarded',
  );
}
