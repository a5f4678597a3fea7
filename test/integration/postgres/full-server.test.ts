/** A server with hardly a connection left, and with databases of odd names: both are still dumped. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { dumpCluster, type DumpOptions, type DumpResult } from '../../../src/postgres/dump/dump.js';
import { loadDatabases } from '../../../src/postgres/replace/replace-database.js';
import { verifyDump } from '../../../src/postgres/inspect/verify.js';
import { eventually, login, startServer, work, type TestServer } from '../../support/postgres.js';

const OWN = ['one', 'three', 'two'];
const ROWS = 1_000;

let server: TestServer;
let destination: string;

beforeAll(async () => {
  server = await startServer({ args: ['-c', 'max_connections=10'] });
  await server.sql(
    'postgres',
    `create role web login;
     create role dumper superuser login connection limit 1;
     create database one; create database two connection limit 0; create database three;`,
  );
  for (const database of OWN) {
    await server.sql(database, `create table t as select generate_series(1, ${ROWS}) i;`);
  }
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

function dump(changes: Partial<DumpOptions> = {}): Promise<DumpResult> {
  return dumpCluster(
    server.pg,
    {
      ...login,
      databases: 'all',
      format: 'custom',
      destination,
      compressionLevel: 1,
      digestUpToBytes: 1024 * 1024,
      countedWaitsMs: [500],
      ...changes,
    },
    work,
  );
}

/** Sessions held until {@link release}, `total` of them in all. */
async function hold(user: string, some: number, total: number): Promise<void> {
  await server.shell(
    `for i in $(seq ${some}); do PGAPPNAME=held psql -U ${user} -d one -c 'select pg_sleep(900)' >/dev/null 2>&1 & done`,
  );
  const held = `select count(*) from pg_stat_activity where application_name = 'held' and state = 'active'`;
  await eventually(async () => (await server.sql('postgres', held)) === String(total));
}

async function release(): Promise<void> {
  await server.sql(
    'postgres',
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'held'`,
  );
}

describe('a server whose ordinary connections are all taken', () => {
  beforeAll(() => hold('web', 7, 7));
  afterAll(release);

  test('is dumped by the three kept for superusers, with everything counted', async () => {
    // Limits of a role and of a database are none for a superuser.
    const { postgres, files } = await dump({ user: 'dumper' });
    expect(postgres.databases.map(({ name }) => name)).toEqual([
      'one',
      'postgres',
      'template1',
      'three',
      'two',
    ]);
    for (const { name, tables, unanswered } of postgres.databases) {
      expect(unanswered).toBeUndefined();
      if (!OWN.includes(name)) continue;
      expect(tables).toEqual([
        { schema: 'public', table: 't', rows: ROWS, digest: expect.any(String) },
      ]);
    }
    await verifyDump({ directory: destination, files }, server.pg, work, { hashes: true });
  });

  describe('and two of those kept for superusers', () => {
    beforeAll(() => hold('postgres', 2, 9));

    test('is dumped by the one that is left, uncounted, which is told of each', async () => {
      const { postgres, files } = await dump();
      expect(postgres.databases).toHaveLength(5);
      for (const { name, tables, unanswered } of postgres.databases) {
        expect(tables).toEqual([]);
        expect(unanswered).toEqual([
          {
            what: 'everything',
            subject: name,
            reason: expect.stringMatching(/no second connection: .*too many clients/),
          },
        ]);
      }
      expect(files.map(({ name }) => name)).toEqual([
        'globals.sql.zst',
        ...postgres.databases.map(({ name }) => `${name}.dump.zst`),
      ]);
      await verifyDump({ directory: destination, files }, server.pg, work, { hashes: true });
    });
  });
});

describe('a cluster whose database postgres is not as initdb made it', () => {
  beforeAll(async () => {
    // Whoever kills the client of a session in a container may send its server into recovery.
    await eventually(() =>
      server.sql('template1', 'select 1').then(
        () => true,
        () => false,
      ),
    );
    // In a database of encoding SQL_ASCII any byte goes into a name.
    await server.sql(
      'template1',
      `drop database postgres;
       create database postgres encoding SQL_ASCII template template0 lc_collate 'C' lc_ctype 'C';`,
    );
    await server.shell(
      `printf 'create database "caf\\351" template template0' | PGCLIENTENCODING=SQL_ASCII psql -U postgres -d postgres -v ON_ERROR_STOP=1 -f -`,
    );
  });

  test('names a database whose name is not UTF-8, and dumps all others', async () => {
    const { postgres } = await dump();
    expect(postgres.notDumped).toEqual([
      { name: 'caf\ufffd', reason: expect.stringContaining('not UTF-8') },
    ]);
    expect(postgres.databases).toHaveLength(5);
  });

  test('or that lacks it, takes a database back', async () => {
    await server.sql('template1', 'drop database postgres;');
    const { files, postgres } = await dump({ databases: ['one'] });
    await server.sql('one', 'drop table t;');
    const input = { ...login, directory: destination, files, databases: ['one'] };
    const { left } = await loadDatabases(server.pg, input, work);
    expect(left).toEqual([]);
    expect(postgres.databases[0]?.tables[0]?.rows).toBe(ROWS);
    expect(await server.sql('one', 'select count(*) from t')).toBe(String(ROWS));
  });
});
