/**
 * What the stack holds, measured without any of Holdfast's own code: psql, tar, sha256sum and HTTP.
 * Taken before everything is lost and after it is restored.
 */
import path from 'node:path';
import { runCommand } from '../src/base/process/process.js';
import { SERVICES, type SampleStack } from './sample-stack.js';

/** The table the demo keeps writing to while the backup runs; counted apart from the others. */
export const WRITTEN_TABLE = 'public.demo_writes';
export const WRITTEN_DATABASE = 'mlops';

export async function psql(stack: SampleStack, database: string, sql: string): Promise<string> {
  const { stdout } = await runCommand(
    'docker',
    [
      'exec',
      '-i',
      stack.container('ml_postgres'),
      'psql',
      '-U',
      'postgres',
      '-XAtq',
      '-v',
      'ON_ERROR_STOP=1',
      '-d',
      database,
      '-f',
      '-',
    ],
    { input: sql },
  );
  return stdout.trim();
}

/** Every connectable database: rows and an order-independent digest of each table. */
export async function tableDigests(stack: SampleStack): Promise<Record<string, string>> {
  const databases = (
    await psql(
      stack,
      'postgres',
      `select datname from pg_database where datallowconn and not datistemplate order by 1`,
    )
  ).split('\n');
  const digests: Record<string, string> = {};
  for (const database of databases) {
    const tables = await psql(
      stack,
      database,
      `select format('%I.%I', schemaname, tablename) from pg_tables
       where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
    );
    for (const table of tables.split('\n').filter((one) => one !== '' && one !== WRITTEN_TABLE)) {
      digests[`${database} ${table}`] = await psql(
        stack,
        database,
        `select count(*) || ' rows, ' || coalesce(sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric), 0) from ${table} t`,
      );
    }
  }
  return digests;
}

/** What a cluster is beside its rows; the part of a restore that is lost without a word. */
export async function clusterFacts(stack: SampleStack): Promise<Record<string, string>> {
  const facts: Record<string, string> = {
    roles: await psql(
      stack,
      'postgres',
      `select string_agg(rolname || ' ' || rolsuper || rolcreatedb || rolcanlogin || rolconnlimit || ' ' || coalesce(rolpassword, '-'), E'\\n' order by rolname)
       from pg_authid where rolname !~ '^pg_'`,
    ),
    memberships: await psql(
      stack,
      'postgres',
      `select string_agg(roleid::regrole || ' ' || member::regrole || ' ' || admin_option, ', ' order by 1)
       from (select * from pg_auth_members where roleid::regrole::text !~ '^pg_' order by roleid::regrole::text, member::regrole::text) m`,
    ),
    databases: await psql(
      stack,
      'postgres',
      `select string_agg(datname || ' ' || datdba::regrole || ' ' || pg_encoding_to_char(encoding) || ' ' || datcollate || ' ' || coalesce((select string_agg(a::text, ',' order by a::text) from unnest(datacl) a), '-'), E'\\n' order by datname)
       from pg_database where not datistemplate`,
    ),
    settings: await psql(
      stack,
      'postgres',
      `select string_agg(coalesce(d.datname, '-') || ' ' || coalesce(r.rolname, '-') || ' ' || s.setconfig::text, E'\\n'
                         order by d.datname, r.rolname, s.setconfig::text)
       from (select * from pg_db_role_setting) s left join pg_database d on d.oid = s.setdatabase left join pg_roles r on r.oid = s.setrole`,
    ),
  };
  const databases = (
    await psql(
      stack,
      'postgres',
      'select datname from pg_database where datallowconn and not datistemplate order by 1',
    )
  ).split('\n');
  for (const database of databases) {
    facts[`large objects of ${database}`] = await psql(
      stack,
      database,
      `select count(*) || ' ' || coalesce(md5(string_agg(m.oid || m.lomowner::regrole::text || md5(lo_get(m.oid)), ',' order by m.oid)), '-')
       from pg_largeobject_metadata m`,
    );
    facts[`extensions of ${database}`] = await psql(
      stack,
      database,
      `select string_agg(extname || ' ' || extversion, ', ' order by extname) from pg_extension`,
    );
    facts[`rights in ${database}`] = await psql(
      stack,
      database,
      `select coalesce(md5(string_agg(c.oid::regclass::text || c.relowner::regrole::text || coalesce((select string_agg(a::text, ',' order by a::text) from unnest(c.relacl) a), '-'), ',' order by c.oid::regclass::text)), '-')
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and c.relname <> 'demo_writes'`,
    );
    facts[`sequences of ${database}`] = await psql(
      stack,
      database,
      `select coalesce(string_agg(schemaname || '.' || sequencename || '=' || coalesce(last_value::text, '-'), ', ' order by 1), '-')
       from pg_sequences where sequencename not like 'demo_writes%'`,
    );
  }
  return facts;
}

/**
 * One number for a whole tree: contents, names, modes, numeric owners, times, links, holes' sizes,
 * extended attributes and ACLs, as GNU tar sees them.
 */
export async function treeDigest(directory: string): Promise<string> {
  const { stdout } = await runCommand('bash', [
    '-o',
    'pipefail',
    '-c',
    `tar -C "$1" --sort=name --format=posix --pax-option=delete=atime,delete=ctime \
      --numeric-owner --xattrs --xattrs-include='*' --acls -cf - . | sha256sum`,
    'bash',
    directory,
  ]);
  return stdout.split(' ')[0] ?? '';
}

/**
 * Trees that nobody writes to: all homes (without the server's data directory) and what is backed up
 * of the model's cache directory.
 */
export function quietTrees(stack: SampleStack): Record<string, string> {
  const trees: Record<string, string> = {};
  for (const part of ['blobs', 'snapshots', 'refs']) {
    trees[`model/${part}`] = path.join(stack.model, part);
  }
  for (const service of SERVICES) {
    if (service !== 'pgdb') trees[service] = stack.home(service);
  }
  return trees;
}

export async function getJson(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  return { status: response.status, body: await response.json() };
}

export async function getStatus(url: string): Promise<number> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0;
  }
}

/** Seeded content of the stand-ins, and what Prometheus had scraped until `untilSeconds`. */
export async function serviceContents(
  stack: SampleStack,
  fromSeconds: number,
  untilSeconds: number,
): Promise<Record<string, unknown>> {
  const { ports } = stack.names;
  const query = new URLSearchParams({
    query: 'up',
    start: String(fromSeconds),
    end: String(untilSeconds),
    step: '1',
  });
  return {
    'grafana dashboards': await getJson(`http://127.0.0.1:${ports.grafana}/digest`),
    'qdrant points': await getJson(`http://127.0.0.1:${ports.qdrant}/digest`),
    'agent qdrant points': await getJson(`http://127.0.0.1:${ports.agentQdrant}/digest`),
    'prometheus samples': await getJson(
      `http://127.0.0.1:${ports.prometheus}/api/v1/query_range?${query.toString()}`,
    ),
  };
}

/** When each container of a service was started last, in milliseconds. */
export async function startTimes(stack: SampleStack, service: string): Promise<number[]> {
  const ids = (
    await runCommand('docker', [
      'ps',
      '-q',
      '--filter',
      `label=com.docker.compose.project=${service}`,
    ])
  ).stdout
    .split('\n')
    .filter((id) => id !== '');
  if (ids.length === 0) return [];
  const { stdout } = await runCommand('docker', ['inspect', '-f', '{{.State.StartedAt}}', ...ids]);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Date.parse(line));
}
