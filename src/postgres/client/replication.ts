/** What of a server no dump holds: replication slots, subscriptions' state, prepared transactions. */
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import type { PostgresInfo } from '../../format/manifest.js';
import { describeDisabled } from '../replace/held-database.js';
import type { PostgresExec, ServerLogin } from './exec.js';
import { queryJson, serverFacts } from './server.js';

const replicationSchema = z.object({
  slots: z.array(z.object({ name: z.string(), database: z.string().nullable() })),
  subscriptions: z.array(
    z.object({
      database: z.string(),
      name: z.string(),
      enabled: z.boolean(),
      slot: z.string().nullable(),
    }),
  ),
  /** Transactions prepared for a two-phase commit that nobody has committed yet. */
  prepared: z.array(z.object({ name: z.string(), database: z.string() })),
});
type Replication = z.output<typeof replicationSchema>;

const SQL = `
select jsonb_build_object(
  'slots', coalesce((select jsonb_agg(jsonb_build_object('name', slot_name, 'database', database)
     order by slot_name) from pg_replication_slots where not temporary), '[]'),
  'subscriptions', coalesce((select jsonb_agg(jsonb_build_object('database', datname, 'name', subname,
     'enabled', subenabled, 'slot', subslotname) order by datname, subname)
     from pg_subscription join pg_database d on d.oid = subdbid), '[]'),
  'prepared', coalesce((select jsonb_agg(jsonb_build_object('name', gid, 'database', database)
     order by gid) from pg_prepared_xacts), '[]'));`;

/** @throws HoldfastError COMMAND_FAILED, POSTGRES_UNREACHABLE, LOGIN_REFUSED */
export async function readReplication(
  pg: PostgresExec,
  login: ServerLogin,
  signal: AbortSignal,
): Promise<Replication> {
  const { maintenanceDatabase: database } = await serverFacts(pg, login, 'COMMAND_FAILED', signal);
  const options = { database, sql: SQL, schema: replicationSchema };
  const [replication] = await queryJson(pg, login, options, signal);
  if (replication !== undefined) return replication;
  throw new HoldfastError('COMMAND_FAILED', 'the server told nothing of replication');
}

/**
 * What of replication is not as it was after all of a server was restored. Pure.
 * @param before Of the backup; where it tells nothing, every disabled subscription is told.
 */
export function describeReplication(
  before: PostgresInfo['replication'],
  now: Replication,
): string[] {
  const wasDisabled = ({ database, name }: { database: string; name: string }): boolean =>
    before?.subscriptions.some(
      (one) => one.database === database && one.name === name && !one.enabled,
    ) ?? false;
  return [
    ...now.subscriptions
      .filter((one) => !one.enabled && !wasDisabled(one))
      .map((one) => describeDisabled(one.database, one)),
    ...(before?.slots ?? [])
      .filter(({ name }) => !now.slots.some((slot) => slot.name === name))
      .map(
        ({ name, database }) =>
          `replication slot ${name}${database === null ? '' : ` of database ${database}`} is not part of a backup: ` +
          (database === null
            ? 'make its standby anew'
            : 'make it again, and let its subscriber copy its tables anew'),
      ),
    ...(before?.prepared ?? [])
      .filter(({ name }) => !now.prepared.some((one) => one.name === name))
      .map(
        ({ name, database }) =>
          `the transaction ${JSON.stringify(name)} of database ${database} was prepared and not committed: what it did is in no backup`,
      ),
  ];
}
