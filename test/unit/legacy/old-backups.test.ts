import { describe, expect, test } from '@jest/globals';
import {
  frameOldSet,
  groupOldFiles,
  matchOldFile,
  momentOfStamp,
  oldPlaces,
  parseOldPath,
  type OldFile,
} from '../../../src/legacy/plan/old-backups.js';
import { chooseAmongAll } from '../../../src/legacy/plan/choose-old-set.js';
import { formatStamp } from '../../../src/plan/shared/ids.js';
import type { ServiceView, SourceView } from '../../../src/plan/shared/stack-view.js';
import type { SetFile } from '../../../src/format/manifest.js';

const STAMP = '20241212_010000';

function source(
  name: string,
  kind: SourceView['kind'],
  more: Partial<SourceView> = {},
): SourceView {
  const category = { files: 'data', volume: 'docker', postgres: 'data' } as const;
  return {
    source: name,
    name,
    kind,
    large: false,
    category: category[kind],
    quiesced: false,
    changesExpected: false,
    target: `/${name}`,
    ...more,
  };
}

function service(name: string, ...sources: SourceView[]): ServiceView {
  return { name, after: [], hasContainers: true, sources };
}

const GRAFANA = source('grafana', 'volume', {
  name: 'mlopsnew_grafana_data_new',
  target: 'mlopsnew_grafana_data_new',
  quiesced: true,
});
const QDRANT = source('qdrant', 'volume', {
  name: 'mlopsnew_qdrant_storage_new',
  target: 'mlopsnew_qdrant_storage_new',
  large: true,
});
const STACK = [
  service(
    'pgdb',
    source('configs', 'files', { category: 'configs', target: '/pgdb' }),
    source('pgdump', 'postgres', { target: 'ml_postgres' }),
  ),
  service('saiga', source('model', 'files', { name: 'saiga_model', large: true })),
  service('mlopsnew', source('data', 'files', { target: '/mlopsnew' }), GRAFANA, QDRANT),
];

function file(path: string): OldFile {
  const parsed = parseOldPath(path);
  if (parsed === undefined) throw new Error(`${path} is none`);
  return parsed;
}

describe('the paths of the old script', () => {
  test('are taken apart into service, tier, folder, name and stamp', () => {
    expect(parseOldPath(`pgdb/daily/data/pgdump_${STAMP}.sql`)).toEqual({
      path: `pgdb/daily/data/pgdump_${STAMP}.sql`,
      place: { service: 'pgdb', tier: 'daily', category: 'data' },
      name: 'pgdump',
      stamp: STAMP,
      format: 'sql',
    });
    expect(parseOldPath(`large_volumes/saiga_model_${STAMP}.tar.gz`)).toMatchObject({
      name: 'saiga_model',
      format: 'tar.gz',
    });
  });

  test.each([
    `pgdb/daily/data/pgdump_${STAMP}`, // an artifact
    `pgdb/daily/pgdump_${STAMP}.sql`,
    `pgdb/hourly/data/pgdump_${STAMP}.sql`,
    `pgdb/daily/data/pgdump_${STAMP}.sql.bak`,
    `pgdb/daily/data/pgdump_20241212.sql`,
    `large_volumes/a/saiga_model_${STAMP}.tar.gz`,
    `sets/x_${STAMP}.tar.gz`,
  ])('%s is none of them', (path) => {
    expect(parseOldPath(path)).toBeUndefined();
  });

  test('are not looked for in directories of Holdfast’s own', () => {
    expect(oldPlaces('.incoming')).toEqual([]);
    expect(oldPlaces('.trash')).toEqual([]);
    expect(oldPlaces('sets')).toEqual([]);
  });
});

describe('the source of a file', () => {
  test.each([
    [`pgdb/daily/configs/configs_${STAMP}.tar.gz`, 'pgdb/configs'],
    [`pgdb/weekly/data/pgdump_${STAMP}.sql`, 'pgdb/pgdump'],
    [`pgdb/weekly/data/pg_dumpall_${STAMP}.sql`, 'pgdb/pgdump'],
    [`mlopsnew/daily/docker/mlopsnew_grafana_data_new_${STAMP}.tar.gz`, 'mlopsnew/grafana'],
    [`mlopsnew/daily/data/mlopsnew_${STAMP}.tar.gz`, 'mlopsnew/data'],
    [`large_volumes/mlopsnew_qdrant_storage_new_${STAMP}.tar.gz`, 'mlopsnew/qdrant'],
    [`large_volumes/saiga_model_${STAMP}.tar.gz`, 'saiga/model'],
    // Kept with the service by one, among the large ones by the other.
    [`mlopsnew/daily/docker/mlopsnew_qdrant_storage_new_${STAMP}.tar.gz`, 'mlopsnew/qdrant'],
  ])('of %s is %s', (path, expected) => {
    const match = matchOldFile(file(path), STACK);
    expect(`${match?.service}/${match?.source.source}`).toBe(expected);
  });

  test.each([
    [`agent/daily/data/data_${STAMP}.tar.gz`, 'a service that is not configured'],
    [`mlopsnew/daily/docker/grafana_data_new_${STAMP}.tar.gz`, 'a volume of another name'],
    [`mlopsnew/daily/data/notes_${STAMP}.tar.gz`, 'a file somebody put there'],
    [`pgdb/daily/configs/pgdump_${STAMP}.sql`, 'a dump among the configurations'],
    [`large_volumes/model_${STAMP}.tar.gz`, 'the key of a source, which several services may have'],
  ])('of %s is not guessed: %s', (path) => {
    expect(matchOldFile(file(path), STACK)).toBeUndefined();
  });
});

