/**
 * Objects that pg_dump saves and pg_restore can't make under its empty search_path, or not in its order:
 * backed up whole, loaded with all rows, made again afterwards, or named.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  compareDigests,
  compareWithManifest,
  describeMismatch,
} from '../../../src/postgres/inspect/compare.js';
import { dumpCluster, type DumpResult } from '../../../src/postgres/dump/dump.js';
import { inspectCluster, readContent } from '../../../src/postgres/inspect/inspect.js';
import { loadDump, type LoadResult } from '../../../src/postgres/load/restore.js';
import { login, startServer, work, type TestServer } from '../../support/postgres.js';
import { fillWithObjects, installExtension } from '../../support/postgres-objects.js';

const place = { container: 'c', image: 'i', data: { type: 'unknown' as const } };

let source: TestServer;
let directory: string;
let dump: DumpResult;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'hfpg-'));
  source = await startServer();
  await fillWithObjects(source);
  dump = await dumpCluster(
    source.pg,
    {
      ...login,
      databases: 'all',
      format: 'custom',
      destination: directory,
      compressionLevel: 1,
      digestUpToBytes: 1024 * 1024 * 1024,
    },
    work,
  );
}, 240_000);

afterAll(async () => {
  await source.remove();
  await rm(directory, { recursive: true, force: true });
});

const shop = () => dump.postgres.databases.find(({ name }) => name === 'shop');

test('a question that fails costs its own answer only', () => {
  const counted = shop()?.tables.map(({ schema, table, rows, digest }) => [
    `${schema}.${table}`,
    rows,
    digest !== undefined,
  ]);
  // Planning this one evaluates the index expression, which needs the database's search_path.
  expect(counted).toContainEqual(['public.people', 1000, true]);
  expect(counted).toContainEqual(['public.orders', 1000, true]);
  expect(shop()?.unanswered).toEqual([
    { what: 'rows', subject: 'public.raising', reason: 'broken since' },
  ]);
});

describe.each(['stream', 'jobs'] as const)('loaded by %s', (way) => {
  let target: TestServer;
  let loaded: LoadResult;

  beforeAll(async () => {
    target = await startServer();
    await installExtension(target);
    const jobs = way === 'jobs' ? { jobs: 3, parallelFromBytes: 0 } : { jobs: 1 };
    loaded = await loadDump(
      target.pg,
      {
        ...login,
        ...jobs,
        directory,
        files: dump.files,
        postgres: { ...dump.postgres, ...place },
      },
      work,
    );
  }, 240_000);

  afterAll(async () => {
    await target.remove();
  });

  test('all rows are there, and as they were', async () => {
    const after = await inspectCluster(target.pg, { ...login }, work.signal);
    const mismatches = compareWithManifest({ ...dump.postgres, ...place }, after);
    expect(mismatches.map(describeMismatch)).toEqual([]);
    const wanted = shop();
    const content = await readContent(target.pg, login, 'shop', { rows: 'digest' }, work.signal);
    expect(wanted && compareDigests(wanted, content).mismatches.map(describeMismatch)).toEqual([]);
  });

  test('what is an extension’s own comes back as it makes it, and what was changed of it is told', async () => {
    expect(await target.sql('gis', 'select id, def from towns.ref order by 1')).toBe(
      '1|one\n2|two\n101|own',
    );
    expect(await target.sql('gis', 'select code, def, count(*) from places group by 1, 2')).toBe(
      'ABC|two|50',
    );
    expect(await target.sql('gis', 'select def, count(*) from named group by 1')).toBe('own|50');
    const scope = { ...login, digestExtensionTablesUpToBytes: 1024 * 1024 };
    const after = await inspectCluster(target.pg, scope, work.signal);
    const mismatches = compareWithManifest({ ...dump.postgres, ...place }, after);
    expect(mismatches.map(describeMismatch)).toEqual([
      'gis: not in the dump: rows of towns.ref, which an extension made (3 before, 3 now)',
    ]);
  });

  test('what could not be made is named, with the SQL that makes it', async () => {
    expect(loaded.left).toEqual([
      {
        database: 'shop',
        what: 'CHECK CONSTRAINT in_time of table public.tickets',
        reason: expect.stringContaining('is violated by some row'),
        sql: 'alter table public.tickets validate constraint in_time;',
      },
      {
        database: 'shop',
        what: 'INDEX public raising_index postgres',
        reason: 'broken since',
        sql: 'CREATE INDEX raising_index ON public.raising USING btree (public.broken());',
      },
    ]);
    expect(await details(target)).toEqual(await details(source));
  });
});

/** What the tables' rows do not show: constraints, indexes, views with their rows, triggers and their state. */
async function details(server: TestServer): Promise<string> {
  return server.sql(
    'shop',
    `select conname, conrelid::regclass, contypid::regtype, pg_get_constraintdef(oid), obj_description(oid)
       from pg_constraint where connamespace = 'public'::regnamespace and conname <> 'in_time' order by 1, 2, 3;
     select indexname, indexdef from pg_indexes
       where schemaname = 'public' and indexname <> 'raising_index' order by 1;
     select tgname, tgrelid::regclass, tgenabled from pg_trigger where not tgisinternal order by 1;
     select evtname, evtenabled from pg_event_trigger; select pubname from pg_publication;
     select polname, polrelid::regclass from pg_policy; select rulename from pg_rules order by 1;
     select count(*) from city_stats; select * from a_big_cities order by 1; select count(*) from trace;
     select relname, relkind, relrowsecurity, relacl from pg_class where relnamespace = 'public'::regnamespace
       and relname <> 'raising_index' order by 1;`,
  );
}
