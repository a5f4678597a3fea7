/** A server that is not the plainest one: who logs in, what ties its databases down, its settings. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { connectEngine } from '../../../src/docker/engine/engine.js';
import { writeAtEnd } from '../../../src/postgres/settings/apply-settings.js';
import { containerExec } from '../../../src/postgres/client/container.js';
import { runCommand } from '../../../src/base/process/process.js';
import { SmallStack } from '../../support/small-stack.js';
import { WorkerHost } from '../../support/worker-host.js';

let stack: SmallStack;
let set: string;

async function holdfast(...args: string[]): Promise<string> {
  const run = await stack.holdfast([...args, '--json']);
  if (run.exitCode !== 0) throw new Error(`${args.join(' ')}: ${run.stdout}${run.stderr}`);
  return run.stdout;
}

/** Answers in one line, each of them to a statement. */
async function ask(database: string, ...statements: string[]): Promise<string> {
  const answers: string[] = [];
  for (const statement of statements) answers.push(await stack.sql(database, statement));
  return answers.join(' ');
}

async function until(what: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await what()); tries += 1) {
    if (tries === 100) throw new Error('it did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const SUBSCRIPTION = `select subenabled::text || ',' || subslotname from pg_subscription s
  join pg_database d on d.oid = subdbid where datname = 'it''s "sub"'`;

beforeAll(async () => {
  stack = await SmallStack.create({
    args: ['-c', 'wal_level=logical', '-c', 'max_prepared_transactions=3'],
    mounts: ['./spaces:/spaces'],
    source: ', user: backup_admin, startTimeout: 60s',
  });
  await ask(
    'postgres',
    "create role backup_admin superuser login password 'x'",
    'copy (select 1) to program \'mkdir "$PGDATA/space"\'',
    `create tablespace inside location '/var/lib/postgresql/data/space'`,
    'create database pub tablespace inside',
    `create database "it's ""sub"""`,
  );
  await inServer('mkdir /spaces/out && chown postgres /spaces/out');
  await ask(
    'postgres',
    "create tablespace outside location '/spaces/out'",
    'create table far (what text) tablespace outside',
    "insert into far values ('then')",
    // The ids of an enum's values, by whose hashes rows find their partition, are others in each cluster.
    "create type mood as enum ('a', 'b', 'c', 'd', 'e', 'f')",
    'create table moods (m mood) partition by hash (m)',
    'create table moods_0 partition of moods for values with (modulus 2, remainder 0)',
    'create table moods_1 partition of moods for values with (modulus 2, remainder 1)',
    'insert into moods select m from unnest(enum_range(null::mood)) m, generate_series(1, 3)',
  );
  await ask(
    'pub',
    'create table t (id int primary key)',
    'insert into t select generate_series(1, 10)',
    'create publication p for all tables',
    "select pg_create_logical_replication_slot('s', 'pgoutput')",
  );
  await ask(
    `it's "sub"`,
    'create table t (id int primary key)',
    `create subscription "s ""1" connection 'host=127.0.0.1 user=postgres dbname=pub'
       publication p with (create_slot = false, slot_name = 's')`,
  );
  await until(async () => (await ask(`it's "sub"`, 'select count(*) from t')) === '10');
  // Settings by SQL and by hand, in files of their own, with libraries and certificates.
  await ask(
    'postgres',
    'alter system set max_connections = 123',
    "alter system set work_mem = '77MB'",
    "alter system set archive_mode = 'on'",
    `alter system set archive_command = 'touch "$PWD/archived"'`,
    `alter system set synchronous_standby_names = 'nobody'`,
    'alter system set synchronous_commit = local',
    "alter system set unix_socket_directories = '/tmp'",
  );
  await inServer(`cd "$PGDATA"
    mkdir conf.d && echo "shared_preload_libraries = 'pg_stat_statements,pg_prewarm'" > conf.d/libraries.conf
    printf "include_dir = 'conf.d'\nlog_min_duration_statement = 250 # gr\\374n\nssl = on\nssl_cert_file = 'tls/own.crt'\nssl_key_file = 'tls/own.key'\n" >> postgresql.conf
    printf "local all all trust\nhostssl @them app 10.1.0.0/16 scram-sha-256\nhost all all 127.0.0.1/32 trust\nhost all all 10.9.9.9/32 reject\n" > pg_hba.conf
    echo 'extra, "other one"' > them
    mkdir tls && openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -days 9 -out tls/own.crt -keyout tls/own.key 2> /dev/null || exit 1
    chmod 600 tls/own.key them && chown -R postgres: conf.d tls them`);
  await runCommand('docker', ['restart', stack.container('db')]);
  await stack.untilSql();
  await stack.startWorker();
  set = (await stack.backUp()).setId;
}, 180_000);

