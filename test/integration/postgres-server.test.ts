/** A server that is not the plainest one: who logs in, what ties its databases down, its settings. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
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

describe('the whole server', () => {
  test('is restored for a role that initdb does not make', async () => {
    await holdfast('restore', set, '--service', 'db', '--yes');
    expect(await ask('pub', 'select count(*) from t')).toBe('10');
    await holdfast('undo', '--yes');
    expect(await ask('pub', 'select count(*) from t')).toBe('13');
  }, 240_000);
});
