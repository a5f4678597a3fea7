import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compareWithManifest, describeMismatch } from '../../src/postgres/compare.js';
import { dumpCluster, type DumpResult } from '../../src/postgres/dump.js';
import { inspectCluster, type ClusterState } from '../../src/postgres/inspect.js';
import { loadDump } from '../../src/postgres/restore.js';
import { postgresInfoSchema } from '../../src/store/manifest.js';
import { fillCluster, fineDetails, ODD_DATABASE } from '../support/postgres-fixture.js';
import { login, startServer, work, type TestServer } from '../support/postgres.js';

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
      { ...login, databases: 'all', format, destination: directory, compressionLevel: 3 },
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

  test('loading it a second time is refused, so that no row is doubled', async () => {
    const postgres = { ...dump.postgres, ...place };
    const again = loadDump(target.pg, { ...login, directory, files: dump.files, postgres }, work);
    await expect(again).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
    await expect(again).rejects.toThrow('refuses to load into a cluster that is not empty');
    expect(await target.sql('app', 'select count(*) from app.nokey')).toBe('6');
  });
});
