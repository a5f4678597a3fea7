import { describe, expect, test } from '@jest/globals';
import type { ActivitySnapshot, RunSnapshot } from '../../../src/cli/host/ports.js';
import { ProgressTracker } from '../../../src/cli/progress/tracker.js';
import { renderRow, rowPieces, summarize } from '../../../src/cli/render/rows.js';
import { Style } from '../../../src/cli/render/style.js';
import { displayWidth } from '../../../src/cli/render/text.js';
import type { StepView } from '../../../src/plan/shared/inputs.js';

const style = new Style({ colour: false, unicode: true });

function activity(extra: Partial<ActivitySnapshot> = {}): ActivitySnapshot {
  return {
    activityType: 'dumpDatabase',
    attempt: 1,
    service: 'pgdb',
    source: 'pgdump',
    phase: 'dump',
    bytes: 0,
    entries: 0,
    totalBytes: 1_000_000,
    ...extra,
  };
}

function snapshot(
  state: StepView['state'],
  activities: readonly ActivitySnapshot[] = [],
): RunSnapshot {
  return {
    status: 'running',
    view: { phase: 'reading', steps: [{ service: 'pgdb', step: 'pgdump', state }] },
    activities,
  };
}

describe('tracker', () => {
  test('shows a step as running when its work runs, though its parent has not heard', () => {
    const tracker = new ProgressTracker(0);
    tracker.update(snapshot('pending', [activity({ bytes: 1 })]), 1_000);
    expect(tracker.picture(1_000).rows[0]).toMatchObject({ state: 'running' });
    // Between two activities of the same step nothing is pending on the server.
    tracker.update(snapshot('pending'), 2_000);
    expect(tracker.picture(2_000).rows[0]).toMatchObject({ state: 'running', elapsedMs: 1_000 });
  });

  test('times a step from its beginning to its end', () => {
    const tracker = new ProgressTracker(0);
    tracker.update(snapshot('running'), 1_000);
    tracker.update(snapshot('done'), 5_000);
    expect(tracker.picture(9_000).rows[0]).toMatchObject({ state: 'done', elapsedMs: 4_000 });
  });

  test('does not invent a duration for what was over before it looked', () => {
    const tracker = new ProgressTracker(0);
    tracker.update(snapshot('done'), 1_000);
    expect(tracker.picture(2_000).rows[0]?.elapsedMs).toBeUndefined();
  });

  test('starts the speed anew with every phase', () => {
    const tracker = new ProgressTracker(0);
    tracker.update(snapshot('running', [activity({ bytes: 0 })]), 0);
    tracker.update(snapshot('running', [activity({ bytes: 500_000 })]), 1_000);
    expect(tracker.picture(1_000).rows[0]?.progress?.bytesPerSecond).toBeCloseTo(500_000);
    tracker.update(snapshot('running', [activity({ phase: 'verify', bytes: 900_000 })]), 2_000);
    expect(tracker.picture(2_000).rows[0]?.progress?.bytesPerSecond).toBeUndefined();
  });

  test('keeps the steps when no worker answers for a moment', () => {
    const tracker = new ProgressTracker(0);
    tracker.update(snapshot('running'), 1_000);
    tracker.update({ status: 'running', activities: [] }, 2_000);
    expect(tracker.picture(2_000)).toMatchObject({ answered: true, rows: [{ step: 'pgdump' }] });
  });

  test('knows that nobody has answered yet', () => {
    const tracker = new ProgressTracker(0);
    tracker.update({ status: 'running', activities: [] }, 500);
    expect(tracker.picture(500)).toMatchObject({ answered: false, phase: 'starting', rows: [] });
  });

  test('shows what is tried again and why, also when it is not a step of its own', () => {
    const tracker = new ProgressTracker(0);
    const trouble = activity({
      activityType: 'beginBackup',
      service: '',
      source: '',
      attempt: 3,
      lastFailure: 'Docker does not answer',
    });
    tracker.update(snapshot('pending', [trouble]), 0);
    const row = tracker.picture(0).rows[1];
    expect(row).toMatchObject({ service: '', step: 'beginBackup', state: 'running' });
    expect(rowPieces(row!)[0]).toBe('try 3 after: Docker does not answer');
  });

  test('counts the check of a source for the check, not for its restore', () => {
    const tracker = new ProgressTracker(0);
    const steps: StepView[] = [
      { service: 'pgdb', step: 'pgdump', state: 'pending' },
      { service: 'pgdb', step: 'check pgdump', state: 'running' },
    ];
    const view = { phase: 'checking', steps };
    tracker.update({ status: 'running', view, activities: [activity({ bytes: 5 })] }, 0);
    const rows = tracker.picture(0).rows;
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({ state: 'pending', progress: undefined });
    expect(rows[1]).toMatchObject({ state: 'running', progress: { bytes: 5 } });
  });

  test('of first tries without a name shows nothing', () => {
    const tracker = new ProgressTracker(0);
    tracker.update(snapshot('pending', [activity({ service: '', source: '' })]), 0);
    expect(tracker.picture(0).rows).toHaveLength(1);
  });

  test('a failed run does not end with steps called done', () => {
    const tracker = new ProgressTracker(0);
    tracker.update(snapshot('running'), 0);
    tracker.close('unfinished', 1_000);
    const picture = tracker.picture(1_000);
    expect(picture.rows[0]).toMatchObject({ state: 'skipped', detail: 'not finished' });
    expect(summarize(picture)).toBe('0 of 1 steps done');
  });

  test('a finished run keeps failed and skipped steps as they were', () => {
    const tracker = new ProgressTracker(0);
    tracker.update(
      {
        status: 'running',
        view: {
          phase: 'reading',
          steps: [
            { service: 'a', step: 'x', state: 'failed', detail: 'no' },
            { service: 'a', step: 'y', state: 'skipped' },
            { service: 'a', step: 'z', state: 'pending' },
          ],
        },
        activities: [],
      },
      0,
    );
    tracker.close('done', 1_000);
    expect(tracker.picture(1_000).rows.map(({ state }) => state)).toEqual([
      'failed',
      'skipped',
      'done',
    ]);
  });

  test('what had begun in a run whose last word nobody heard is not called unfinished', () => {
    const tracker = new ProgressTracker(0);
    tracker.update(
      {
        status: 'running',
        view: {
          phase: 'reading',
          steps: [
            { service: 'a', step: 'x', state: 'running' },
            { service: 'a', step: 'y', state: 'pending' },
          ],
        },
        activities: [],
      },
      100,
    );
    tracker.close('unknown', 1_000);
    expect(tracker.picture(1_000).rows).toMatchObject([
      { step: 'x', state: 'running' },
      { step: 'y', state: 'skipped', detail: 'not begun' },
    ]);
  });
});

