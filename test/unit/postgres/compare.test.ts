import { describe, expect, test } from '@jest/globals';
import {
  compareDigests,
  compareWithManifest,
  describeMismatch,
} from '../../../src/postgres/inspect/compare.js';
import type { ClusterState, DatabaseState } from '../../../src/postgres/inspect/inspect.js';
import type { DatabaseInfo, PostgresInfo } from '../../../src/format/manifest.js';

const wantedDatabase: DatabaseInfo = {
  name: 'app',
  owner: 'app_owner',
  encoding: 'UTF8',
  collate: 'C.UTF-8',
  ctype: 'C.UTF-8',
  sizeBytes: 1000,
  tables: [
    { schema: 'public', table: 'users', rows: 10 },
    { schema: 'public', table: 'empty', rows: 0 },
  ],
  largeObjects: 2,
  extensions: [{ name: 'hstore', version: '1.8' }],
};
const wanted: PostgresInfo = {
  serverVersion: '15.18',
  serverVersionNumber: 150018,
  clientVersion: 'pg_dump (PostgreSQL) 15.18',
  format: 'custom',
  container: 'ml_postgres',
  image: 'postgres:15',
  user: 'postgres',
  roles: ['app_owner', 'postgres'],
  tablespaces: ['fast'],
  databases: [wantedDatabase],
  notDumped: [],
  data: { type: 'unknown' },
};
const foundDatabase: DatabaseState = {
  ...wantedDatabase,
  sizeBytes: 5,
  allowConnections: true,
  isTemplate: false,
  valid: true,
  sequences: [],
  unanswered: [],
  tables: wantedDatabase.tables.map((table) => ({ ...table, kind: 'table' as const })),
};
const empty: DatabaseState = { ...foundDatabase, name: 'postgres', tables: [], largeObjects: 0 };

function cluster(
  changes: Partial<ClusterState> = {},
  database: Partial<DatabaseState> = {},
): ClusterState {
  return {
    initialisedAt: '2026-01-01T00:00:00Z',
    dataDirectory: '/var/lib/postgresql/data',
    server: {
      version: '15.18',
      versionNumber: 150018,
      superuser: true,
      inRecovery: false,
      bootstrapRole: 'postgres',
      maintenanceDatabase: 'postgres',
    },
    roles: ['app_owner', 'postgres'],
    tablespaces: [{ name: 'fast', location: '/fast' }],
    databases: [{ ...foundDatabase, ...database }, empty],
    ...changes,
  };
}

describe('a restore that equals its backup', () => {
  test('has no mismatches; sizes and the empty standard database do not count', () => {
    expect(compareWithManifest(wanted, cluster())).toEqual([]);
  });

  test('one locale written in two ways is one locale', () => {
    expect(
      compareWithManifest(wanted, cluster({}, { collate: 'C.utf8', ctype: 'C.utf8' })),
    ).toEqual([]);
  });

  test('the other server’s bootstrap role is no surprise', () => {
    const actual = cluster({ roles: ['admin', 'app_owner', 'postgres'] });
    const server = { ...actual.server, bootstrapRole: 'admin' };
    expect(compareWithManifest(wanted, { ...actual, server })).toEqual([]);
  });

  test('an extension’s tables and views filled anew are not unexpected', () => {
    const tables = [
      ...foundDatabase.tables,
      { schema: 'public', table: 'spatial_ref_sys', kind: 'extension-table' as const, rows: 8500 },
      { schema: 'public', table: 'totals', kind: 'materialized-view' as const, rows: 1 },
    ];
    expect(compareWithManifest(wanted, cluster({}, { tables }))).toEqual([]);
  });
});