afterAll(async () => {
  await stack.remove();
}, 60_000);

describe('one database with a subscription', () => {
  test('goes aside without its subscription going on, and undo makes it go on', async () => {
    await ask('pub', 'insert into t values (11)');
    await until(async () => (await ask(`it's "sub"`, 'select count(*) from t')) === '11');
    const restored = await holdfast('restore', set, '--database', `it's "sub"`, '--yes');
    expect(restored).toContain('alter subscription \\"s \\"\\"1\\" enable');
    expect(await ask(`it's "sub"`, 'select count(*) from t', SUBSCRIPTION)).toBe('10 false,s');
    await ask('pub', 'insert into t values (12)');
    await holdfast('undo', '--yes');
    expect(await ask('postgres', SUBSCRIPTION)).toBe('true,s');
    await until(async () => (await ask(`it's "sub"`, 'select count(*) from t')) === '12');
  }, 180_000);

  test('is thrown away with its safety copy by discard, and the slot stays', async () => {
    await holdfast('restore', set, '--database', `it's "sub"`, '--yes');
    await ask(`it's "sub"`, 'alter subscription "s ""1" enable');
    const { problems } = await stack.backUp();
    expect(problems).toEqual([]); // what is aside is nothing that was not dumped
    await holdfast('discard', '--all', '--yes');
    expect(await ask('postgres', "select count(*) from pg_database where datname ~ 'aside'")).toBe(
      '0',
    );
    expect(
      await ask('pub', "select count(*) from pg_replication_slots where slot_name = 's'"),
    ).toBe('1');
  }, 180_000);

  test('that is published takes its slot aside and back', async () => {
    const restored = await holdfast('restore', set, '--database', 'pub', '--yes');
    expect(restored).toContain('replication slot s stays with the old database pub');
    await holdfast('undo', '--yes');
    expect(await ask('pub', 'select count(*) from t')).toBe('12');
  }, 180_000);

  test('that waits for COMMIT PREPARED is refused before anything is touched', async () => {
    await ask('pub', "begin; insert into t values (13); prepare transaction 'one''s'");
    const run = await stack.holdfast(['restore', set, '--database', 'pub', '--yes', '--json']);
    expect(run.exitCode).toBe(1);
    expect(run.stdout).toContain("'one''s'");
    expect(run.stdout).toContain('COMMIT PREPARED');
    await ask('pub', "commit prepared 'one''s'");
    expect(await ask('pub', 'select count(*) from t')).toBe('13');
  }, 120_000);
});

async function inServer(script: string): Promise<string> {
  const argv = ['exec', stack.container('db'), 'sh', '-c', script];
  return (await runCommand('docker', argv)).stdout.trim();
}

/** A table in a tablespace, and whether all lies where it is to lie. */
async function spaces(): Promise<string> {
  return ask(
    'postgres',
    'select what from far',
    'select count(*) from moods',
    `select string_agg(spcname || ' ' || pg_tablespace_location(oid), ', ' order by spcname) from pg_tablespace
       where spcname in ('inside', 'outside')`,
  );
}

/** What the server is beside its data: files with owner and mode, and the settings in force. */
async function settings(): Promise<string> {
  const files = await inServer(
    `cd "$PGDATA" && cksum postgresql.conf postgresql.auto.conf pg_hba.conf pg_ident.conf them conf.d/* tls/* && stat -c '%n %U %a' them tls/own.key tls/own.crt pg_hba.conf`,
  );
  const inForce = await ask(
    'postgres',
    `select name, setting, source from pg_settings
       where source not in ('default', 'client', 'session', 'override') and name !~ '^(lc_|ssl_renegotiation)' order by 1`,
    'select count(*) from pg_settings where pending_restart',
    'select count(*) from pg_file_settings where error is not null',
    'select count(*) from pg_stat_ssl where ssl and pid = pg_backend_pid()',
  );
  return `${files}\n${inForce}`;
}

