/**
 * CHECK constraints taken away while rows are loaded that they keep out: two tables whose constraints
 * read each other, a constraint of the present time, a function that is stricter than it was. A table
 * that held the rows gets them back, and its constraints; one that does not hold any more is put back
 * as NOT VALID (it counts for new rows) and told.
 */
import { z } from 'zod';
import { isHoldfastError, messageOf } from '../../base/errors.js';
import { loadEnv, questionEnv } from '../client/client-env.js';
import type { LeftObject } from './left-object.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { queryJson, quoteLiteral, runSql } from '../client/server.js';

export interface Holding {
  readonly pg: PostgresExec;
  readonly login: ServerLogin;
  readonly database: string;
  /** The database's own search_path: constraints are checked with it. */
  readonly path: string;
}

const checkSchema = z.object({
  /** `table "s"."t"` or `domain "s"."d"`, as ALTER takes it. */
  owner: z.string(),
  name: z.string(),
  /** What the constraint's own schema adds to the path. */
  schema: z.string(),
  definition: z.string(),
  wasValid: z.boolean(),
  comment: z.string().nullable(),
});
type Check = z.output<typeof checkSchema>;

/** Dropping one of a parent leaves those its children have of their own: as often as trees are deep. */
const MOST_LEVELS = 10;

/** Constraints of tables, of their parents, and of the domains in their columns' types. */
function checksSql(tables: readonly string[]): string {
  return `
with recursive wanted as (
  select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and format('TABLE DATA %s %s %s', n.nspname, c.relname, pg_get_userbyid(c.relowner))
    in (${tables.map(quoteLiteral).join(', ')})
), tree as (
  select oid from wanted union select i.inhparent from pg_inherits i join tree on tree.oid = i.inhrelid
), types as (
  select a.atttypid as oid from pg_attribute a join wanted on wanted.oid = a.attrelid where a.attnum > 0 and not a.attisdropped
  union
  select part.oid from types join pg_type t on t.oid = types.oid
  cross join lateral (
    select t.typbasetype as oid union all select t.typelem
    union all select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and t.typtype = 'c' and a.attnum > 0
    union all select r.rngsubtype from pg_range r where r.rngtypid = t.oid) part
  where part.oid <> 0
)
select jsonb_build_object(
  'owner', case when k.conrelid <> 0 then format('table %I.%I', cn.nspname, c.relname) else format('domain %I.%I', tn.nspname, t.typname) end,
  'name', format('%I', k.conname), 'schema', format('%I', coalesce(cn.nspname, tn.nspname)),
  'definition', pg_get_constraintdef(k.oid), 'wasValid', k.convalidated,
  'comment', obj_description(k.oid, 'pg_constraint'))
from pg_constraint k
left join pg_class c on c.oid = k.conrelid left join pg_namespace cn on cn.oid = c.relnamespace
left join pg_type t on t.oid = k.contypid left join pg_namespace tn on tn.oid = t.typnamespace
where k.contype = 'c' and k.coninhcount = 0
  and (k.conrelid in (select oid from tree) or k.contypid in (select oid from types))
order by k.oid;`;
}

/**
 * @param tables Labels of the archive's `TABLE DATA` entries.
 * @param load Loads them; the constraints come back when it is done.
 * @returns The constraints that do not hold for the rows.
 * @throws HoldfastError RESTORE_FAILED where a constraint can't be put back, or what `load` throws: what
 *   was loaded is of no use then
 */
export async function withoutChecks(
  holding: Holding,
  tables: readonly string[],
  signal: AbortSignal,
  load: () => Promise<void>,
): Promise<LeftObject[]> {
  const { pg, login, database } = holding;
  const env = questionEnv(login, { session_replication_role: 'replica' });
  const held: Check[] = [];
  for (let level = 0; level < MOST_LEVELS; level += 1) {
    const sql = checksSql(tables);
    const some = await queryJson(pg, login, { database, sql, schema: checkSchema }, signal);
    if (some.length === 0) break;
    await change(some.map(({ owner, name }) => `alter ${owner} drop constraint ${name};`));
    held.push(...some);
  }
  await load();
  // Those of the children first: a parent's is merged into them, not the other way round.
  const back = held.reverse();
  await change(back.flatMap(putBackSql));
  const left: LeftObject[] = [];
  for (const check of back) {
    if (check.wasValid) left.push(...(await validate(holding, check, signal)));
  }
  return left;

  async function change(statements: readonly string[]): Promise<void> {
    const sql = statements.join('\n');
    await runSql(pg, login, { database, sql, env, failureCode: 'RESTORE_FAILED' }, signal);
  }
}

function putBackSql({ owner, name, definition, comment }: Check): string[] {
  const notValid = definition.endsWith(' NOT VALID') ? '' : ' not valid';
  const on = owner.startsWith('domain ') ? owner : owner.replace(/^table /, '');
  return [
    `alter ${owner} add constraint ${name} ${definition}${notValid};`,
    ...(comment === null
      ? []
      : [`comment on constraint ${name} on ${on} is ${quoteLiteral(comment)};`]),
  ];
}

async function validate(
  { pg, login, database, path }: Holding,
  { owner, name, schema }: Check,
  signal: AbortSignal,
): Promise<LeftObject[]> {
  const sql = `alter ${owner} validate constraint ${name};`;
  const wider = [schema, path, 'public'].filter((part) => part !== '').join(', ');
  let reason = '';
  for (const searchPath of [path, wider]) {
    const env = loadEnv(login, { session_replication_role: 'replica', search_path: searchPath });
    try {
      await runSql(pg, login, { database, sql, env, failureCode: 'RESTORE_FAILED' }, signal);
      return [];
    } catch (error) {
      signal.throwIfAborted();
      if (!isHoldfastError(error) || error.code !== 'RESTORE_FAILED') throw error;
      reason = messageOf(error);
    }
  }
  return [{ database, what: `CHECK CONSTRAINT ${name} of ${owner}`, reason, sql }];
}
