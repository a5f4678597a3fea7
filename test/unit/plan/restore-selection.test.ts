import { describe, expect, test } from '@jest/globals';
import type { Measurement } from '../../../src/format/measurement.js';
import { measuredByDrills, withEstimates } from '../../../src/plan/restore/estimate.js';
import { spaceProblems, withSurvey } from '../../../src/plan/restore/host-survey.js';
import { mixSets, renameServices } from '../../../src/plan/restore/mix-sets.js';
import { pauseStage, planRestore } from '../../../src/plan/restore/restore-plan.js';
import type { PastRestore } from '../../../src/plan/rollback/undo-plan.js';
import { chooseUndo, planUndo } from '../../../src/plan/rollback/undo-plan.js';
import { artifact, service, setFile, source, stackOf } from './helpers.js';

const stack = stackOf([
  service('db', [], [source('configs', 'files', { target: '/db' }), source('dump', 'postgres')]),
  service('app', ['db'], [source('home', 'files', { target: '/app' }), source('vol', 'volume')]),
  service('web', ['app'], []),
]);
const MIB = 1024 * 1024;
const set = setFile('20241212_010000', {
  artifacts: [
    artifact('db', 'configs'),
    artifact('db', 'dump', { kind: 'postgres', contentBytes: 100 * MIB }),
    artifact('app', 'home', { contentBytes: 10 * MIB }),
    artifact('app', 'vol', { kind: 'volume', contentBytes: 20 * MIB }),
  ],
});

describe('the steps of a plan', () => {
  test('are what is stopped, then each stage in order', () => {
    const { steps } = planRestore(stack, set, { services: ['app'] });
    expect(steps.map(({ stage, service: name, step }) => `${stage} ${name} ${step}`)).toEqual([
      '0 web stop',
      '0 app stop',
      '1 app unpack home',
      '1 app swap home',
      '1 app unpack vol',
      '1 app swap vol',
      '1 app start',
      '1 app health',
      '2 web start',
      '2 web health',
    ]);
  });
});

describe('a selection', () => {
  test('of one source leaves the others out, without a word about them', () => {
    const plan = planRestore(stack, set, { sources: ['app/vol'] });
    expect(plan.stages.flat().map(({ service: name, sources }) => [name, sources.length])).toEqual([
      ['app', 1],
      ['web', 0],
    ]);
    expect(plan.warnings).toEqual([]);
  });

  test('of a source of one service beside all of another', () => {
    const plan = planRestore(stack, set, { services: ['db'], sources: ['app/home'] });
    expect(plan.stages.flat().flatMap(({ sources }) => sources.map((one) => one.source))).toEqual([
      'configs',
      'dump',
      'home',
    ]);
  });

  test('of a source that is not configured names what is', () => {
    expect(() => planRestore(stack, set, { sources: ['app/nope'] })).toThrow(
      'unknown source: app/nope',
    );
  });

  test('of a database takes nothing else, and leaves its server running', () => {
    const plan = planRestore(stack, set, { databases: ['shop'] });
    expect(plan.stages[0]?.[0]).toMatchObject({
      service: 'db',
      sources: [{ source: 'dump', databases: ['shop'], replaces: expect.stringContaining('shop') }],
    });
    expect(plan.stopOrder).toEqual(['web', 'app']);
  });

  test('that leaves dependents running says so, and does not touch them', () => {
    const plan = planRestore(stack, set, { services: ['db'], dependents: 'leave' });
    expect(plan.stopOrder).toEqual(['db']);
    expect(plan.leftRunning).toEqual(['app', 'web']);
    expect(plan.warnings).toHaveLength(2);
  });

  test('a pause is before a stage, by number or by a service in it', () => {
    const plan = planRestore(stack, set, {});
    expect(pauseStage(plan, 2)).toBe(2);
    expect(pauseStage(plan, 'app')).toBe(2);
    expect(pauseStage(plan, undefined)).toBeUndefined();
    for (const wrong of [0, 9, 'nobody']) {
      expect(() => pauseStage(plan, wrong)).toThrow('no stage');
    }
  });
});

describe('sets that are mixed', () => {
  const other = setFile('20241211_010000', {
    status: 'degraded',
    problems: [
      { service: 'db', source: 'dump', code: 'X', message: 'half' },
      { service: 'app', source: 'home', code: 'Y', message: 'not this' },
    ],
    artifacts: [artifact('db', 'dump', { kind: 'postgres', contentBytes: 1 })],
  });

  test('take all of a service from its set, never one source of each', () => {
    const mixed = mixSets(set, { db: other });
    expect(mixed.artifacts.filter(({ service: name }) => name === 'db')).toHaveLength(1);
    expect(mixed.otherSets).toEqual({ db: '20241211_010000-daily' });
    expect(mixed.problems.map(({ message }) => message)).toEqual(['half']);
  });

  test('refuse a set that holds nothing of the service', () => {
    expect(() => mixSets(set, { app: other })).toThrow('holds nothing of app');
  });

  test('carry the names of this configuration where those of the set are other ones', () => {
    const renamed = renameServices(set, { db: 'postgres' });
    expect(renamed.artifacts.map((one) => one.service)).toEqual([
      'postgres',
      'postgres',
      'app',
      'app',
    ]);
  });
});

