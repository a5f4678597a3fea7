/** A server that is not the plainest one: who logs in, what ties its databases down, its settings. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runCommand } from '../../src/system/process.js';
import { SmallStack } from '../support/small-stack.js';

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
    source: ', user: backup_admin, startTimeout: 60s',
  });
  await ask(
    'postgres',
    "create role backup_admin superuser login password 'x'",
    'create database pub',
    `create database "it's ""sub"""`,
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
    `create subscription "s ""1" connection 'host=/var/run/postgresql user=postgres dbname=pub'
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

/** What the server is beside its data: files with owner and mode, and the settings in force. */
async function settings(): Promise<string> {
  const files = await inServer(
    `cd "$PGDATA" && cksum postgresql.conf postgresql.auto.conf pg_hba.conf pg_ident.conf them conf.d/* tls/* && stat -c '%n %U %a' them tls/own.key pg_hba.conf`,
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
  test('is restored for a role that initdb does not make, with its settings', async () => {
    const before = await settings();
    expect(before).toContain('max_connections|123|configuration file');
    const restored = await holdfast('restore', set, '--service', 'db', '--yes');
    expect(await ask('pub', 'select count(*) from t')).toBe('10');
    expect(await settings()).toBe(before);
    expect(restored).toContain('WAL is archived as before');
    expect(restored).toContain('synchronous_standby_names is set as before');
    expect(restored).toContain('replication slot s of database pub is not part of a backup');
    // Nothing of the load went to the archive: it would stand there under the old segments' names.
    expect(await inServer('ls "$PGDATA"')).not.toContain('archived');
    await ask('postgres', "alter system set work_mem = '5MB'", 'select pg_reload_conf()');
    await holdfast('undo', '--yes');
    expect(await ask('pub', 'select count(*) from t')).toBe('13');
    expect(await settings()).toBe(before);
  }, 300_000);
});
