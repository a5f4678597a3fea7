import { describe, expect, test } from '@jest/globals';
import type { ActivitySnapshot, RunSnapshot } from '../../../src/cli/host/ports.js';
import { mergeSnapshots, servicesAtWork } from '../../../src/cli/progress/merge.js';
import type { StepView } from '../../../src/plan/shared/inputs.js';

function snapshot(
  steps: readonly (readonly [string, string, StepView['state']])[],
  activities: readonly ActivitySnapshot[] = [],
): RunSnapshot {
  return {
    status: 'running',
    view: {
      phase: 'reading',
      steps: steps.map(([service, step, state]) => ({ service, step, state })),
    },
    activities,
  };
}

const dump: ActivitySnapshot = {
  activityType: 'dumpDatabase',
  attempt: 1,
  service: 'pgdb',
  source: 'pgdump',
  phase: 'dump',
  bytes: 1,
  entries: 1,
  totalBytes: 2,
};

describe('a run and its children', () => {
  test('the child’s news win over the parent’s older ones', () => {
    const parent = snapshot([
      ['pgdb', 'configs', 'pending'],
      ['pgdb', 'pgdump', 'pending'],
      ['agent', 'data', 'pending'],
    ]);
    const child = snapshot(
      [
        ['pgdb', 'configs', 'done'],
        ['pgdb', 'pgdump', 'running'],
      ],
      [dump],
    );
    const merged = mergeSnapshots(parent, [child]);
    expect(merged.view?.steps.map(({ state }) => state)).toEqual(['done', 'running', 'pending']);
    expect(merged.activities).toEqual([dump]);
  });

  test('a parent that has heard of the end is not set back by a late answer', () => {
    const parent = snapshot([['pgdb', 'pgdump', 'done']]);
    const child = snapshot([['pgdb', 'pgdump', 'running']]);
    expect(mergeSnapshots(parent, [child]).view?.steps[0]?.state).toBe('done');
  });

  test('steps only the child knows stand with their service', () => {
    const parent = snapshot([
      ['pgdb', 'pgdump', 'running'],
      ['agent', 'data', 'pending'],
    ]);
    const child = snapshot([['pgdb', 'health', 'running']]);
    expect(mergeSnapshots(parent, [child]).view?.steps.map(({ step }) => step)).toEqual([
      'pgdump',
      'health',
      'data',
    ]);
  });

  test('an activity told twice is shown once', () => {
    const parent = snapshot([['pgdb', 'pgdump', 'running']], [dump]);
    expect(mergeSnapshots(parent, [snapshot([], [dump])]).activities).toHaveLength(1);
  });

  test('only services with something left are asked', () => {
    const parent = snapshot([
      ['', 'host', 'running'],
      ['pgdb', 'pgdump', 'done'],
      ['agent', 'data', 'running'],
      ['agent', 'qdrant', 'pending'],
    ]);
    expect(servicesAtWork(parent)).toEqual(['agent']);
    expect(servicesAtWork({ status: 'running', activities: [] })).toEqual([]);
  });
});
