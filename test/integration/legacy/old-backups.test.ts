/**
 * A small stack that only the old script has ever backed up: its restore from those files, taken back
 * when a gate fails, and once more from what was imported. The files are made by the guide's commands.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '../../../src/base/process/process.js';
import { BASE_IMAGE, POSTGRES_IMAGE } from '../../support/docker-images.js';
import { DockerSandbox } from '../../support/docker-sandbox.js';
import { WorkerHost, type CliRun } from '../../support/worker-host.js';

const STAMP = '20241212_010000';
const sandbox = new DockerSandbox();
const server = sandbox.name('ml_postgres');
const web = sandbox.name('webbot');
const volume = sandbox.name('webbot_data');
let directory: string;
let root: string;
let host: WorkerHost;

const at = (...names: string[]): string => path.join(directory, ...names);

async function shell(script: string): Promise<string> {
  const { stdout } = await runCommand('bash', ['-euo', 'pipefail', '-c', script], {
    env: {
      D: directory,
      ROOT: root,
      DATE: STAMP,
      PG: server,
      WEB: web,
      VOLUME: volume,
      IMAGE: BASE_IMAGE,
    },
  });
  return stdout.trimEnd();
}

function sql(text: string, database = 'shop'): Promise<string> {
  return runCommand(
    'docker',
    [
      'exec',
      '-i',
      server,
      'psql',
      '-XAtq',
      '-v',
      'ON_ERROR_STOP=1',
      '-U',
      'postgres',
      '-d',
      database,
    ],
    { input: text },
  ).then(({ stdout }) => stdout.trimEnd());
}

/** Everything a restore brings back or must leave alone. */
async function state(): Promise<Record<string, string>> {
  return {
    orders: await sql(
      'select count(*), md5(string_agg(o::text, chr(10) order by id)) from orders o',
    ),
    owner: await sql("select tableowner from pg_tables where tablename = 'orders'"),
    roles: await sql(
      "select rolname, rolpassword from pg_authid where rolname !~ '^pg_' order by 1",
    ),
    databases: await sql('select datname from pg_database order by 1'),
    home: await shell(
      'cd "$D/agent" && find . -printf "%p %m %U:%G %l\\n" | sort && cat app/main.py',
    ),
    volume: await shell(
      'docker exec "$WEB" sh -c \'cd /data && stat -c "%a %u:%g" . && find . -type f -exec cat {} +\'',
    ),
  };
}

const holdfast = (...args: string[]): Promise<CliRun> => host.holdfast(args);

async function layOut(): Promise<void> {
  await mkdir(at('gate'), { recursive: true });
  await mkdir(root);
  await writeFile(at('gate/open'), '');
  await sandbox.volume('webbot_data');
  await sandbox.container('ml_postgres', {
    image: POSTGRES_IMAGE,
    command: ['postgres', '-c', 'fsync=off'],
    env: ['POSTGRES_PASSWORD=secret'],
    volumes: { [at('pgdb/data')]: '/var/lib/postgresql/data' },
  });
  await sandbox.container('webbot', { volumes: { [volume]: '/data', [at('gate')]: '/gate' } });
  await shell(`
    mkdir -p "$D/agent/app" && echo 'print(1)' > "$D/agent/app/main.py" && ln -s main.py "$D/agent/app/link"
    chown -R 4242:27 "$D/agent" && chmod 2775 "$D/agent"
    docker exec "$WEB" sh -c 'echo hello > /data/messages.db && chown 472:472 /data && chmod 2770 /data'
    for i in $(seq 300); do docker exec "$PG" pg_isready -q -h 127.0.0.1 -U postgres && break; sleep 0.2; done`);
  await sql("create role app login password 'x'; create database shop owner app;", 'postgres');
  await sql(`set role app; create table orders (id int primary key, what text);
    insert into orders select i, 'order ' || i from generate_series(1, 500) i;`);
  await writeFile(
    at('holdfast.yaml'),
    `version: 1
stack: ${host.stackName}
host: { id: ${sandbox.name('host')} }
backups: { root: ${root}, minimumFree: 0 }
log: { file: ${at('run.log')} }
services:
  pgdb:
    home: ${at('pgdb')}
    health: [{ type: sql, container: ${server}, database: shop, query: select count(*) > 0 from orders, expect: t, timeout: 60s }]
    sources:
      pgdump: { kind: postgres, container: ${server} }
  agent:
    home: ${at('agent')}
    after: [pgdb]
    sources:
      data: { kind: files }
  webbot:
    after: [agent]
    stopGrace: 1s
    health: [{ type: command, container: ${web}, command: [test, -e, /gate/open], timeout: 3s }]
    sources:
      volume: { kind: volume, volume: ${volume} }
`,
  );
}

/** The guide's functions, with the image that is here. */
async function runOldScript(): Promise<void> {
  await shell(`
    mkdir -p "$ROOT/pgdb/daily/data" "$ROOT/agent/daily/data" "$ROOT/webbot/daily/docker"
    docker exec "$PG" pg_dumpall -U postgres > "$ROOT/pgdb/daily/data/pgdump_$DATE.sql"
    tar czf "$ROOT/agent/daily/data/data_$DATE.tar.gz" "$D/agent" 2>/dev/null
    docker run --rm --network none -v "$VOLUME":/data -v "$ROOT/webbot/daily/docker":/backup \\
      "$IMAGE" tar czf "/backup/$VOLUME"_"$DATE.tar.gz" /data 2>/dev/null`);
}

