/** What goes wrong while a dump is loaded, and psql or pg_restore may call a success. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { compareWithManifest, describeMismatch } from '../../../src/postgres/inspect/compare.js';
import { dumpCluster } from '../../../src/postgres/dump/dump.js';
import { inspectCluster } from '../../../src/postgres/inspect/inspect.js';
import { loadDump, type LoadOptions, type LoadResult } from '../../../src/postgres/load/restore.js';
import type { PostgresExec } from '../../../src/postgres/client/exec.js';
import type { ArtifactFile, PostgresInfo } from '../../../src/format/manifest.js';
import { runCommand } from '../../../src/base/process/process.js';
import { eventually, login, startServer, work, type TestServer } from '../../support/postgres.js';

const BEGINNING_OF_TIME = new Date(0);

interface Dumped {
  readonly directory: string;
  readonly files: readonly ArtifactFile[];
  readonly postgres: PostgresInfo;
}

let target: TestServer;
let scratch: string;
let custom: Dumped;
let cluster: Dumped;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'hfpg-'));
  const source = await startServer();
  [target] = await Promise.all([
    startServer(),
    source.sql('postgres', 'create role app_owner; create database app owner app_owner;'),
  ]);
  await source.sql(
    'app',
    `create table nokey (line text); insert into nokey select 'line ' || i from generate_series(1, 2000) i;
     create table keyed (i int primary key); insert into keyed select generate_series(1, 50000);`,
  );
  const dump = async (format: 'custom' | 'cluster'): Promise<Dumped> => {
    const directory = path.join(scratch, format);
    await mkdir(directory);
    const options = { ...login, databases: 'all' as const, format, destination: directory };
    const { files, postgres } = await dumpCluster(
      source.pg,
      { ...options, compressionLevel: 1 },
      work,
    );
    const place = { container: 'c', image: 'i', data: { type: 'unknown' as const } };
    return { directory, files, postgres: { ...postgres, ...place } };
  };
  custom = await dump('custom');
  cluster = await dump('cluster');
  await source.remove();
});
afterAll(async () => {
  await target.remove();
  await rm(scratch, { recursive: true, force: true });
});

function load(
  dump: Pick<LoadOptions, 'directory' | 'files' | 'postgres'>,
  changes: Partial<LoadOptions> = {},
  pg: PostgresExec = target.pg,
): Promise<LoadResult> {
  return loadDump(pg, { ...login, ...dump, ...changes }, work);
}

/** Back to what initdb made: the server is known to be new, so what is in it may go. */
async function clear(): Promise<void> {
  const empty = await writeDump('globals', '-- PostgreSQL database cluster dump complete\n');
  await load(empty, { initialisedAfter: BEGINNING_OF_TIME });
}

const isEmpty = async (): Promise<boolean> =>
  (await target.sql(
    'postgres',
    `select (select count(*) from pg_database) + (select count(*) from pg_roles where rolname !~ '^pg_')`,
  )) === '4';

/** A dump of one script, honest about its own size and hash. */
async function writeDump(
  role: 'globals' | 'cluster',
  script: string,
  name = `${role}.sql.zst`,
): Promise<Pick<LoadOptions, 'directory' | 'files'>> {
  const directory = await mkdtemp(path.join(scratch, 'made-'));
  const target = path.join(directory, name);
  await writeFile(target.replace(/\.zst$/, ''), script);
  if (name.endsWith('.zst')) await runCommand('zstd', ['-q', '--rm', target.replace(/\.zst$/, '')]);
  const bytes = await readFile(target);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { directory, files: [{ name, role, sizeBytes: bytes.length, sha256 }] };
}

async function clusterScript(): Promise<string> {
  const file = path.join(cluster.directory, 'cluster.sql.zst');
  return (await runCommand('zstd', ['-dcq', file])).stdout;
}

