import { z } from 'zod';
import { HoldfastError, type ErrorCode } from '../../base/errors.js';
import { firstQuestionEnv, psqlArgv, questionEnv } from './client-env.js';
import { clientError } from './client-error.js';
import { captureConnected } from './patience.js';
import type { PostgresExec, ServerLogin } from './exec.js';

/** Oldest server and client the statements here are written for. */
export const OLDEST_SERVER_VERSION_NUMBER = 110_000;

export interface QueryOptions {
  readonly database: string;
  readonly sql: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Code of the error for SQL that fails; COMMAND_FAILED by default. */
  readonly failureCode?: ErrorCode;
}

/**
 * Runs SQL and gives the answer's lines. Where all of the server's connections are taken it waits for
 * one, 20 seconds at most.
 * @throws HoldfastError POSTGRES_UNREACHABLE when the server can't be connected to,
 *   NO_FREE_CONNECTION, else `failureCode` (facts: database, stderr).
 */
export async function runSql(
  pg: PostgresExec,
  login: ServerLogin,
  options: QueryOptions,
  signal: AbortSignal,
): Promise<string[]> {
  const result = await captureConnected(pg, psqlArgv(login, options.database), {
    input: options.sql,
    env: options.env ?? questionEnv(login),
    signal,
  });
  if (result.exitCode !== 0) {
    throw clientError('psql', result, options.failureCode ?? 'COMMAND_FAILED', {
      database: options.database,
    });
  }
  return result.stdout.split('\n').filter((line) => line !== '');
}

/** {@link runSql} for statements that answer one JSON document a line, parsed by `schema`. */
export async function queryJson<T>(
  pg: PostgresExec,
  login: ServerLogin,
  options: QueryOptions & { readonly schema: z.ZodType<T> },
  signal: AbortSignal,
): Promise<T[]> {
  const lines = await runSql(pg, login, options, signal);
  return lines.map((line) => options.schema.parse(JSON.parse(line)));
}

const serverFactsSchema = z.object({
  version: z.string(),
  versionNumber: z.number().int(),
  superuser: z.boolean(),
  inRecovery: z.boolean(),
  /** The role initdb made, which every cluster has. */
  bootstrapRole: z.string(),
});
export interface ServerFacts extends z.output<typeof serverFactsSchema> {
  /**
   * The database to ask questions in: `postgres`, or `template1` in a cluster without it, as
   * pg_dumpall does. (A session in template1 keeps others from creating databases meanwhile.)
   */
  readonly maintenanceDatabase: string;
}

/**
 * Asks the server who it is and whether we may do our work.
 * @throws HoldfastError POSTGRES_UNREACHABLE; VERSION_INCOMPATIBLE for a server older than 11;
 *   `failureCode` for a user that is no superuser.
 */
export async function serverFacts(
  pg: PostgresExec,
  login: ServerLogin,
  failureCode: ErrorCode,
  signal: AbortSignal,
): Promise<ServerFacts> {
  const { facts, maintenanceDatabase } = await firstAnswer(pg, login, failureCode, signal);
  if (facts.versionNumber < OLDEST_SERVER_VERSION_NUMBER) {
    throw new HoldfastError('VERSION_INCOMPATIBLE', `PostgreSQL ${facts.version} is too old`, {
      facts: { serverVersion: facts.version },
      hint: 'PostgreSQL 11 or newer is needed',
    });
  }
  if (!facts.superuser) {
    throw new HoldfastError(failureCode, `PostgreSQL role ${login.user} is not a superuser`, {
      facts: { user: login.user },
      hint: 'roles, passwords and every database can only be read by a superuser; set "user" to one',
    });
  }
  return { ...facts, maintenanceDatabase };
}

const FACTS_SQL = `select jsonb_build_object(
  'version', current_setting('server_version'),
  'versionNumber', current_setting('server_version_num')::int,
  'superuser', (select rolsuper from pg_roles where rolname = current_user),
  'inRecovery', pg_is_in_recovery(),
  'bootstrapRole', (select rolname from pg_roles where oid = 10));`;

async function firstAnswer(
  pg: PostgresExec,
  login: ServerLogin,
  failureCode: ErrorCode,
  signal: AbortSignal,
): Promise<{ facts: z.output<typeof serverFactsSchema>; maintenanceDatabase: string }> {
  for (const database of ['postgres', 'template1']) {
    const result = await captureConnected(pg, psqlArgv(login, database), {
      input: FACTS_SQL,
      env: firstQuestionEnv(login),
      signal,
    });
    if (result.exitCode === 0) {
      const facts = serverFactsSchema.parse(JSON.parse(result.stdout));
      return { facts, maintenanceDatabase: database };
    }
    if (database === 'postgres' && /FATAL: +database "postgres" /.test(result.stderr)) continue;
    throw clientError('psql', result, failureCode, { database });
  }
  throw new HoldfastError('POSTGRES_UNREACHABLE', 'there is no database to connect to');
}

/** Ends every connection whose application name begins with `prefix`. */
export async function endSessions(
  pg: PostgresExec,
  login: ServerLogin,
  server: ServerFacts,
  prefix: string,
  signal: AbortSignal,
): Promise<void> {
  const sql = `select pg_terminate_backend(pid) from pg_stat_activity
    where starts_with(application_name, ${quoteLiteral(prefix)}) and pid <> pg_backend_pid();`;
  await runSql(pg, login, { database: server.maintenanceDatabase, sql }, signal);
}

/** An SQL string, where standard_conforming_strings is on. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
