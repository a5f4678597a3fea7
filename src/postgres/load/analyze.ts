/** Statistics of loaded databases, which a dump does not hold: without them the first queries choose bad plans. */
import type { Work } from '../../base/progress.js';
import { connectTo, loadEnv, psqlArgv } from '../client/client-env.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { errorLineOf, warningsOf } from '../client/warnings.js';

/** Tables without statistics of their own, one statement each: one that fails costs no other's. */
const ANALYZE_THE_REST = `\\set ON_ERROR_STOP 0
select format('analyze %I.%I', n.nspname, c.relname) from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
    and c.relpersistence <> 't' and pg_catalog.pg_stat_get_last_analyze_time(c.oid) is null
  order by c.oid \\gexec
`;

/**
 * @param databases All of these, by vacuumdb in parallel; where that ends at the first table that can't
 *   be analyzed (an index on a function that needs a search_path), the rest with the database's own.
 * @returns What went wrong: nothing of it costs more than statistics.
 */
export async function analyzeDatabases(
  pg: PostgresExec,
  login: ServerLogin,
  { databases, jobs, all }: { databases: readonly string[]; jobs: number; all: boolean },
  work: Work,
): Promise<string[]> {
  const warnings: string[] = [];
  const options = ['--no-password', `--username=${login.user}`, '--analyze-only', `--jobs=${jobs}`];
  const targets = all ? ['--all'] : databases.map((name) => `--dbname=${connectTo(name)}`);
  const failed: boolean[] = [];
  for (const target of targets) {
    const result = await pg.capture(['vacuumdb', ...options, target, '--quiet'], {
      env: loadEnv(login),
      signal: work.signal,
    });
    failed.push(result.exitCode !== 0);
    if (result.exitCode === 0) warnings.push(...warningsOf(result.stderr));
  }
  const unfinished = databases.filter((_, at) => failed[all ? 0 : at] === true);
  for (const database of unfinished) {
    const rest = await pg.capture(psqlArgv(login, database), {
      input: ANALYZE_THE_REST,
      env: loadEnv(login),
      signal: work.signal,
    });
    const reason = errorLineOf(rest.stderr);
    if (reason !== undefined) warnings.push(`${database}: statistics are missing: ${reason}`);
  }
  return warnings;
}