describe('nothing is touched', () => {
  beforeEach(async () => {
    if (!(await isEmpty())) await clear();
  });
  afterEach(async () => {
    expect(await isEmpty()).toBe(true);
  });

  test('by a script cut in the middle of COPY, which psql loads in part with exit code 0', async () => {
    const whole = await clusterScript();
    const cut = whole.slice(0, whole.indexOf('line 993'));
    const raw = await target.pg.capture(
      ['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-U', 'postgres'],
      {
        input: `create database cut;\n\\connect cut\ncreate table nokey (line text);\n${cut.slice(cut.indexOf('COPY public.nokey'))}`,
        signal: work.signal,
      },
    );
    expect(raw.exitCode).toBe(0); // the trap
    expect(await target.sql('cut', 'select count(*) from nokey')).not.toBe('2000');
    await target.sql('postgres', 'drop database cut');
    await expect(load(await writeDump('cluster', cut))).rejects.toMatchObject({
      code: 'INTEGRITY',
    });
  });

  test('by a compressed archive that was cut', async () => {
    const directory = await mkdtemp(path.join(scratch, 'made-'));
    await runCommand('cp', ['-r', `${custom.directory}/.`, directory]);
    const archive = path.join(directory, 'app.dump.zst');
    const cut = (await readFile(archive)).subarray(0, -5000);
    await writeFile(archive, cut);
    const sha256 = createHash('sha256').update(cut).digest('hex');
    const files = custom.files.map((file) =>
      file.name === 'app.dump.zst' ? { ...file, sizeBytes: cut.length, sha256 } : file,
    );
    await expect(load({ ...custom, directory, files })).rejects.toMatchObject({
      code: 'INTEGRITY',
      facts: { file: 'app.dump.zst' },
    });
  });

  test('by a compressed script that was cut', async () => {
    const bytes = await readFile(path.join(cluster.directory, 'cluster.sql.zst'));
    const directory = await mkdtemp(path.join(scratch, 'made-'));
    const cut = bytes.subarray(0, bytes.length - 100);
    await writeFile(path.join(directory, 'cluster.sql.zst'), cut);
    const sha256 = createHash('sha256').update(cut).digest('hex');
    const file = {
      name: 'cluster.sql.zst',
      role: 'cluster' as const,
      sizeBytes: cut.length,
      sha256,
    };
    await expect(load({ directory, files: [file] })).rejects.toMatchObject({
      code: 'INTEGRITY',
      message: "cluster.sql.zst can't be decompressed",
    });
  });

  test('by an archive with one flipped byte', async () => {
    const directory = await mkdtemp(path.join(scratch, 'made-'));
    await runCommand('cp', ['-r', `${custom.directory}/.`, directory]);
    const archive = path.join(directory, 'app.dump.zst');
    const bytes = await readFile(archive);
    bytes[bytes.length - 2000]! ^= 1;
    await writeFile(archive, bytes);
    await expect(load({ ...custom, directory })).rejects.toMatchObject({
      code: 'INTEGRITY',
      facts: { file: 'app.dump.zst' },
    });
  });

  test('by a dump of a newer server', async () => {
    const postgres = { ...custom.postgres, serverVersion: '17.6', serverVersionNumber: 170006 };
    await expect(load({ ...custom, postgres })).rejects.toMatchObject({
      code: 'VERSION_INCOMPATIBLE',
      hint: 'use an image of PostgreSQL 17 or newer',
    });
  });

  test('by a cluster script that this psql is too old for', async () => {
    const old: PostgresExec = {
      ...target.pg,
      capture: (argv, options) =>
        typeof options.input === 'string' && options.input.startsWith('\\restrict')
          ? Promise.resolve({ exitCode: 3, stdout: '', stderr: 'invalid command \\restrict' })
          : target.pg.capture(argv, options),
    };
    await expect(load(cluster, {}, old)).rejects.toMatchObject({ code: 'VERSION_INCOMPATIBLE' });
  });

  test('when a tablespace has no directory', async () => {
    const script =
      "CREATE TABLESPACE fast OWNER postgres LOCATION '/no/such/place';\n" +
      'CREATE ROLE someone;\n-- PostgreSQL database cluster dump complete\n';
    await expect(load(await writeDump('globals', script))).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      facts: { missing: ['fast (/no/such/place)'] },
    });
  });

  test('by globals that carry a command of psql’s', async () => {
    const script = '\\! touch /tmp/owned\n-- PostgreSQL database cluster dump complete\n';
    await expect(load(await writeDump('globals', script))).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
    });
    expect(await target.shell('ls /tmp')).not.toContain('owned');
  });
});

