/** Dumps side by side and loads by parallel jobs: the same guarantees as one after the other. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compareWithManifest, describeMismatch } from '../../../src/postgres/inspect/compare.js';
import { dumpCluster, type DumpOptions, type DumpResult } from '../../../src/postgres/dump/dump.js';
import { inspectCluster, type ClusterState } from '../../../src/postgres/inspect/inspect.js';
import { loadDump, type LoadOptions, type LoadResult } from '../../../src/postgres/load/restore.js';
import type { PostgresExec } from '../../../src/postgres/client/exec.js';
import { verifyDump } from '../../../src/postgres/inspect/verify.js';
import type { Work } from '../../../src/base/progress.js';
import { runCommand } from '../../../src/base/process/process.js';
import { eventually, login, startServer, work, type TestServer } from '../../support/postgres.js';

const BEGINNING_OF_TIME = new Date(0);
const place = { container: 'c', image: 'i', data: { type: 'unknown' as const } };

let source: TestServer;
let target: TestServer;
let scratch: string;
let directory: string;
let dumped: DumpResult;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'hfpg-'));
  directory = await mkdtemp(path.join(scratch, 'dump-'));
  [source, target] = await Promise.all([startServer(), startServer()]);
  await source.sql(
    'postgres',
    `create role app_owner; create role reader;
     create database app owner app_owner; create database zoo;
     alter database app set work_mem = '5MB'; comment on database app is 'ours';`,
  );
  await source.sql(
    'app',
    `create table parent (id int primary key, note text);
     insert into parent select i, md5(i::text) from generate_series(1, 60000) i;
     create table child (id int primary key, parent int references parent, at timestamptz);
     insert into child select i, 1 + i % 60000, now() from generate_series(1, 120000) i;
     create index on child (at, parent); create index on parent (note);
     create table nokey as select i from generate_series(1, 3000) i;
     alter table nokey owner to app_owner; grant select on parent to reader;
     create materialized view summary as select count(*) from child;
     create function noted() returns trigger language plpgsql as 'begin return new; end';
     create trigger noted before insert on parent for each row execute function noted();`,
  );
  await source.sql(
    'zoo',
    `create table small (a int); insert into small select generate_series(1, 90000);`,
  );
  dumped = await dump({ destination: directory });
});
afterAll(async () => {
  await Promise.all([source, target].map((server) => server.remove()));
  await rm(scratch, { recursive: true, force: true });
});

function dump(changes: Partial<DumpOptions>, pg = source.pg): Promise<DumpResult> {
  const options = { ...login, databases: 'all' as const, format: 'custom' as const };
  const destination = scratch;
  return dumpCluster(pg, { ...options, destination, compressionLevel: 3, ...changes }, work);
}

function load(
  changes: Partial<LoadOptions> = {},
  pg: PostgresExec = target.pg,
  how: Work = work,
): Promise<LoadResult> {
  const postgres = { ...dumped.postgres, ...place };
  const options = { ...login, directory, files: dumped.files, postgres };
  const always = { initialisedAfter: BEGINNING_OF_TIME, jobs: 2, parallelFromBytes: 0 };
  return loadDump(pg, { ...options, ...always, ...changes }, how);
}

/** Every call's arguments, before the call. */
function watched(pg: PostgresExec, look: (argv: readonly string[]) => void): PostgresExec {
  return {
    capture: (argv, options) => {
      look(argv);
      return pg.capture(argv, options);
    },
    stream: (argv, options) => {
      look(argv);
      return pg.stream(argv, options);
    },
  };
}

/** A container without zstd. */
const withoutZstd = (pg: PostgresExec): PostgresExec => ({
  ...pg,
  capture: (argv, options) =>
    argv[0] === 'zstd'
      ? Promise.resolve({ exitCode: 127, stdout: '', stderr: 'zstd: not found' })
      : pg.capture(argv, options),
});

const content = (server: TestServer): Promise<ClusterState> =>
  inspectCluster(server.pg, { ...login, rows: 'digest' }, work.signal);

async function expectEqual(): Promise<void> {
  const [wanted, found] = [await content(source), await content(target)];
  const postgres = { ...dumped.postgres, ...place };
  expect(compareWithManifest(postgres, found).map(describeMismatch)).toEqual([]);
  expect(found.databases.map(({ name, tables }) => ({ name, tables }))).toEqual(
    wanted.databases.map(({ name, tables }) => ({ name, tables })),
  );
  const fine = `select (select setconfig from pg_db_role_setting where setdatabase =
      (select oid from pg_database where datname = 'app')),
    (select relacl from pg_class where relname = 'parent'),
    (select string_agg(conname || pg_get_constraintdef(oid), ',' order by conname) from pg_constraint),
    (select string_agg(indexdef, ',' order by indexname) from pg_indexes where schemaname = 'public'),
    (select string_agg(tgname, ',') from pg_trigger where not tgisinternal),
    (select count from summary), shobj_description((select oid from pg_database where datname = 'app'), 'pg_database')`;
  expect(await target.sql('app', fine)).toBe(await source.sql('app', fine));
}