describe('an estimate', () => {
  const at = (day: number): string => `2024-12-${String(day).padStart(2, '0')}T00:00:00.000Z`;
  const measured: Measurement[] = [
    { kind: 'check', service: '', source: '', bytes: 130 * MIB, durationMs: 2_000, at: at(1) },
    {
      kind: 'postgres',
      service: 'db',
      source: 'dump',
      bytes: 50 * MIB,
      durationMs: 10_000,
      at: at(1),
    },
    { kind: 'files', service: 'x', source: 'y', bytes: 10 * MIB, durationMs: 1_000, at: at(1) },
    { kind: 'volume', service: 'x', source: 'z', bytes: 10 * MIB, durationMs: 3_000, at: at(1) },
    ...['db', 'app', 'web'].map((name) => ({
      kind: 'start' as const,
      service: name,
      source: '',
      bytes: 0,
      durationMs: 5_000,
      at: at(1),
    })),
  ];

  test('scales with the size, from the source itself or else from its kind', () => {
    const plan = withEstimates(planRestore(stack, set, {}), measured);
    const [db, app] = plan.stages.flat();
    expect(db?.sources.map(({ estimateMs }) => estimateMs)).toEqual([1_000, 20_000]);
    expect(app?.sources.map(({ estimateMs }) => estimateMs)).toEqual([1_000, 6_000]);
    // check + db + app + web
    expect(plan.estimateMs).toBe(2_000 + 26_000 + 12_000 + 5_000);
  });

  test('of a whole that was never measured is not made up', () => {
    const plan = withEstimates(
      planRestore(stack, set, {}),
      measured.filter(({ kind }) => kind !== 'volume'),
    );
    expect(plan.estimateMs).toBeUndefined();
    expect(withEstimates(planRestore(stack, set, {}), []).estimateMs).toBeUndefined();
  });

  test('comes from drills that passed as well, comparing left out', () => {
    const drill = (status: 'passed' | 'failed') => ({
      status,
      finishedAt: at(4),
      steps: [
        { service: 'db', source: 'dump', step: 'check' as const, durationMs: 500, bytes: 65 * MIB },
        {
          service: 'app',
          source: 'home',
          step: 'check' as const,
          durationMs: 500,
          bytes: 65 * MIB,
        },
        {
          service: 'db',
          source: 'dump',
          step: 'load' as const,
          durationMs: 9_000,
          bytes: 100 * MIB,
        },
        {
          service: 'app',
          source: 'vol',
          step: 'unpack' as const,
          durationMs: 700,
          bytes: 20 * MIB,
        },
        { service: 'app', source: 'vol', step: 'swap' as const, durationMs: 100, bytes: 20 * MIB },
        { service: 'app', source: 'vol', step: 'compare' as const, durationMs: 99_000 },
        { service: 'app', source: 'gone', step: 'unpack' as const, durationMs: 1, bytes: 1 },
        { service: 'app', step: 'start' as const, durationMs: 300 },
        { service: 'app', step: 'gate' as const, durationMs: 400 },
      ],
    });
    const kinds: Record<string, 'postgres' | 'volume'> = { dump: 'postgres', vol: 'volume' };
    const found = measuredByDrills(
      [drill('passed'), drill('failed')],
      (_service, key) => kinds[key],
    );
    expect(
      found.map(({ kind, source: key, bytes, durationMs }) => [kind, key, bytes, durationMs]),
    ).toEqual([
      ['check', '', 130 * MIB, 1_000],
      ['postgres', 'dump', 100 * MIB, 9_000],
      ['volume', 'vol', 20 * MIB, 800],
      ['start', '', 0, 700],
    ]);
  });

  test('heeds the latest measurements, and not one that was out of the ordinary', () => {
    const later = [2, 3].map((day) => ({
      kind: 'postgres' as const,
      service: 'db',
      source: 'dump',
      bytes: 100 * MIB,
      durationMs: day === 2 ? 900_000 : 30_000,
      at: at(day),
    }));
    const plan = withEstimates(planRestore(stack, set, {}), [...measured, ...later]);
    expect(plan.stages[0]?.[0]?.sources[1]?.estimateMs).toBe(30_000);
  });
});