describe('an error on the way is an error of the restore', () => {
  beforeEach(async () => {
    if (!(await isEmpty())) await clear();
  });

  test('one failing statement in a script, after which psql alone would go on and exit 0', async () => {
    const whole = await clusterScript();
    const bad = whole.replace('COPY public.nokey', 'SELECT no_such_function();\nCOPY public.nokey');
    const raw = await target.pg.capture(['psql', '-Xq', '-U', 'postgres'], {
      input: 'select no_such_function();',
      signal: work.signal,
    });
    expect(raw.exitCode).toBe(0); // the trap
    await expect(load(await writeDump('cluster', bad))).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      message: expect.stringContaining('no_such_function'),
    });
    expect(await target.sql('app', 'select count(*) from nokey')).toBe('0'); // it stopped there
  });

  test('a script that did not reach psql to its end', async () => {
    const cutting: PostgresExec = {
      ...target.pg,
      stream: (argv, options) =>
        target.pg.stream(argv, {
          ...options,
          input: options.input instanceof Readable ? firstBytes(options.input, 20_000) : undefined,
        }),
    };
    await expect(load(cluster, {}, cutting)).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      message: 'psql did not read the script to its end',
    });
  });

  test('an archive that is damaged although its hash was computed afterwards', async () => {
    // Decompressed, as zstd would tell of the damage before anything is loaded.
    const directory = await mkdtemp(path.join(scratch, 'made-'));
    await runCommand('cp', ['-r', `${custom.directory}/.`, directory]);
    const archive = path.join(directory, 'app.dump');
    await runCommand('zstd', ['-q', '-d', '--rm', `${archive}.zst`]);
    const bytes = (await readFile(archive)).subarray(0, -5000);
    await writeFile(archive, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const files = custom.files.map((file) =>
      file.name === 'app.dump.zst'
        ? { ...file, name: 'app.dump', sizeBytes: bytes.length, sha256 }
        : file,
    );
    await expect(load({ ...custom, directory, files })).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      facts: { database: 'app' },
    });
  });

  test('a full dump of pg_dumpall stops psql at the bootstrap role; here only that line is left out', async () => {
    const raw = await target.pg.capture(
      ['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-U', 'postgres'],
      {
        input: await clusterScript(),
        signal: work.signal,
      },
    );
    expect(raw).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('role "postgres" already exists'),
    });
    await clear();
    await load(cluster);
    expect(await target.sql('app', 'select count(*) from nokey')).toBe('2000');
  });
});

