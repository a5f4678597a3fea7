import { describe, expect, test } from '@jest/globals';
import { planBackup } from '../../../src/plan/backup/backup-plan.js';
import { artifactPath } from '../../../src/format/artifact-paths.js';
import { service, source, stackOf } from './helpers.js';

const stack = stackOf([
  service('agent', ['pgdb'], [source('data'), source('vol', 'volume', { quiesced: true })]),
  service('pgdb', [], [source('dump', 'postgres')]),
  service('proxy', ['agent'], []),
  service('model', [], [source('m', 'files', { name: 'saiga', large: true })], false),
]);

describe('where artifacts lie', () => {
  test("the guide's tree", () => {
    expect(artifactPath('a', 'weekly', 'docker', 'v', '20241212_010000', false)).toBe(
      'a/weekly/docker/v_20241212_010000',
    );
    expect(artifactPath('a', 'manual', 'data', 'v', '20241212_010000', false)).toBe(
      'a/manual/data/v_20241212_010000',
    );
    expect(artifactPath('a', 'weekly', 'docker', 'v', '20241212_010000', true)).toBe(
      'large_volumes/v_20241212_010000',
    );
  });
});

describe('the plan of a backup', () => {
  test('everything in the order of the stack, at its path; nothing for services without sources', () => {
    expect(planBackup(stack, { tier: 'daily' }, '20241212_010000')).toEqual({
      setId: '20241212_010000',
      tier: 'daily',
      stages: [
        [
          {
            service: 'pgdb',
            sources: [
              {
                source: 'dump',
                kind: 'postgres',
                name: 'dump',
                artifactPath: 'pgdb/daily/data/dump_20241212_010000',
                quiesced: false,
              },
            ],
          },
          {
            service: 'model',
            sources: [
              {
                source: 'm',
                kind: 'files',
                name: 'saiga',
                artifactPath: 'large_volumes/saiga_20241212_010000',
                quiesced: false,
              },
            ],
          },
        ],
        [
          {
            service: 'agent',
            sources: [
              {
                source: 'data',
                kind: 'files',
                name: 'data',
                artifactPath: 'agent/daily/data/data_20241212_010000',
                quiesced: false,
              },
              {
                source: 'vol',
                kind: 'volume',
                name: 'vol',
                artifactPath: 'agent/daily/docker/vol_20241212_010000',
                quiesced: true,
              },
            ],
          },
        ],
      ],
    });
  });

  test('a selection saves only what was asked for', () => {
    const plan = planBackup(stack, { tier: 'manual', services: ['agent'] }, '20241212_010000');
    expect(plan.stages.flat().map((each) => each.service)).toEqual(['agent']);
  });

  test('a run that would save nothing does not pass for a backup', () => {
    expect(() => planBackup(stack, { tier: 'daily', services: ['proxy'] }, 'x')).toThrow(
      'nothing to back up: proxy has no sources',
    );
  });

  test('all unknown services are named at once', () => {
    expect(() => planBackup(stack, { tier: 'daily', services: ['x', 'agent', 'y'] }, 'x')).toThrow(
      'unknown services: x, y',
    );
  });
});
