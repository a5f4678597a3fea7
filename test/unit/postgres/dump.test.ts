import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chooseDatabases, dumpCluster } from '../../../src/postgres/dump/dump.js';
import { archiveFileName } from '../../../src/postgres/dump/dump-database.js';
import type { DatabaseCatalogue } from '../../../src/postgres/inspect/inspect.js';
import { connectTo } from '../../../src/postgres/client/client-env.js';
import { artifactFileSchema } from '../../../src/format/manifest.js';
import { fakeExec, serverAnswer } from '../../support/postgres-fake.js';

const work = { signal: new AbortController().signal, report: () => undefined };

describe('file names of archives', () => {
  test.each([
    ['app', 'app.dump.zst'],
    ['my-db_1.x', 'my-db_1.x.dump.zst'],
    ['a b/c', 'a%20b%2Fc.dump.zst'],
    ['ü', 'db=%C3%BC.dump.zst'],
    ['_x', 'db=%5Fx.dump.zst'],
    ['..', 'db=%2E..dump.zst'],
    ['-rf', 'db=%2Drf.dump.zst'],
    ['a%20b', 'a%2520b.dump.zst'],
  ])('%s → %s', (database, file) => {
    expect(archiveFileName(database)).toBe(file);
  });

  test('any name gives a plain file name of its own', () => {
    const seen = new Map<string, string>();
    const characters = fc.constantFrom(
      ...'ab_.-% /\\"\'=üß\n'.split(''),
      'db',
      '%5F',
      'db%5F',
      'db=',
    );
    fc.assert(
      fc.property(fc.array(characters, { minLength: 1, maxLength: 6 }), (parts) => {
        const database = parts.join('');
        const file = archiveFileName(database);
        expect(artifactFileSchema.shape.name.parse(file)).toBe(file);
        expect(seen.get(file) ?? database).toBe(database);
        seen.set(file, database);
      }),
      { numRuns: 2000 },
    );
  });
});

test('a database name is never taken for a connection string', () => {
  expect(connectTo("host=evil 'x' \\")).toBe("dbname='host=evil \\'x\\' \\\\'");
});

describe('which databases are dumped', () => {
  const database = (name: string, changes: Partial<DatabaseCatalogue> = {}): DatabaseCatalogue => ({
    name,
    owner: 'postgres',
    encoding: 'UTF8',
    collate: 'C',
    ctype: 'C',
    sizeBytes: 1,
    allowConnections: true,
    isTemplate: false,
    valid: true,
    ...changes,
  });
  const databases = [
    database('app'),
    database('closed', { allowConnections: false }),
    database('half-dropped', { valid: false }),
    database('postgres'),
  ];

  test('one that can’t be read is named with its reason, not left out silently', () => {
    const chosen = chooseDatabases({ databases }, 'all');
    expect(chosen.dumpable.map(({ name }) => name)).toEqual(['app', 'postgres']);
    expect(chosen.notDumped).toEqual([
      { name: 'closed', reason: expect.stringContaining('allows no connections') },
      { name: 'half-dropped', reason: expect.stringContaining('DROP DATABASE') },
    ]);
  });

  test('a name in the configuration that does not exist is an error, not an empty dump', () => {
    expect(() => chooseDatabases({ databases }, ['app', 'gone', 'lost'])).toThrow(
      expect.objectContaining({
        code: 'DUMP_FAILED',
        message: 'no such database: gone, lost',
      }),
    );
  });

  test('only the chosen ones are reported', () => {
    expect(chooseDatabases({ databases }, ['app'])).toMatchObject({ notDumped: [] });
  });
});

describe('a server that can’t be dumped', () => {
  let destination: string;
  beforeEach(async () => {
    destination = await mkdtemp(path.join(tmpdir(), 'hfpg-'));
  });
  afterEach(async () => {
    expect(await readdir(destination)).toEqual([]);
    await rm(destination, { recursive: true });
  });
  const dump = (play: Parameters<typeof fakeExec>[0]): Promise<unknown> =>
    dumpCluster(
      fakeExec(play),
      { user: 'postgres', databases: 'all', format: 'custom', destination, compressionLevel: 3 },
      work,
    );

  test('is newer than its client programs', async () => {
    const result = dump((argv) =>
      argv[0] === 'pg_dump' ? { stdout: 'pg_dump (PostgreSQL) 14.19\n' } : serverAnswer(),
    );
    await expect(result).rejects.toMatchObject({
      code: 'VERSION_INCOMPATIBLE',
      facts: { clientVersion: 'pg_dump (PostgreSQL) 14.19', serverVersion: '15.18' },
    });
  });

  test('is older than what is supported', async () => {
    await expect(
      dump(() => serverAnswer({ version: '10.23', versionNumber: 100023 })),
    ).rejects.toMatchObject({ code: 'VERSION_INCOMPATIBLE' });
  });

  test('is entered as somebody who is no superuser', async () => {
    await expect(dump(() => serverAnswer({ superuser: false }))).rejects.toMatchObject({
      code: 'DUMP_FAILED',
      message: 'PostgreSQL role postgres is not a superuser',
    });
  });

  test.each([
    [
      'does not run',
      'psql: error: connection to server on socket "/x" failed: No such file',
      2,
      'POSTGRES_UNREACHABLE',
    ],
    ['still starts', 'FATAL:  the database system is starting up', 2, 'POSTGRES_UNREACHABLE'],
    ...[
      'FATAL:  role "x" does not exist',
      'FATAL:  role "x" is not permitted to log in',
      'FATAL:  password authentication failed for user "x"',
      'FATAL:  Peer authentication failed for user "x"',
      'FATAL:  no pg_hba.conf entry for host "[local]", user "x", database "y", no encryption',
      'FATAL:  pg_hba.conf rejects connection for host "[local]", user "x", database "y"',
      'fe_sendauth: no password supplied',
    ].map((text): [string, string, number, string] => [
      `refuses the login: ${text}`,
      `psql: error: connection to server on socket "/x" failed: ${text}`,
      2,
      'LOGIN_REFUSED',
    ]),
    ['fails in a statement', 'ERROR:  role "x" does not exist', 3, 'DUMP_FAILED'],
    ['has no psql', 'sh: psql: not found', 127, 'DUMP_FAILED'],
    [
      'has no space',
      'ERROR:  could not extend file "base/1": No space left on device',
      3,
      'DISK_FULL',
    ],
  ])('%s', async (_name, stderr, exitCode, code) => {
    await expect(dump(() => ({ stderr, exitCode }))).rejects.toMatchObject({ code });
  });
});