/** As after a bad night: rows, roles, files and messages are others, and some are gone. */
async function spoil(): Promise<void> {
  await sql(
    "drop table orders; create table orders (id int, what text); insert into orders values (7, 'bad')",
  );
  await sql('create role intruder; create database rubbish;', 'postgres');
  await shell(`rm -r "$D/agent/app" && mkdir "$D/agent/app" && echo bad > "$D/agent/app/main.py"
    docker exec "$WEB" sh -c 'rm /data/messages.db; echo bad > /data/other.db; chmod 755 /data'`);
}

let saved: Record<string, string>;

beforeAll(async () => {
  directory = await sandbox.directory();
  root = at('backups');
  host = new WorkerHost(at('holdfast.yaml'), sandbox.name('old'));
  await layOut();
  await Promise.all([runOldScript(), host.startWorker()]);
  saved = await state();
}, 240_000);

afterAll(async () => {
  await host.close();
  // Old data is set aside in volumes of other names, labelled with what they were.
  await shell(
    'docker volume ls -q | grep -F "$VOLUME" | while read -r v; do docker ps -aq --filter "volume=$v" | xargs -r docker rm -f; docker volume rm -f "$v"; done >/dev/null || true',
  );
  await sandbox.remove();
}, 120_000);

test('list and show tell the old backups apart from verified ones', async () => {
  const list = await holdfast('list');
  expect([list.exitCode, list.stdout]).toEqual([0, expect.stringContaining('unverified')]);
  expect(list.stdout).toMatch(new RegExp(`${STAMP} +daily +old script`));
  const { sets, oldSets } = JSON.parse((await holdfast('list', '--json')).stdout) as {
    sets: unknown[];
    oldSets: { id: string; scope: string; files: { source: string }[] }[];
  };
  expect([sets, oldSets.map(({ id, scope }) => [id, scope])]).toEqual([[], [[STAMP, 'all']]]);
  expect(oldSets[0]?.files.map(({ source }) => source).sort()).toEqual([
    'data',
    'pgdump',
    'volume',
  ]);
  expect((await holdfast('show', STAMP)).stdout).toContain(`pgdb/daily/data/pgdump_${STAMP}.sql`);
  const verify = await holdfast('verify', STAMP);
  expect([verify.exitCode, verify.stderr]).toEqual([2, expect.stringContaining('holdfast import')]);
});

test('a restore from a damaged one is refused before anything is touched', async () => {
  const dump = path.join(root, `pgdb/daily/data/pgdump_${STAMP}.sql`);
  const whole = await readFile(dump);
  await writeFile(dump, whole.subarray(0, whole.length - 200));
  const run = await holdfast('restore', '--yes', '--json');
  await writeFile(dump, whole);

  expect([run.exitCode, run.stdout]).toEqual([1, expect.stringContaining('INTEGRITY')]);
  expect(await state()).toEqual(saved);
}, 120_000);

test('whose gate fails is taken back, and everything is as it was', async () => {
  await spoil();
  const before = await state();
  await rm(at('gate/open'));
  const run = await holdfast('restore', '--yes', '--json');
  await writeFile(at('gate/open'), '');

  expect([run.exitCode, run.stdout]).toEqual([1, expect.stringContaining('HEALTH_GATE_FAILED')]);
  expect(await state()).toEqual(before);
}, 240_000);

test('a plain `restore` brings everything back from them, and what it replaced is kept', async () => {
  const plan = await holdfast('restore', '--dry-run');
  expect([plan.exitCode, plan.stdout]).toEqual([0, expect.stringMatching(/not\s+verified/)]);
  const run = await holdfast('restore', '--yes', '--json');
  expect([run.exitCode, run.stdout]).toEqual([0, expect.stringContaining(STAMP)]);
  expect(await state()).toEqual(saved);
  expect((await readdir(directory)).some((name) => name.includes('holdfast-aside'))).toBe(true);
}, 240_000);

test('after an import the same set is verified, restorable and the old names are gone', async () => {
  const imported = await holdfast('import', '--all', '--json');
  expect([imported.exitCode, imported.stderr]).toEqual([0, '']);
  expect(await shell('cd "$ROOT" && find . -name "pgdump_*.sql" -o -name "data_*.tar.gz"')).toBe(
    '',
  );
  expect((await holdfast('verify', STAMP, '--level', 'decode')).exitCode).toBe(0);
  await spoil();
  const run = await holdfast('restore', '--service', 'pgdb', '--yes', '--json');
  expect([run.exitCode, run.stdout]).toEqual([0, expect.stringContaining(STAMP)]);
  const { home, volume: content, ...databases } = saved;
  expect(await state()).toMatchObject(databases);
  expect(await state()).not.toMatchObject({ home, volume: content });
}, 240_000);