const staged = (): Promise<string> =>
  target.shell(
    'ls -d /tmp/holdfast-load.* /var/lib/postgresql/holdfast-load.* 2>/dev/null || true',
  );
const loaders = (): Promise<string> =>
  target.sql(
    'template1',
    `select count(*) from pg_stat_activity where application_name = 'holdfast-load'`,
  );

describe('databases dumped side by side', () => {
  let destination: string;
  beforeEach(async () => {
    destination = await mkdtemp(path.join(scratch, 'side-'));
  });

  test('are read two at a time, the largest first, and listed in their own order', async () => {
    const begun: string[] = [];
    let running = 0;
    let most = 0;
    const pg: PostgresExec = {
      ...source.pg,
      stream: async (argv, options) => {
        const stream = await source.pg.stream(argv, options);
        if (!argv.includes('pg_dump')) return stream;
        begun.push(argv.find((one) => one.startsWith('--dbname=')) ?? '');
        most = Math.max(most, (running += 1));
        void stream.done.finally(() => (running -= 1));
        return stream;
      },
    };
    const { files, postgres } = await dump({ destination }, pg);
    expect(most).toBe(2);
    expect(begun.slice(0, 2).join(' ')).toMatch(/app.*zoo|zoo.*app/); // of four
    expect(files.map(({ name }) => name)).toEqual([
      'globals.sql.zst',
      'app.dump.zst',
      'postgres.dump.zst',
      'template1.dump.zst',
      'zoo.dump.zst',
    ]);
    expect(postgres.databases.map(({ name }) => name)).toEqual(
      dumped.postgres.databases.map(({ name }) => name),
    );
  });

  test('end together when one fails, with the reason of that one', async () => {
    const held = source.pg.capture(['psql', '-XAtq', '-U', 'postgres', '-d', 'zoo'], {
      input: 'begin; lock table small in access exclusive mode; select pg_sleep(600);',
      env: { PGAPPNAME: 'lock-holder' },
      signal: work.signal,
    });
    const locked = `select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted and relation = 'small'::regclass`;
    await eventually(async () => (await source.sql('zoo', locked)) === '1');
    try {
      // At 19 the other one is far from done when the lock is given up.
      let finished = 0;
      const pg = watched(source.pg, (argv) => {
        if (argv.includes('--list')) finished += 1;
      });
      const slow = { lockWaitMs: 700, compressionLevel: 19 };
      const failing = dump({ destination, databases: ['app', 'zoo'], ...slow }, pg);
      await expect(failing).rejects.toMatchObject({
        code: 'DUMP_FAILED',
        message: expect.stringMatching(/zoo.*timeout/),
      });
      expect(finished).toBe(0);
      expect(await readdir(destination)).toEqual([]);
      const sessions = `select count(*) from pg_stat_activity where application_name like 'holdfast-dump%'`;
      await eventually(async () => (await source.sql('postgres', sessions)) === '0');
    } finally {
      await source.sql(
        'postgres',
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lock-holder'`,
      );
      await held;
    }
  });

  test('where the container has no zstd are compressed here', async () => {
    const plain: string[] = [];
    const pg = watched(withoutZstd(source.pg), (argv) => plain.push(argv.join(' ')));
    const { files } = await dump({ destination }, pg);
    expect(plain.some((line) => line.includes('| zstd'))).toBe(false);
    const options = { hashes: true, decode: true };
    await verifyDump({ directory: destination, files }, source.pg, work, options);
  });

  test('are no dumps when zstd fails beside a pg_dump that does not', async () => {
    const pg: PostgresExec = {
      ...source.pg,
      stream: (argv, options) =>
        source.pg.stream(
          argv.map((one) =>
            one.replace('zstd -q -c --check "$level"', "sh -c 'zstd -q -c; exit 1'"),
          ),
          options,
        ),
    };
    await expect(dump({ destination }, pg)).rejects.toMatchObject({ code: 'DUMP_FAILED' });
    expect(await readdir(destination)).toEqual([]);
  });
});

