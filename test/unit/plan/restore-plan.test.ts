import { describe, expect, test } from '@jest/globals';
import { planRestore } from '../../../src/plan/restore/restore-plan.js';
import { artifact, service, setFile, source, stackOf } from './helpers.js';

const stack = stackOf([
  service(
    'pgdb',
    [],
    [
      source('dump', 'postgres', { target: 'ml_postgres' }),
      source('configs', 'files', { target: '/pgdb', include: ['docker-compose.yml', 'configs'] }),
    ],
  ),
  service('model', [], [source('m', 'files', { target: '/model' })], false),
  service(
    'mlops',
    ['pgdb', 'model'],
    [
      source('configs', 'files', { target: '/mlops', include: ['config'] }),
      source('vol', 'volume'),
      source('data', 'files', { target: '/mlops', exclude: ['cache'] }),
    ],
  ),
  service('notes', ['mlops'], [source('n')], false),
  service('proxy', ['mlops'], []),
  service('web', ['notes'], [source('data')]),
]);

const whole = setFile('20241212_010000', {
  artifacts: [
    artifact('pgdb', 'dump', { kind: 'postgres', contentBytes: 100 }),
    artifact('pgdb', 'configs'),
    artifact('model', 'm'),
    artifact('mlops', 'configs'),
    artifact('mlops', 'vol', { kind: 'volume' }),
    artifact('mlops', 'data'),
    artifact('notes', 'n'),
    artifact('web', 'data'),
  ],
});

function shape(plan: ReturnType<typeof planRestore>): string[][] {
  return plan.stages.map((stage) =>
    stage.map(({ service: name, sources }) => `${name}:${sources.map((s) => s.source).join(',')}`),
  );
}

describe('the plan of a restore', () => {
  test('everything, wide files before narrow ones, then volumes, servers last', () => {
    const plan = planRestore(stack, whole, {});
    expect(shape(plan)).toEqual([
      ['pgdb:configs,dump', 'model:m'],
      ['mlops:data,configs,vol'],
      ['notes:n', 'proxy:'],
      ['web:data'],
    ]);
    expect(plan.stopOrder).toEqual(['web', 'proxy', 'mlops', 'pgdb']);
    expect(plan).toMatchObject({ setId: '20241212_010000', setTier: 'daily', contentBytes: 170 });
    expect(plan.warnings).toEqual([]);
  });

  test('what hangs on a restored service is stopped and started again, not restored', () => {
    const plan = planRestore(stack, whole, { services: ['model'] });
    expect(shape(plan)).toEqual([['model:m'], ['mlops:'], ['proxy:', 'web:']]);
    expect(plan.stopOrder).toEqual(['web', 'proxy', 'mlops']);
    expect(plan.contentBytes).toBe(10);
  });

  test('whatever is stopped is in a stage that starts it again', () => {
    for (const { name } of stack.services.filter((each) => each.sources.length > 0)) {
      const plan = planRestore(stack, whole, { services: [name] });
      const started = plan.stages.flat().filter((each) => each.hasContainers);
      expect([...plan.stopOrder].reverse()).toEqual(started.map((each) => each.service));
    }
  });

  test('a person is told what will be replaced', () => {
    const sources = planRestore(stack, whole, { services: ['pgdb', 'mlops'] })
      .stages.flat()
      .flatMap((each) => each.sources.map((step) => step.replaces));
    expect(sources).toEqual([
      'in /pgdb: docker-compose.yml, configs',
      'all data of the server in ml_postgres',
      'everything in /mlops, without cache',
      'in /mlops: config',
      'the volume vol',
    ]);
  });

  test('a service that the set does not hold is refused, with what it holds', () => {
    const set = setFile('20241212_010000', { artifacts: [artifact('web', 'data')] });
    expect(() => planRestore(stack, set, { services: ['web', 'pgdb', 'proxy'] })).toThrow(
      expect.objectContaining({
        code: 'SET_NOT_FOUND',
        message: 'the set 20241212_010000-daily holds nothing of pgdb, proxy',
        hint: expect.stringContaining('web'),
      }),
    );
  });

  test('a set of which nothing can be restored is refused', () => {
    const set = setFile('20241212_010000', { artifacts: [artifact('old', 'data')] });
    expect(() => planRestore(stack, set, {})).toThrow('holds nothing of ml');
  });

  test('an unknown service is not taken for one the set lacks', () => {
    expect(() => planRestore(stack, whole, { services: ['pgbd'] })).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_SERVICE' }),
    );
  });
});

describe('what a person should know before', () => {
  const warningsOf = (
    extras: Parameters<typeof setFile>[1],
    services?: readonly string[],
  ): readonly string[] =>
    planRestore(stack, setFile('20241212_010000', { artifacts: whole.artifacts, ...extras }), {
      services,
    }).warnings;

  test('a degraded set names its problems', () => {
    const problems = [{ service: 'web', source: 'data', code: 'X', message: 'two files changed' }];
    expect(warningsOf({ status: 'degraded', problems })).toEqual([
      'the set 20241212_010000-daily is degraded: web/data: two files changed',
    ]);
    expect(warningsOf({ status: 'failed' })).toEqual([
      'the set 20241212_010000-daily is failed: no problems are named',
    ]);
  });

  test('an artifact in doubt is named, also where that was expected', () => {
    const artifacts = whole.artifacts.map((each) =>
      each.service === 'mlops' ? { ...each, consistent: false } : each,
    );
    expect(warningsOf({ artifacts }, ['mlops'])).toEqual([
      'mlops/configs changed while it was backed up',
      'mlops/vol changed while it was backed up',
      'mlops/data changed while it was backed up',
    ]);
    const expected = stackOf([
      service('mlops', [], [source('vol', 'volume', { changesExpected: true })]),
    ]);
    const set = setFile('20241212_010000', {
      artifacts: [artifact('mlops', 'vol', { kind: 'volume', consistent: false })],
    });
    expect(planRestore(expected, set, {}).warnings).toEqual([
      'mlops/vol changed while it was backed up (expected by the configuration)',
    ]);
    expect(warningsOf({ artifacts }, ['web'])).toEqual([]);
  });

  test('what set and configuration do not share is named, not passed over', () => {
    const artifacts = [
      ...whole.artifacts.filter((each) => each.service !== 'web' && each.source !== 'vol'),
      artifact('gone', 'data'),
      artifact('gone', 'more'),
      artifact('mlops', 'dropped'),
    ];
    expect(warningsOf({ artifacts, stack: 'other' })).toEqual([
      'the set is of the stack other, this is ml',
      'web is not in the set and stays as it is',
      'gone is in the set, but not in the configuration; it is not restored',
      'mlops/vol is not in the set and stays as it is',
      'mlops/dropped is in the set, but no longer in the configuration; it is not restored',
    ]);
  });

  test('a source that has become another kind is not restored over it', () => {
    const artifacts = whole.artifacts.map((each) =>
      each.source === 'vol' ? { ...each, kind: 'files' as const } : each,
    );
    const plan = planRestore(stack, { ...whole, artifacts }, { services: ['mlops'] });
    expect(shape(plan)[0]).toEqual(['mlops:data,configs']);
    expect(plan.warnings).toEqual([
      'mlops/vol is files in the set, volume now, and stays as it is',
    ]);
  });
});
