/** What goes wrong while a server is dumped, and must not end as a green run. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { unpacked } from '../../../src/postgres/dump/compress.js';
import { dumpCluster, type DumpOptions, type DumpResult } from '../../../src/postgres/dump/dump.js';
import type { PostgresExec } from '../../../src/postgres/client/exec.js';
import { ScriptScanner } from '../../../src/postgres/inspect/script-scan.js';
import { verifyDump } from '../../../src/postgres/inspect/verify.js';
import { runCommand } from '../../../src/base/process/process.js';
import { eventually, login, startServer, work, type TestServer } from '../../support/postgres.js';

let server: TestServer;
let destination: string;

beforeAll(async () => {
  server = await startServer();
  await server.sql(
    'postgres',
    `create database app;
     create database closed allow_connections false;
     create role weak login password 'weak';`,
  );
  await server.sql(
    'app',
    `create table busy (id bigserial, note text);
     create table bulk as select i, md5(i::text) as a, md5((i + 1)::text) as b from generate_series(1, 300000) i;
     create table plain (a int); insert into plain select generate_series(1, 10);`,
  );
});
afterAll(async () => {
  await server.remove();
});
beforeEach(async () => {
  destination = await mkdtemp(path.join(tmpdir(), 'hfpg-'));
});
afterEach(async () => {
  await rm(destination, { recursive: true, force: true });
});

function dump(
  changes: Partial<DumpOptions> = {},
  signal = work.signal,
  pg = server.pg,
): Promise<DumpResult> {
  return dumpCluster(
    pg,
    {
      ...login,
      databases: ['app'],
      format: 'custom',
      destination,
      compressionLevel: 1,
      ...changes,
    },
    { ...work, signal },
  );
}

const runningClients = (): Promise<string> =>
  server.shell(
    'for d in /proc/[0-9]*; do cat $d/comm; done 2>/dev/null | grep -c "^pg_dump" || true',
  );
const dumpSessions = (): Promise<string> =>
  server.sql(
    'postgres',
    `select count(*) from pg_stat_activity where application_name like 'holdfast-dump%'`,
  );

const endSessionsNamed = (name: string): Promise<string> =>
  server.sql(
    'postgres',
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = '${name}'`,
  );

/** Holds a lock on a table until it is released. */
async function holdLock(table: string): Promise<{ release: () => Promise<void> }> {
  const controller = new AbortController();
  const holding = server.pg
    .capture(['psql', '-XAtq', '-U', 'postgres', '-d', 'app'], {
      input: `begin; lock table ${table} in access exclusive mode; select pg_sleep(600);`,
      env: { PGAPPNAME: 'lock-holder' },
      signal: controller.signal,
    })
    .catch(() => undefined);
  const held = `select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted and relation = '${table}'::regclass`;
  await eventually(async () => (await server.sql('app', held)) === '1');
  return {
    release: async () => {
      await server.sql(
        'postgres',
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lock-holder'`,
      );
      controller.abort();
      await holding;
    },
  };
}

/** Rows in an archive, by table, as pg_restore reads them. */
async function rowsInArchive(file: string): Promise<unknown> {
  const scanner = new ScriptScanner();
  scanner.push(Buffer.from('\\connect app\n'));
  const { stdout } = await server.pg.capture(['pg_restore', '--data-only', '--file=-'], {
    input: unpacked(file, work.signal),
    signal: work.signal,
  });
  scanner.push(Buffer.from(stdout));
  return scanner.databases[0]?.tables;
}

describe('databases that can’t be read', () => {
  test.each(['custom', 'cluster'] as const)(
    'one with allow_connections = false is named, although pg_dumpall skips it with exit code 0 (%s)',
    async (format) => {
      const result = await dump({ databases: 'all', format });
      expect(result.postgres.notDumped).toEqual([
        { name: 'closed', reason: expect.stringContaining('allows no connections') },
      ]);
      expect(result.postgres.databases.map(({ name }) => name)).toEqual([
        'app',
        'postgres',
        'template1',
      ]);
    },
  );

  test('one that does not exist leaves no half dump', async () => {
    await expect(dump({ databases: ['app', 'nowhere'] })).rejects.toMatchObject({
      code: 'DUMP_FAILED',
      facts: { missing: ['nowhere'] },
    });
    expect(await readdir(destination)).toEqual([]);
  });

  test('a cluster script of chosen databases holds no others', async () => {
    await dump({ format: 'cluster' });
    const script = await runCommand('zstd', ['-dc', path.join(destination, 'cluster.sql.zst')]);
    expect(script.stdout).not.toContain('\\connect postgres');
    expect(script.stdout).toContain('\\connect app');
  });
});