describe('what the host has', () => {
  const survey = {
    measured: [],
    sources: [
      { service: 'app', source: 'home', exists: true, disk: '1', place: '/', freeBytes: 25 * MIB },
      { service: 'app', source: 'vol', exists: false, disk: '1', place: '/', freeBytes: 25 * MIB },
      { service: 'db', source: 'dump', exists: false },
    ],
  };

  test('is in the plan: what is replaced, and the room for old and new of one disk together', () => {
    const plan = withSurvey(planRestore(stack, set, {}), survey);
    const steps = plan.stages.flat().flatMap(({ sources }) => sources);
    expect(steps.map(({ source: name, exists }) => [name, exists])).toEqual([
      ['configs', undefined],
      ['dump', false],
      ['home', true],
      ['vol', false],
    ]);
    expect(plan.space).toEqual([{ place: '/', neededBytes: 30 * MIB, freeBytes: 25 * MIB }]);
    expect(spaceProblems(plan.space, String)).toHaveLength(1);
  });
});

describe('an undo', () => {
  const past = (restoreId: string, changes: Partial<PastRestore> = {}): PastRestore => ({
    restoreId,
    setId: '20241212_010000',
    startedAt: `${restoreId.slice(0, 4)}-${restoreId.slice(4, 6)}-${restoreId.slice(6, 8)}T00:00:00Z`,
    state: 'finished',
    replaced: [{ service: 'app', source: 'home', target: '/app', aside: '/.app.aside' }],
    ...changes,
  });

  test('is of the latest that can be undone', () => {
    const restores = [past('20250101_000000'), past('20250102_000000', { state: 'undone' })];
    expect(chooseUndo(restores, 'latest').restoreId).toBe('20250101_000000');
  });

  test('is refused while a later restore of the same things is not undone', () => {
    const restores = [past('20250101_000000'), past('20250102_000000')];
    expect(() => chooseUndo(restores, '20250101_000000')).toThrow('has replaced the same things');
    const apart = [
      past('20250101_000000'),
      past('20250102_000000', {
        replaced: [{ service: 'db', source: 'dump', target: 'volume x' }],
      }),
    ];
    expect(chooseUndo(apart, '20250101_000000').restoreId).toBe('20250101_000000');
  });

  test.each([
    ['a directory around it', { service: 'x', source: 'y', target: '/srv' }],
    ['a directory within it', { service: 'x', source: 'y', target: '/srv/app/data' }],
    ['the same source in another form', { service: 'app', source: 'home', target: 'volume v' }],
  ])('is refused while a later restore has replaced %s', (_what, later) => {
    const mine = [{ service: 'app', source: 'home', target: '/srv/app' }];
    const restores = [
      past('20250101_000000', { replaced: mine }),
      past('20250102_000000', { replaced: [later] }),
    ];
    expect(() => chooseUndo(restores, '20250101_000000')).toThrow('has replaced the same things');
  });

  test('is not refused for a directory that only begins alike', () => {
    const restores = [
      past('20250101_000000', {
        replaced: [{ service: 'app', source: 'home', target: '/srv/app' }],
      }),
      past('20250102_000000', {
        replaced: [{ service: 'x', source: 'y', target: '/srv/app2' }],
      }),
    ];
    expect(chooseUndo(restores, '20250101_000000').restoreId).toBe('20250101_000000');
  });

  test.each(['running', 'rolled-back', 'undone', 'discarded'] as const)(
    'of a restore that is %s is refused with the reason',
    (state) => {
      expect(() => chooseUndo([past('20250101_000000', { state })], '20250101_000000')).toThrow(
        /^restore 20250101_000000 /,
      );
      expect(() => chooseUndo([past('20250101_000000', { state })], 'latest')).toThrow(
        'there is no restore to undo',
      );
    },
  );

  test('that was begun can be finished', () => {
    expect(chooseUndo([past('20250101_000000', { state: 'undoing' })], 'latest').state).toBe(
      'undoing',
    );
  });

  test('stops and puts back dependents first, and starts them last', () => {
    const plan = planUndo(
      stack,
      past('20250101_000000', {
        replaced: [
          { service: 'db', source: 'dump', target: 'a' },
          { service: 'app', source: 'home', target: 'b' },
        ],
      }),
    );
    expect(plan.stopOrder).toEqual(['web', 'app', 'db']);
    expect(plan.putBack).toEqual(['web', 'app', 'db']);
    expect(plan.stages).toEqual([['db'], ['app'], ['web']]);
  });

  test('of services that are no longer configured is refused', () => {
    const replaced = [{ service: 'gone', source: 's', target: 't' }];
    expect(() => planUndo(stack, past('20250101_000000', { replaced }))).toThrow('gone');
  });
});
