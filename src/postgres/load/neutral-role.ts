/**
 * A role that nobody gave default privileges: what is made again after the dump's ALTER DEFAULT
 * PRIVILEGES has run would have rights that it never had. A dump's own statements rely on there being
 * none, which is why pg_dump puts them last.
 */
import { createHash } from 'node:crypto';
import { questionEnv } from '../client/client-env.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { queryJson, quoteLiteral, runSql } from '../client/server.js';
import { quoteIdentifier } from '../client/sql-text.js';
import { z } from 'zod';

const CLEAN_UP_MS = 30_000;

export interface InDatabase {
  readonly pg: PostgresExec;
  readonly login: ServerLogin;
  readonly database: string;
}

/**
 * Runs `use` with the name of a superuser for `SET ROLE`, where the database has default privileges;
 * with undefined elsewhere. The role is gone afterwards; what it still owns is the login role's, as
 * everything is that pg_restore makes without naming an owner.
 */
export async function withNeutralRole<T>(
  where: InDatabase,
  signal: AbortSignal,
  use: (role: string | undefined) => Promise<T>,
): Promise<T> {
  const { pg, login, database } = where;
  const sql = 'select to_json(exists(select from pg_default_acl));';
  const [hasDefaults] = await queryJson(pg, login, { database, sql, schema: z.boolean() }, signal);
  if (hasDefaults !== true) return use(undefined);
  // One a database: others are loaded at the same time.
  const digest = createHash('sha256').update(database).digest('hex').slice(0, 12);
  const role = `holdfast-rebuild-${digest}`;
  // An attempt that was killed may have left it.
  await change(
    `${removal(role, login.user)} create role ${quoteIdentifier(role)} superuser;`,
    signal,
  );
  try {
    return await use(role);
  } finally {
    // Also when the run was cancelled: on a running server nobody else would remove it.
    await change(removal(role, login.user), AbortSignal.timeout(CLEAN_UP_MS));
  }

  async function change(statements: string, until: AbortSignal): Promise<void> {
    // Event triggers of the user's are not to judge this.
    const env = questionEnv(login, { session_replication_role: 'replica' });
    const options = { database, sql: statements, env, failureCode: 'RESTORE_FAILED' } as const;
    await runSql(pg, login, options, until);
  }
}

function removal(role: string, heir: string): string {
  const name = quoteIdentifier(role);
  return `do $holdfast$ begin
    if exists (select from pg_roles where rolname = ${quoteLiteral(role)}) then
      reassign owned by ${name} to ${quoteIdentifier(heir)};
      drop role ${name};
    end if;
  end $holdfast$;`;
}
