/** Settings of all roles (`ALTER ROLE ALL SET …`), which pg_dumpall does not dump. */
import { dumpEnv } from '../client/client-env.js';
import { clientError } from '../client/client-error.js';
import { captureConnected } from '../client/patience.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
/**
 * The statements that make them again. Values of list settings are kept as the server stores them,
 * already quoted (variable_is_guc_list_quote in PostgreSQL's dumputils.c); all others are literals.
 */
const SQL = `
select 'ALTER ROLE ALL SET ' || pg_catalog.quote_ident(name) || ' TO ' ||
       case when pg_catalog.lower(name) in ('local_preload_libraries', 'search_path', 'session_preload_libraries',
                                            'shared_preload_libraries', 'temp_tablespaces', 'unix_socket_directories')
            then value else pg_catalog.quote_literal(value) end || ';'
from (select pg_catalog.split_part(setting, '=', 1) as name,
             pg_catalog.substr(setting, pg_catalog.strpos(setting, '=') + 1) as value
      from pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) setting
      where s.setdatabase = 0 and s.setrole = 0) settings
order by 1;
`;

/** A script to put before the one of pg_dumpall; empty when there are none. @throws DUMP_FAILED, NO_FREE_CONNECTION */
export async function roleAllSettings(
  pg: PostgresExec,
  login: ServerLogin,
  applicationName: string,
  signal: AbortSignal,
): Promise<string> {
  const argv = [
    'psql',
    '--no-psqlrc',
    '--no-password',
    '--no-align',
    '--tuples-only',
    '--quiet',
    '--set=ON_ERROR_STOP=1',
    `--username=${login.user}`,
    '--dbname=template1',
  ];
  const env = dumpEnv(login, applicationName);
  const result = await captureConnected(pg, argv, { input: SQL, env, signal });
  if (result.exitCode !== 0) throw clientError('psql', result, 'DUMP_FAILED');
  const statements = result.stdout.trim();
  if (statements === '') return '';
  return `-- Settings of all roles, which pg_dumpall leaves out\n${statements}\n\n`;
}