describe('a row', () => {
  function rowAt(columns: number): string {
    const tracker = new ProgressTracker(0);
    tracker.update(snapshot('running', [activity({ bytes: 0 })]), 0);
    tracker.update(snapshot('running', [activity({ bytes: 250_000 })]), 10_000);
    return renderRow(tracker.picture(10_000).rows[0]!, 11, columns, style);
  }

  test('tells phase, bytes, percent, speed, remaining time and elapsed time', () => {
    expect(rowAt(120)).toBe(
      '▸ pgdb/pgdump  dump  244 KiB of 977 KiB  25%  24.4 KiB/s  30s left  10s',
    );
  });

  test.each([80, 60, 40, 20])('fits %i columns, dropping the least important', (columns) => {
    const text = rowAt(columns);
    expect(displayWidth(text)).toBeLessThanOrEqual(columns);
    expect(text).toContain('dump');
  });

  test('cuts a long reason instead of hiding it', () => {
    const row = {
      service: 'agent',
      step: 'data',
      state: 'failed' as const,
      detail: 'a reason that is much longer than the line there is for it',
      elapsedMs: undefined,
      progress: undefined,
      retry: undefined,
    };
    expect(renderRow(row, 10, 40, style)).toBe('✖ agent/data  a reason that is much lon…');
  });
});