describe('row counts', () => {
  test('are those of the dump’s own snapshot, while others write and empty tables', async () => {
    const writing = server.pg.capture(['psql', '-XAtq', '-U', 'postgres', '-d', 'app'], {
      input: `do $$ begin loop
        insert into busy (note) select 'n' from generate_series(1, 20);
        delete from busy where id % 7 = 0;
        commit;
      end loop; end $$;`,
      env: { PGAPPNAME: 'writer' },
      signal: work.signal,
    });
    try {
      await delay(500);
      for (let round = 0; round < 3; round += 1) {
        await rm(path.join(destination, 'app.dump.zst'), { force: true });
        await rm(path.join(destination, 'globals.sql.zst'), { force: true });
        const before = Number(await server.sql('app', 'select max(id) from busy'));
        const result = await dump();
        const after = Number(await server.sql('app', 'select max(id) from busy'));
        expect(after).toBeGreaterThan(before); // it was written to meanwhile
        const tables = result.postgres.databases[0]?.tables;
        expect(tables).toEqual(await rowsInArchive(path.join(destination, 'app.dump.zst')));
      }
    } finally {
      await endSessionsNamed('writer');
      await writing;
    }
  });

  test('TRUNCATE, which no snapshot respects, has to wait from before pg_dump until the end', async () => {
    let truncated = '';
    const pg: PostgresExec = {
      ...server.pg,
      stream: async (argv, options) => {
        if (argv.includes('pg_dump')) {
          const attempt = await server.pg.capture(
            ['psql', '-XAtq', '-U', 'postgres', '-d', 'app'],
            {
              input: "set lock_timeout = '300ms'; truncate plain;",
              signal: work.signal,
            },
          );
          truncated = attempt.stderr;
        }
        return server.pg.stream(argv, options);
      },
    };
    const result = await dump({}, work.signal, pg);
    expect(truncated).toContain('canceling statement due to lock timeout');
    expect(result.postgres.databases[0]?.tables).toContainEqual({
      schema: 'public',
      table: 'plain',
      rows: 10,
    });
  });
});

