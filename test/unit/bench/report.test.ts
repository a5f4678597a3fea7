import { describe, expect, test } from '@jest/globals';
import { replaceBetweenMarks } from '../../../bench/publish.js';
import { renderForDocs, renderForTerminal } from '../../../bench/render.js';
import { reportSchema, type Report, type Result } from '../../../bench/report.js';
import { spread, summarise } from '../../../bench/summary.js';
import { judge } from '../../../bench/targets.js';
import { TOOLS } from '../../../bench/tools/index.js';

const result = (
  scenario: Result['scenario'],
  tool: Result['tool'],
  round: number,
  seconds: number,
  more: Partial<Result> = {},
): Result => ({
  scenario,
  tool,
  round,
  seconds,
  flushSeconds: 0.1,
  userSeconds: 1,
  systemSeconds: 0.5,
  peakBytes: 100e6,
  addedBytes: 1000,
  ...more,
});

const report = (results: Result[]): Report =>
  reportSchema.parse({
    format: 'holdfast-bench',
    version: 1,
    startedAt: '2024-01-01T00:00:00.000Z',
    finishedAt: '2024-01-01T01:00:00.000Z',
    complete: true,
    host: {
      processor: 'a processor',
      processors: 2,
      memoryBytes: 1024 ** 3,
      system: 'a system',
      kernel: '1.2.3',
      fileSystem: 'ext4',
      loads: [0, 1],
    },
    settings: {
      sizeBytes: 1,
      tinyFiles: 1,
      rounds: 3,
      cold: false,
      seed: 's',
      memoryKind: 'pss',
    },
    trees: [{ kind: 'mixed', files: 3, bytes: 5 }],
    tools: TOOLS.map(({ name, label, how }) => ({ name, label, how, version: '1.0' })),
    results,
    failures: [],
  });

describe('the summary of a benchmark', () => {
  test('takes ratios within a round, so that a slow round counts for both', () => {
    const rows = summarise(
      report([
        // Medians alone would say 2/10; each round says half, one says a third.
        result('first', 'holdfast', 1, 1),
        result('first', 'restic', 1, 2),
        result('first', 'holdfast', 2, 5),
        result('first', 'restic', 2, 10),
        result('first', 'holdfast', 3, 10),
        result('first', 'restic', 3, 30),
      ]),
    );
    expect(rows.map(({ tool }) => tool)).toEqual(['holdfast', 'restic']);
    expect(rows[0]).toMatchObject({
      seconds: { median: 5, min: 1, max: 10, count: 3 },
      toRestic: { median: 0.5, min: 10 / 30, max: 0.5, count: 3 },
      toBorg: undefined,
      cpuSeconds: 1.5,
    });
  });

  test('leaves rounds out of a ratio that only one of both has', () => {
    const rows = summarise(
      report([
        result('first', 'tar', 1, 8),
        result('first', 'restic', 1, 4),
        result('first', 'restic', 2, 1),
      ]),
    );
    const tar = rows.find(({ tool }) => tool === 'tar');
    expect(tar?.toRestic).toEqual({ median: 2, min: 2, max: 2, count: 1 });
  });

  test('reports the highest memory of all rounds, not the usual one', () => {
    const rows = summarise(
      report([
        result('unchanged', 'borg', 1, 1, { peakBytes: 5 }),
        result('unchanged', 'borg', 2, 1, { peakBytes: 9 }),
        result('unchanged', 'borg', 3, 1, { peakBytes: 5 }),
      ]),
    );
    expect(rows[0]?.peakBytes).toBe(9);
  });

  test('takes the middle of an even number of rounds between both', () => {
    expect(spread([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4, count: 4 });
    expect(spread([])).toBeUndefined();
  });
});

describe('the targets', () => {
  test('are neither met nor missed where nothing was measured', () => {
    expect(
      judge([]).every(({ met, measured }) => met === undefined && measured === undefined),
    ).toBe(true);
  });

  test('are judged by the median ratio, stored bytes and the highest memory', () => {
    const rows = summarise(
      report([
        result('first', 'holdfast', 1, 1, { addedBytes: 1200, peakBytes: 301e6 }),
        result('first', 'restic', 1, 2, { addedBytes: 1000 }),
        result('unchanged', 'holdfast', 1, 1),
        result('unchanged', 'restic', 1, 2),
      ]),
    );
    const met = new Map(judge(rows).map((verdict) => [verdict.target, verdict.met]));
    expect(met.get('first: at most 0.6× the time of restic')).toBe(true);
    expect(met.get('first: at most 1.0× the time of borg')).toBeUndefined();
    expect(met.get('unchanged: at most 0.3× the time of restic')).toBe(false);
    expect(met.get('first: bytes stored at most 1.1× those of restic')).toBe(false);
    expect(met.get('every scenario: at most 300 MB of memory')).toBe(false);
  });
});

describe('the report as text', () => {
  const measured = report([
    result('first', 'holdfast', 1, 1, { startSeconds: 0.25 }),
    result('first', 'restic', 1, 2),
    result('restore', 'holdfast', 1, 1),
  ]);

  test('has a line for each tool, and says what the start of the process took', () => {
    const text = renderForTerminal(measured);
    expect(text).toMatch(/^ {2}Holdfast +1\.00 s +one round +0\.50 +–/m);
    expect(text).toContain('0.25 s are the start of its process');
  });

  test('names what failed', () => {
    const failures: Report['failures'] = [
      { scenario: 'restore', tool: 'borg', round: 1, message: 'broke' },
    ];
    expect(renderForTerminal({ ...measured, failures })).toContain(
      'borg failed in round 1 at restore: broke',
    );
  });

  test('goes between the marks of a page, again and again, and touches nothing else', () => {
    const page = 'before\n\n<!-- table -->\n\nstale\n\n<!-- /table -->\n\nafter\n';
    const once = replaceBetweenMarks(page, renderForDocs(measured));
    expect(once).toMatch(/^before\n\n<!-- table -->\n\nMeasured on 2024-01-01: /);
    expect(once).toMatch(/<!-- \/table -->\n\nafter\n$/);
    expect(once).not.toContain('stale');
    expect(replaceBetweenMarks(once, renderForDocs(measured))).toBe(once);
    expect(() => replaceBetweenMarks('no marks', '')).toThrow('no <!-- table -->');
  });
});