describe('a second attempt', () => {
  test('on what the first one left is refused: rows without a key would be doubled', async () => {
    if (!(await isEmpty())) await clear();
    await load(cluster);
    await expect(load(cluster)).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
    // The trap: the same script again, as a retry would feed it to psql.
    const script = await clusterScript();
    const data = script.slice(script.indexOf('COPY public.nokey'));
    const again = await target.pg.capture(['psql', '-XAtq', '-U', 'postgres', '-d', 'app'], {
      input: data.slice(0, data.indexOf('\n\\.\n') + 4),
      signal: work.signal,
    });
    expect(again.exitCode).toBe(0);
    const state = await inspectCluster(target.pg, login, work.signal);
    expect(compareWithManifest(cluster.postgres, state).map(describeMismatch)).toEqual([
      'app: public.nokey: row count: expected 2000, found 4000',
    ]);
  });

  test('starts afresh where the cluster is known to be this restore’s own', async () => {
    await load(custom, { initialisedAfter: BEGINNING_OF_TIME });
    const state = await inspectCluster(target.pg, login, work.signal);
    expect(compareWithManifest(custom.postgres, state)).toEqual([]);
  });

  test('starts afresh even where it was killed while a standard database was replaced', async () => {
    await target.sql('template1', 'drop database postgres with (force); create role half_way;');
    await load(custom, { initialisedAfter: BEGINNING_OF_TIME });
    const state = await inspectCluster(target.pg, login, work.signal);
    expect(compareWithManifest(custom.postgres, state)).toEqual([]);
  });

  test('never clears a cluster older than the emptying of its directory', async () => {
    await expect(load(custom, { initialisedAfter: new Date() })).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
    });
    expect(await target.sql('app', 'select count(*) from nokey')).toBe('2000');
  });

  test('ends the loader that a killed attempt left behind', async () => {
    const orphan = target.pg.capture(['psql', '-XAtq', '-U', 'postgres', '-d', 'app'], {
      input: 'begin; lock table nokey; select pg_sleep(600);',
      env: { PGAPPNAME: 'holdfast-load' },
      signal: work.signal,
    });
    const loaders = `select count(*) from pg_stat_activity where application_name = 'holdfast-load'`;
    await eventually(async () => (await target.sql('postgres', loaders)) === '1');
    await load(custom, { initialisedAfter: BEGINNING_OF_TIME });
    expect((await orphan).exitCode).not.toBe(0);
  });

  test('a client of the databases that are replaced does not keep the old ones alive', async () => {
    const clients = ['postgres', 'app'].map((database) =>
      target.pg.capture(['psql', '-XAtq', '-U', 'postgres', '-d', database], {
        input: 'select pg_sleep(600);',
        env: { PGAPPNAME: 'health-check' },
        signal: work.signal,
      }),
    );
    const connected = `select count(*) from pg_stat_activity where application_name = 'health-check'`;
    await eventually(async () => (await target.sql('postgres', connected)) === '2');
    await target.sql('app', 'create table left_over (a int)');
    await load(custom, { initialisedAfter: BEGINNING_OF_TIME });
    const state = await inspectCluster(target.pg, login, work.signal);
    expect(compareWithManifest(custom.postgres, state)).toEqual([]);
    for (const client of clients) expect((await client).exitCode).not.toBe(0);
  });
});

test('cancelling ends pg_restore in the container', async () => {
  const controller = new AbortController();
  const loading = loadDump(
    target.pg,
    { ...login, ...custom, initialisedAfter: BEGINNING_OF_TIME },
    {
      signal: controller.signal,
      report: ({ phase, entries }) => {
        if (phase === 'load' && entries > 0) controller.abort(new Error('cancelled by the test'));
      },
    },
  );
  await expect(loading).rejects.toThrow('cancelled by the test');
  const loaders = `select count(*) from pg_stat_activity where application_name = 'holdfast-load'`;
  await eventually(async () => (await target.sql('template1', loaders)) === '0');
  expect(await target.shell('cat /proc/[0-9]*/comm 2>/dev/null')).not.toContain('pg_restore');
});

test('a script of the old backups, uncompressed and without a manifest, loads too', async () => {
  const old = await writeDump('cluster', await clusterScript(), 'pgdump_20241212_010000.sql');
  const [file] = old.files;
  await load({ directory: old.directory, files: [file!] }, { initialisedAfter: BEGINNING_OF_TIME });
  expect(await target.sql('app', 'select count(*) from nokey')).toBe('2000');
});

async function* take(source: Readable, limit: number): AsyncGenerator<Buffer> {
  let left = limit;
  for await (const chunk of source) {
    const bytes = (chunk as Buffer).subarray(0, left);
    left -= bytes.length;
    yield bytes;
    if (left === 0) return;
  }
}
const firstBytes = (source: Readable, limit: number): Readable =>
  Readable.from(take(source, limit));