describe('a dump that fails leaves no file and no process, and everybody else connected', () => {
  const bystanders = (): Promise<string> =>
    server.sql('postgres', `select pid from pg_stat_activity where application_name = 'bystander'`);
  let bystander: string;
  let waiting: Promise<unknown>;

  beforeAll(async () => {
    waiting = server.pg.capture(['psql', '-XAtq', '-U', 'postgres', '-d', 'app'], {
      input: 'select pg_sleep(600);',
      env: { PGAPPNAME: 'bystander' },
      signal: work.signal,
    });
    await eventually(async () => (await bystanders()) !== '');
    bystander = await bystanders();
  });
  afterAll(async () => {
    await endSessionsNamed('bystander');
    await waiting;
  });
  afterEach(async () => {
    // An orphan killed in the container would have made the server end every connection.
    expect(await bystanders()).toBe(bystander);
    expect(await readdir(destination)).toEqual([]);
    await eventually(async () => (await runningClients()) === '0');
    await eventually(async () => (await dumpSessions()) === '0');
  });

  test.each(['custom', 'cluster'] as const)(
    'for a role that is no superuser (%s)',
    async (format) => {
      await expect(dump({ user: 'weak', format })).rejects.toMatchObject({
        code: 'DUMP_FAILED',
        message: 'PostgreSQL role weak is not a superuser',
      });
    },
  );

  test.each(['custom', 'cluster'] as const)('when a table stays locked (%s)', async (format) => {
    const lock = await holdLock('plain');
    try {
      await expect(dump({ format, lockWaitMs: 700 })).rejects.toMatchObject({
        code: 'DUMP_FAILED',
        message: expect.stringMatching(/timeout.*plain/),
      });
    } finally {
      await lock.release();
    }
  });

  test.each(['custom', 'cluster'] as const)(
    'when it is cancelled in the middle (%s)',
    async (format) => {
      const controller = new AbortController();
      const reason = new Error('cancelled by the test');
      let bytes = 0;
      const dumping = dumpCluster(
        server.pg,
        { ...login, databases: 'all', format, destination, compressionLevel: 9 },
        {
          signal: controller.signal,
          report: (progress) => {
            bytes = progress.bytes;
            if (bytes > 100_000) controller.abort(reason);
          },
        },
      );
      await expect(dumping).rejects.toBe(reason);
      expect(bytes).toBeGreaterThan(100_000);
    },
  );

  test.each(['custom', 'cluster'] as const)(
    'when nothing can be written any more (%s)',
    async (format) => {
      await rm(destination, { recursive: true });
      await expect(dump({ format, databases: 'all' })).rejects.toMatchObject({ code: 'ENOENT' });
      await mkdir(destination);
    },
  );

  test.each(['custom', 'cluster'] as const)(
    'when it is cancelled while it waits for a lock (%s)',
    async (format) => {
      const lock = await holdLock('plain');
      try {
        const controller = new AbortController();
        const dumping = dump({ format }, controller.signal);
        dumping.catch(() => undefined);
        await eventually(async () => (await dumpSessions()) !== '0');
        controller.abort(new Error('cancelled by the test'));
        await expect(dumping).rejects.toThrow('cancelled by the test');
        await eventually(async () => (await dumpSessions()) === '0', 5_000);
      } finally {
        await lock.release();
      }
    },
  );

  test('when the server dies', async () => {
    const dumping = dumpCluster(
      server.pg,
      // Slow enough to be met in the middle.
      { ...login, databases: ['app'], format: 'custom', destination, compressionLevel: 19 },
      work,
    );
    dumping.catch(() => undefined);
    const copying = `select count(*) from pg_stat_activity
      where application_name like 'holdfast-dump%' and query like 'COPY%'`;
    await eventually(async () => (await server.sql('postgres', copying)) === '1');
    await server.sql(
      'postgres',
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'holdfast-dump%'`,
    );
    await expect(dumping).rejects.toMatchObject({ code: 'POSTGRES_UNREACHABLE' });
  });
});

test('what a killed worker left waiting on the server is ended by the next attempt', async () => {
  const lock = await holdLock('plain');
  try {
    // Nobody stops this one: as if its worker had been killed.
    const orphan = dump({ owner: 'stack/pgdb/main' });
    const orphanEnd = expect(orphan).rejects.toMatchObject({ code: 'POSTGRES_UNREACHABLE' });
    await eventually(async () => (await dumpSessions()) !== '0');
    const second = await mkdtemp(path.join(tmpdir(), 'hfpg-'));
    let nextEnded = false;
    const next = dump({ owner: 'stack/pgdb/main', destination: second, lockWaitMs: 20_000 });
    next.catch(() => undefined).finally(() => (nextEnded = true));
    await orphanEnd;
    expect(nextEnded).toBe(false); // the orphan made room at once, not when its successor gave up
    await lock.release();
    await next;
    await rm(second, { recursive: true });
  } finally {
    await lock.release();
  }
});

describe('checking a dump without loading it', () => {
  test('a plain script is no archive, whatever its name: pg_restore --list would refuse it', async () => {
    const script = await server.shell('pg_dump -U postgres app');
    await writeFile(path.join(destination, 'app.dump'), script);
    const listed = await server.pg.capture(['pg_restore', '--list'], {
      input: script,
      signal: work.signal,
    });
    expect(listed.exitCode).toBe(1);
    const file = {
      name: 'app.dump',
      role: 'database' as const,
      sizeBytes: Buffer.byteLength(script),
      sha256: '0'.repeat(64),
    };
    await expect(
      verifyDump({ directory: destination, files: [file] }, undefined, work),
    ).rejects.toMatchObject({
      code: 'INTEGRITY',
      message: 'app.dump is no pg_dump archive',
    });
  });

  test('a flipped byte and a cut archive are found; pg_restore --list finds neither', async () => {
    const { files } = await dump();
    const dumped = { directory: destination, files };
    await verifyDump(dumped, server.pg, work, { hashes: true, decode: true });
    const target = path.join(destination, 'app.dump.zst');
    const whole = await readFile(target);
    const damaged = Buffer.from(whole);
    damaged[damaged.length - 500_000]! ^= 0x55;
    await writeFile(target, damaged);
    await verifyDump(dumped, server.pg, work); // sizes and lists: not enough, which is why hashes exist
    await expect(verifyDump(dumped, undefined, work, { hashes: true })).rejects.toMatchObject({
      code: 'INTEGRITY',
    });
    await expect(verifyDump(dumped, server.pg, work, { decode: true })).rejects.toMatchObject({
      code: 'INTEGRITY',
    });
    await writeFile(target, whole.subarray(0, whole.length - 1000));
    await expect(verifyDump(dumped, undefined, work)).rejects.toMatchObject({ code: 'INTEGRITY' });
  });

  test('a dump that lacks a database of its manifest is not whole', async () => {
    const { files, postgres } = await dump();
    const lacking = files.filter(({ role }) => role !== 'database');
    await expect(
      verifyDump({ directory: destination, files: lacking, postgres }, undefined, work),
    ).rejects.toMatchObject({ code: 'INTEGRITY', facts: { missing: ['database app'] } });
  });
});
