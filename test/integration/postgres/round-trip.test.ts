import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  compareDigests,
  compareWithManifest,
  describeMismatch,
} from '../../../src/postgres/inspect/compare.js';
import { dumpCluster, type DumpResult } from '../../../src/postgres/dump/dump.js';
import {
  inspectCluster,
  readContent,
  type ClusterState,
} from '../../../src/postgres/inspect/inspect.js';
import { loadDump } from '../../../src/postgres/load/restore.js';
import { postgresInfoSchema } from '../../../src/format/manifest.js';
import { fillCluster, fineDetails, ODD_DATABASE } from '../../support/postgres-fixture.js';
import { login, startServer, work, type TestServer } from '../../support/postgres.js';

const place = { container: 'c', image: 'i', data: { type: 'unknown' as const } };

describe.each(['custom', 'cluster'] as const)('a %s dump', (format) => {
  let source: TestServer;
  let target: TestServer;
  let directory: string;
  let dump: DumpResult;
  let before: ClusterState;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'hfpg-'));
    [source, target] = await Promise.all([startServer(), startServer()]);
    await fillCluster(source);
    before = await inspectCluster(source.pg, { ...login, rows: 'digest' }, work.signal);
    dump = await dumpCluster(
      source.pg,
      {
        ...login,
        databases: 'all',
        format,
        destination: directory,
        compressionLevel: 3,
        digestUpToBytes: 160 * 1024,
      },
      work,
    );
  });

  afterAll(async () => {
    await Promise.all([source, target].map((server) => server.remove()));
    await rm(directory, { recursive: true, force: true });
  });

  test('names every file in the manifest, and leaves nothing else behind', async () => {
    expect((await readdir(directory)).sort()).toEqual(dump.files.map(({ name }) => name).sort());
    expect(postgresInfoSchema.parse({ ...dump.postgres, ...place })).toBeTruthy();
    expect(dump.postgres.databases.map(({ name }) => name).sort()).toEqual(
      ['app', 'latin', 'postgres', 'template1', ODD_DATABASE].sort(),
    );
    expect(dump.postgres.notDumped).toEqual([]);
  });

  test('restores content, owners, rights, settings, comments, passwords', async () => {
    const postgres = { ...dump.postgres, ...place };
    const loaded = await loadDump(
      target.pg,
      { ...login, directory, files: dump.files, postgres },
      work,
    );
    expect(loaded.warnings).toEqual([]);
    const after = await inspectCluster(target.pg, { ...login, rows: 'digest' }, work.signal);
    expect(compareWithManifest(postgres, after).map(describeMismatch)).toEqual([]);
    for (const database of before.databases) {
      const restored = after.databases.find(({ name }) => name === database.name);
      // The view was stale; a restore fills it anew.
      const tables = ({ tables }: typeof database): unknown[] =>
        tables.filter(({ kind }) => kind !== 'materialized-view');
      expect(tables(restored!)).toEqual(tables(database));
      expect(restored?.sequences).toEqual(database.sequences);
      expect(restored?.largeObjectDigest).toBe(database.largeObjectDigest);
    }
    const wanted = await fineDetails(source);
    const found = await fineDetails(target);
    if (format === 'custom') expect(found).toEqual(wanted);
    else expect(found['app']).toEqual(wanted['app']);
  });

  test('has the digests of what it holds, where that is not too large', () => {
    const recorded = dump.postgres.databases.flatMap(({ name, tables }) =>
      tables.map(({ schema, table, digest }) => [`${name} ${schema}.${table}`, digest] as const),
    );
    if (format === 'cluster') {
      expect(recorded.filter(([, digest]) => digest !== undefined)).toEqual([]);
      return;
    }
    const found = before.databases.flatMap(({ name, tables }) =>
      tables
        .filter(({ kind }) => kind === 'table')
        .map(({ schema, table, digest }) => [`${name} ${schema}.${table}`, digest] as const),
    );
    // Nearly all of it lies beside the table itself.
    const large = 'app app.large';
    expect(recorded.find(([name]) => name === large)).toEqual([large, undefined]);
    expect(recorded).toEqual(found.map((one) => (one[0] === large ? [large, undefined] : one)));
    const digests = new Set(recorded.map(([, digest]) => digest));
    expect(digests.size).toBeGreaterThan(10);
    const app = dump.postgres.databases.find(({ name }) => name === 'app');
    const inspected = before.databases.find(({ name }) => name === 'app');
    expect(app?.largeObjectDigest).toBe(inspected?.largeObjectDigest);
  });

  test('tells other content from the same, however the server writes it', async () => {
    const recorded = dump.postgres.databases.find(({ name }) => name === 'app');
    if (format === 'cluster' || recorded === undefined) return;
    const compared = async (): Promise<readonly [readonly string[], number, number]> => {
      const only = recorded.tables.filter(({ digest }) => digest !== undefined);
      const scope = { rows: 'digest', only } as const;
      const found = await readContent(target.pg, login, 'app', scope, work.signal);
      const { mismatches, byContent, byCount } = compareDigests(recorded, found);
      return [mismatches.map(describeMismatch), byContent, byCount];
    };
    await target.sql(
      'app',
      `set default_transaction_read_only = off;
       alter database app set datestyle = 'German'; alter database app set timezone = 'Asia/Tokyo';
       alter database app set intervalstyle = 'sql_standard'; alter database app set bytea_output = 'escape';
       alter role postgres set extra_float_digits = 0; alter role postgres set quote_all_identifiers = on;`,
    );
    expect(await compared()).toEqual([[], recorded.tables.length - 1, 1]);
    const rewritten = `set default_transaction_read_only = off;`;
    await target.sql('app', `${rewritten} update app.kinds set flag = flag, id = id; vacuum full`);
    expect(await compared()).toEqual([[], recorded.tables.length - 1, 1]);
    await target.sql(
      'app',
      `${rewritten} update app.kinds set double = double * (1 + 2e-16) where id = 7;
       update app.nokey set line = null where line = '';
       update app.large set text = 'not looked at';
       select lo_put(4711, 59999, 'x')`,
    );
    const differs = 'the rows are as many, but their content differs';
    expect((await compared())[0]).toEqual([
      `app: app.kinds: ${differs}`,
      `app: app.nokey: ${differs}`,
      'app: the content of the large objects differs',
    ]);
  });

  test('loading it a second time is refused, so that no row is doubled', async () => {
    const postgres = { ...dump.postgres, ...place };
    const again = loadDump(target.pg, { ...login, directory, files: dump.files, postgres }, work);
    await expect(again).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
    await expect(again).rejects.toThrow('refuses to load into a cluster that is not empty');
    expect(await target.sql('app', 'select count(*) from app.nokey')).toBe('6');
  });
});