describe('what a restore lost or changed', () => {
  const [users, none] = foundDatabase.tables;
  test.each<[string, ClusterState, string[]]>([
    ['a role', cluster({ roles: ['postgres'] }), ['error role-missing app_owner']],
    ['a tablespace', cluster({ tablespaces: [] }), ['error tablespace-missing fast']],
    ['a database', cluster({ databases: [empty] }), ['error database-missing app']],
    ['an owner', cluster({}, { owner: 'postgres' }), ['error database-owner app']],
    ['an encoding', cluster({}, { encoding: 'SQL_ASCII' }), ['error database-encoding app']],
    ['a locale', cluster({}, { collate: 'C' }), ['error database-locale collate']],
    ['large objects', cluster({}, { largeObjects: 0 }), ['error large-objects large objects']],
    ['an extension', cluster({}, { extensions: [] }), ['error extension-missing hstore']],
    ['a table', cluster({}, { tables: [users!] }), ['error table-missing public.empty']],
    [
      'rows',
      cluster({}, { tables: [{ ...users!, rows: 9 }, none!] }),
      ['error row-count public.users'],
    ],
    [
      'doubled rows',
      cluster({}, { tables: [{ ...users!, rows: 20 }, none!] }),
      ['error row-count public.users'],
    ],
    [
      'rows that were not counted',
      cluster({}, { tables: [{ ...users!, rows: null }, none!] }),
      ['warning not-counted public.users'],
    ],
  ])('%s', (_name, actual, expected) => {
    const found = compareWithManifest(wanted, actual);
    expect(found.map(({ severity, kind, subject }) => `${severity} ${kind} ${subject}`)).toEqual(
      expected,
    );
  });

  test('what nobody accounts for is told, but loses nothing', () => {
    const actual = cluster({
      roles: [...wanted.roles, 'stranger'],
      databases: [
        {
          ...foundDatabase,
          extensions: [{ name: 'hstore', version: '1.9' }],
          tables: [
            ...foundDatabase.tables,
            { schema: 'public', table: 'new', kind: 'table', rows: 1 },
          ],
        },
        { ...foundDatabase, name: 'other' },
      ],
    });
    const found = compareWithManifest(wanted, actual);
    expect(
      found.map(({ severity, kind, subject }) => `${severity} ${kind} ${subject}`).sort(),
    ).toEqual([
      'warning database-unexpected other',
      'warning extension-version hstore',
      'warning role-unexpected stranger',
      'warning table-unexpected public.new',
    ]);
  });

  test('a sentence says what was expected and what was found', () => {
    const [mismatch] = compareWithManifest(
      wanted,
      cluster({}, { tables: [{ ...users!, rows: 9 }, none!] }),
    );
    expect(describeMismatch(mismatch!)).toBe('app: public.users: row count: expected 10, found 9');
  });
});

test('rows of an extension’s table that a dump does not hold are told', () => {
  const table = { schema: 'public', table: 'spatial_ref_sys', rows: 8500 };
  const recorded = {
    ...wanted,
    databases: [
      { ...wantedDatabase, extensionTables: [{ ...table, extension: 'postgis', digest: '1' }] },
    ],
  };
  const foundWith = (digest: string | undefined): ClusterState =>
    cluster(
      {},
      {
        tables: [
          ...foundDatabase.tables,
          { ...table, kind: 'extension-table', ...(digest === undefined ? {} : { digest }) },
        ],
      },
    );
  expect(compareWithManifest(recorded, foundWith('2')).map(describeMismatch)).toEqual([
    'app: not in the dump: rows of public.spatial_ref_sys, which an extension made (8500 before, 8500 now)',
  ]);
  expect(compareWithManifest(recorded, foundWith('1'))).toEqual([]);
  expect(compareWithManifest(recorded, foundWith(undefined))).toEqual([]);
});

test('a table nobody could count at backup is no surprise', () => {
  const recorded = {
    ...wanted,
    databases: [
      {
        ...wantedDatabase,
        unanswered: [{ what: 'rows' as const, subject: 'public.broken', reason: 'why' }],
      },
    ],
  };
  const broken = { schema: 'public', table: 'broken', kind: 'table' as const, rows: 3 };
  const actual = cluster({}, { tables: [...foundDatabase.tables, broken] });
  expect(compareWithManifest(recorded, actual)).toEqual([]);
});