describe('the whole server', () => {
  test('is not stopped for settings that need a library it lacks, nor what would be gone by it', async () => {
    const library = '/usr/lib/postgresql/15/lib/pg_prewarm.so';
    const loose = `${stack.prefix}loose`;
    await inServer(`mv ${library} /tmp`);
    await runCommand('docker', [
      ...['run', '-d', '--rm', '--name', loose, '-v', `${stack.volume}:/data`],
      ...['--label', `dev.holdfast.run=${process.env['HOLDFAST_TEST_RUN'] ?? 'by-hand'}`],
      ...['--init', 'holdfast-sample-base:latest', 'sleep', '600'],
    ]);
    const running = (): Promise<string> =>
      runCommand('docker', [
        ...['ps', '--format', '{{.Names}} {{.ID}}', '--filter', `name=${stack.prefix}`],
      ]).then(({ stdout }) => stdout);
    const before = await running();
    const run = await stack.holdfast(['restore', set, '--service', 'db', '--yes', '--json']);
    expect(run.exitCode).toBe(1);
    expect(run.stdout).toContain('the server had pg_prewarm in shared_preload_libraries');
    expect(run.stdout).toContain(`${loose} of app would be gone`);
    expect(await running()).toBe(before);
    expect(before).toContain(loose);
    // A backup that would stop it is refused as early.
    const stopping = path.join(stack.directory, 'stopping.yaml');
    await writeFile(stopping, stack.config().replace('quiesce: pause', 'quiesce: stop'));
    const checked = await new WorkerHost(stopping, stack.stackName).holdfast([
      ...['config', 'check', '--host', '--json'],
    ]);
    expect(checked.stdout).toContain('removed-when-stopped');
    await runCommand('docker', ['rm', '-f', loose]);
    await inServer(`mv /tmp/pg_prewarm.so ${library}`);
  }, 120_000);

  test('is restored for a role that initdb does not make, with its settings', async () => {
    const before = await settings();
    const spacesBefore = await spaces();
    await ask('postgres', "update far set what = 'now'");
    await ask('pub', "begin; insert into t values (14); prepare transaction 'open'");
    expect(before).toContain('max_connections|123|configuration file');
    const restored = await holdfast('restore', set, '--service', 'db', '--yes');
    expect(await ask('pub', 'select count(*) from t')).toBe('10');
    expect(await settings()).toBe(before);
    expect(await spaces()).toBe(spacesBefore);
    expect(restored).toContain('WAL is archived as before');
    expect(restored).toContain('synchronous_standby_names is set as before');
    expect(restored).toContain('replication slot s of database pub is not part of a backup');
    // Nothing of the load went to the archive: it would stand there under the old segments' names.
    expect(await inServer('ls "$PGDATA"')).not.toContain('archived');
    await ask('postgres', "alter system set work_mem = '5MB'", 'select pg_reload_conf()');
    await holdfast('undo', '--yes');
    expect(await ask('pub', 'select count(*) from t')).toBe('13');
    expect(await settings()).toBe(before);
    expect(await ask('postgres', 'select what from far')).toBe('now');
    await ask('pub', "commit prepared 'open'");
    expect(await inServer('ls -A /spaces')).toBe('out');
    expect(await ask('pub', 'select count(*) from t')).toBe('14');
  }, 300_000);
});

test('a rule for TLS stays where the server has none, and a line it does not take is told', async () => {
  const dataDirectory = '/var/lib/postgresql/data';
  const pg = containerExec(connectEngine(), stack.container('db'));
  const route = { pg, login: { user: 'postgres' } };
  await ask('postgres', 'alter system set ssl = off', 'select pg_reload_conf()');
  const rules = 'local all all trust\nhost all all 127.0.0.1/32 trust\n';
  const content = Buffer.from(`${rules}hostssl all app 10.1.0.0/16 md5\nhost all all nowhere\n`);
  const { signal } = new AbortController();
  const told = await writeAtEnd(
    route,
    {
      ...{ dataDirectory, restartForLoad: false, restartAtEnd: false, told: [] },
      ...{ hba: 'pg_hba.conf', atEnd: [{ path: 'pg_hba.conf', content, mode: 0o640 }] },
    },
    signal,
  );
  expect(told).toEqual([expect.stringMatching(/^pg_hba\.conf, line 4, is left out: /)]);
  const left = await inServer(`cd "$PGDATA" && cat pg_hba.conf && stat -c '%U %a' pg_hba.conf`);
  expect(left).toContain('\nhostssl all app 10.1.0.0/16 md5\n');
  expect(left).toMatch(/\n# left out .*: host all all nowhere\n+postgres 640$/);
}, 60_000);