describe('a load by parallel jobs', () => {
  // A server that crashed ends everybody's sessions and says so in its log.
  const crashes = async (): Promise<number> => {
    const { stdout, stderr } = await runCommand('docker', ['logs', target.container]);
    return (stdout + stderr).split('terminating any other active server processes').length - 1;
  };
  afterEach(async () => {
    expect(await staged()).toBe('');
    expect(await crashes()).toBe(0);
    await eventually(async () => (await loaders()) === '0');
  });

  test.each([
    ['with zstd in the container', (pg: PostgresExec) => pg],
    ['without zstd there', withoutZstd],
  ])('gives what was dumped (%s)', async (_name, change) => {
    const jobs: string[] = [];
    const pg = watched(change(target.pg), (argv) => {
      if (argv.includes('--jobs=2') && argv.includes('pg_restore')) jobs.push(argv.at(-1) ?? '');
    });
    const { warnings, databases } = await load({}, pg);
    expect(warnings).toEqual([]);
    expect(databases).toEqual(['app', 'postgres', 'template1', 'zoo']);
    expect(jobs).toHaveLength(4);
    await expectEqual();
  });

  test('leaves small databases to one job, which needs no file', async () => {
    const { files } = dumped;
    const appBytes = files.find(({ database }) => database === 'app')?.contentBytes ?? 0;
    let jobs = 0;
    const pg = watched(target.pg, (argv) => {
      if (argv.includes('--jobs=2') && argv.includes('pg_restore')) jobs += 1;
    });
    await load({ parallelFromBytes: appBytes }, pg);
    expect(jobs).toBe(1);
  });

  test.each([
    ['the disk is too full', '794c7630 10 4096\n794c7630 10 4096\n'],
    ['there is only memory', '1021994 99999999 4096\n1021994 99999999 4096\n'],
    ['nothing can be written', 'none\nnone\n'],
  ])('does without them where %s', async (_name, stdout) => {
    const pg: PostgresExec = {
      ...target.pg,
      capture: (argv, options) =>
        argv[2]?.includes('stat -f') === true
          ? Promise.resolve({ exitCode: 0, stdout, stderr: '' })
          : target.pg.capture(argv, options),
    };
    const { warnings } = await load({}, pg);
    expect(warnings).toContainEqual(
      expect.stringMatching(/^app: loaded by one job only: no room for \d+ bytes/),
    );
    await expectEqual();
  });

  test('does without them where the file can’t be written to its end', async () => {
    const pg: PostgresExec = {
      ...target.pg,
      capture: (argv, options) =>
        target.pg.capture(
          argv.map((one) => (one.startsWith('exec zstd') ? 'head -c 1000 > "$1"; exit 0' : one)),
          options,
        ),
    };
    const { warnings } = await load({}, pg);
    expect(warnings).toContainEqual(expect.stringMatching(/^app: .*1000 of \d+ bytes arrived/));
    await expectEqual();
  });

  test.each(['unpack', 'index'])(
    'cancelled (%s) leaves nothing, and can be done again',
    async (when) => {
      const controller = new AbortController();
      const cancel = (): void => controller.abort(new Error('cancelled by the test'));
      const pg = watched(target.pg, (argv) => {
        if (when === 'index' && argv.includes('--jobs=2')) setTimeout(cancel, 400);
      });
      const loading = load({}, pg, {
        signal: controller.signal,
        report: ({ phase }) => {
          if (when === 'unpack' && phase === 'unpack') cancel();
        },
      });
      await expect(loading).rejects.toThrow('cancelled by the test');
      expect(await staged()).toBe('');
      expect(await target.shell('cat /proc/[0-9]*/comm 2>/dev/null')).not.toContain('pg_restore');
      await load();
      await expectEqual();
    },
  );

  test('that was killed leaves its file and its jobs to the next attempt, which ends them', async () => {
    const archive = '/tmp/holdfast-load.killed/archive.dump';
    await target.shell(
      'mkdir -p /tmp/holdfast-load.killed /var/lib/postgresql/holdfast-load.older',
    );
    await runCommand('sh', [
      '-c',
      `zstd -dcq "$1" | docker exec -i "$2" sh -c 'cat > ${archive}'`,
      'sh',
      path.join(directory, 'app.dump.zst'),
      target.container,
    ]);
    await target.sql('postgres', 'drop database if exists app');
    const restore = ['pg_restore', '-U', 'postgres', '--create', '-d', 'postgres', '--jobs=2'];
    const env = ['--env', 'PGAPPNAME=holdfast-load'];
    await runCommand('docker', [
      ...['exec', '--detach', ...env, target.container],
      ...[...restore, archive],
    ]);
    await eventually(async () => Number(await loaders()) > 0);
    await load();
    expect(await staged()).toBe('');
    await expectEqual();
  });
});

test('an archive of an older release, with zlib inside, is checked and loaded, by jobs too', async () => {
  const old = await mkdtemp(path.join(scratch, 'old-'));
  await runCommand('cp', ['-r', `${directory}/.`, old]);
  await rm(path.join(old, 'app.dump.zst'));
  await runCommand('sh', [
    '-c',
    'docker exec "$1" pg_dump -U postgres -Fc -Z1 app > "$2"',
    'sh',
    source.container,
    path.join(old, 'app.dump'),
  ]);
  const bytes = await readFile(path.join(old, 'app.dump'));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const files = dumped.files.map((file) =>
    file.database === 'app' ? { ...file, name: 'app.dump', sizeBytes: bytes.length, sha256 } : file,
  );
  const options = { hashes: true, decode: true };
  await verifyDump({ directory: old, files }, target.pg, work, options);
  await load({ directory: old, files, jobs: 1 });
  await expectEqual();
  expect((await load({ directory: old, files })).warnings).toEqual([]);
  await expectEqual();
  bytes[bytes.length - 2000]! ^= 1;
  await writeFile(path.join(old, 'app.dump'), bytes);
  await expect(
    verifyDump({ directory: old, files }, target.pg, work, { decode: true }),
  ).rejects.toMatchObject({ code: 'INTEGRITY' });
});