describe('a comparison by content', () => {
  const recorded: DatabaseInfo = {
    ...wantedDatabase,
    tables: [
      { schema: 'public', table: 'users', rows: 10, digest: '77' },
      { schema: 'public', table: 'huge', rows: 1_000_000 },
    ],
    largeObjectDigest: '5',
  };
  const users = {
    schema: 'public',
    table: 'users',
    kind: 'table' as const,
    rows: 10,
    digest: '77',
  };
  const found = { tables: [users], largeObjectDigest: '5' };

  test('says of how many tables it knows no more than their number of rows', () => {
    expect(compareDigests(recorded, found)).toEqual({ mismatches: [], byContent: 1, byCount: 1 });
    const old = { name: 'app', tables: [{ schema: 'public', table: 'users', rows: 10 }] };
    expect(compareDigests(old, found)).toEqual({ mismatches: [], byContent: 0, byCount: 1 });
  });

  test('what could not be read is not counted as compared by content', () => {
    const unread = { ...found, tables: [{ ...users, digest: undefined }] };
    expect(compareDigests(recorded, unread)).toMatchObject({ byContent: 0, byCount: 2 });
  });

  test.each([
    [
      'other content',
      { ...found, tables: [{ ...users, digest: '78' }] },
      'app: public.users: the rows are as many, but their content differs',
    ],
    [
      'content that was not read',
      { ...found, tables: [{ ...users, digest: undefined }] },
      'app: public.users: what is in it could not be asked, so it was not compared',
    ],
    [
      'another number of rows',
      { ...found, tables: [{ ...users, rows: 9, digest: '78' }] },
      'app: public.users: row count: expected 10, found 9',
    ],
    [
      'a missing table',
      { ...found, tables: [] },
      'app: public.users: table missing: expected 10, found none',
    ],
    [
      'other large objects',
      { ...found, largeObjectDigest: '6' },
      'app: the content of the large objects differs',
    ],
  ])('tells %s', (_name, actual, expected) => {
    expect(compareDigests(recorded, actual).mismatches.map(describeMismatch)).toEqual([expected]);
  });
});

describe('rows that lie in other partitions after a restore (hashes of an enum)', () => {
  const partition = (table: string, rows: number, digest?: string) => ({
    ...{ schema: 'public', table, rows },
    ...(digest === undefined ? {} : { digest }),
  });
  const inRoot = (table: string, rows: number, digest?: string) => ({
    ...partition(table, rows, digest),
    ...{ kind: 'table' as const, root: 'public.moods' },
  });
  const database = { ...wantedDatabase, tables: [partition('m0', 0), partition('m1', 2)] };
  const told = (tables: DatabaseState['tables']) =>
    compareWithManifest({ ...wanted, databases: [database] }, cluster({}, { tables })).map(
      describeMismatch,
    );

  test('are not told as long as all of the table are there', () => {
    expect(told([inRoot('m0', 2), inRoot('m1', 0)])).toEqual([]);
  });

  test('are told when some are missing', () => {
    expect(told([inRoot('m0', 1), inRoot('m1', 0)])).toEqual([
      'app: public.m0: row count: expected 0, found 1',
      'app: public.m1: row count: expected 2, found 0',
    ]);
  });

  test('are compared by content over all partitions', () => {
    const dumped = { ...database, tables: [partition('m0', 1, '-7'), partition('m1', 1, '40')] };
    const kinds = (...tables: DatabaseState['tables']) =>
      compareDigests(dumped, { tables }).mismatches.map(({ kind }) => kind);
    expect(kinds(inRoot('m0', 2, '33'), inRoot('m1', 0, '0'))).toEqual([]);
    expect(kinds(inRoot('m0', 1, '40'), inRoot('m1', 1, '-7'))).toEqual([]);
    expect(kinds(inRoot('m0', 1, '40'), inRoot('m1', 1, '-8'))).toEqual([
      'row-content',
      'row-content',
    ]);
    expect(kinds(inRoot('m0', 2, '34'), inRoot('m1', 0, '0'))).toEqual(['row-count', 'row-count']);
  });
});