describe('sets of old files', () => {
  const run = [
    `pgdb/daily/configs/configs_${STAMP}.tar.gz`,
    `pgdb/daily/data/pgdump_${STAMP}.sql`,
    `mlopsnew/daily/data/data_${STAMP}.tar.gz`,
    `mlopsnew/daily/docker/mlopsnew_grafana_data_new_${STAMP}.tar.gz`,
    `large_volumes/mlopsnew_qdrant_storage_new_${STAMP}.tar.gz`,
    `large_volumes/saiga_model_${STAMP}.tar.gz`,
  ];

  test('are the files of one stamp, those of large_volumes with the tier that has it', () => {
    const { sets, unknown } = groupOldFiles(run.map(file), STACK, new Set());
    expect(sets.map(({ id, tier, files }) => [id, tier, files.length])).toEqual([
      [STAMP, 'daily', 6],
    ]);
    expect(unknown).toEqual([]);
  });

  test('keep what is left of a run, and a file alone knows no tier', () => {
    const left = ['large_volumes/saiga_model_20241201_010000.tar.gz', run[1]!].map(file);
    const { sets } = groupOldFiles(left, STACK, new Set());
    expect(sets.map(({ id, tier, files }) => [id, tier, files.length])).toEqual([
      [STAMP, 'daily', 1],
      ['20241201_010000', 'manual', 1],
    ]);
  });

  test('do not hold what is imported, unknown, or a second file of the same source', () => {
    const second = `pgdb/daily/data/pg_dumpall_${STAMP}.sql`;
    const strange = `mlopsnew/daily/data/notes_${STAMP}.tar.gz`;
    const { sets, unknown } = groupOldFiles(
      [...run, second, strange].map(file),
      STACK,
      new Set([run[0]!]),
    );
    expect(sets[0]?.files.map((one) => one.file.path)).not.toContain(run[0]);
    expect(sets[0]?.files).toHaveLength(5);
    expect(unknown.map(({ path }) => path).sort()).toEqual([strange, second].sort());
  });

  test('never call themselves whole or sound when a source is missing, was read live, or is damaged', () => {
    const { sets } = groupOldFiles(run.map(file), STACK, new Set());
    const held = sets[0]!.files;
    const problems = (frame: ReturnType<typeof frameOldSet>): string[] =>
      frame.problems.map((one) => `${one.service}/${one.source}`);
    const stack = { services: STACK };

    const live = frameOldSet(stack, held);
    expect([live.scope, live.status, problems(live)]).toEqual([
      'all',
      'degraded',
      ['mlopsnew/grafana'],
    ]);
    const noDump = frameOldSet(
      stack,
      held.filter(({ source: { kind } }) => kind !== 'postgres'),
    );
    expect([noDump.scope, noDump.status]).toEqual(['all', 'degraded']);
    expect(problems(noDump)).toContain('pgdb/pgdump');
    const onlyPgdb = frameOldSet(
      stack,
      held.filter(({ service: name }) => name === 'pgdb'),
    );
    expect([onlyPgdb.scope, onlyPgdb.status, onlyPgdb.problems]).toEqual([['pgdb'], 'success', []]);
    const damaged = frameOldSet(stack, held, [
      { service: 'pgdb', source: 'pgdump', code: 'INTEGRITY', message: 'cut' },
    ]);
    expect(damaged.status).toBe('failed');
  });

  test('begin at the local time their stamp names', () => {
    expect(formatStamp(momentOfStamp(STAMP))).toBe(STAMP);
  });
});

describe('choosing where old backups lie beside the catalogue', () => {
  const set = (id: string, more: Partial<SetFile> = {}): SetFile => ({
    format: 'holdfast-set',
    version: 1,
    id,
    tier: 'daily',
    stack: 'ml',
    host: 'box',
    configDigest: '',
    status: 'success',
    problems: [],
    scope: 'all',
    startedAt: momentOfStamp(id).toISOString(),
    finishedAt: momentOfStamp(id).toISOString(),
    workflowId: id,
    artifacts: [],
    ...more,
  });
  const own = set('20241210_010000');
  const old = set('20241212_010000', { origin: 'old-script', status: 'degraded' });

  test('the latest is a verified one, also when the old script’s is newer, which is said', () => {
    const { set: chosen, warnings } = chooseAmongAll([own], [old], 'latest');
    expect(chosen).toBe(own);
    expect(warnings.join()).toMatch(/20241212_010000-daily/);
  });

  test('the latest is the old script’s where there is no other that would do', () => {
    const failed = set('20241213_010000', { status: 'failed' });
    for (const sets of [[], [failed]]) {
      const { set: chosen, warnings } = chooseAmongAll(sets, [old], 'latest');
      expect(chosen).toBe(old);
      expect(warnings.join()).toMatch(/not verified/);
    }
  });

  test('a name means the catalogue’s set first', () => {
    const same = set(old.id);
    expect(chooseAmongAll([same], [old], old.id).set).toBe(same);
    expect(chooseAmongAll([own], [old], `${old.id}-daily`).set).toBe(old);
    expect(() => chooseAmongAll([own], [old], '20241211_010000')).toThrow(/there is no set/);
  });
});
