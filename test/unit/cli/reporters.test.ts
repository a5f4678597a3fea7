import { describe, expect, test } from '@jest/globals';
import { JsonReporter } from '../../../src/cli/progress/json-reporter.js';
import { LineReporter } from '../../../src/cli/progress/line-reporter.js';
import { LiveReporter } from '../../../src/cli/progress/live-reporter.js';
import type { RunPicture, StepRow } from '../../../src/cli/progress/tracker.js';
import { Style } from '../../../src/cli/render/style.js';
import { FakeTerminal } from './fake-terminal.js';

const plain = new Style({ colour: false, unicode: true });

function row(step: string, extra: Partial<StepRow> = {}): StepRow {
  return {
    service: 'pgdb',
    step,
    state: 'pending',
    detail: undefined,
    elapsedMs: undefined,
    progress: undefined,
    retry: undefined,
    ...extra,
  };
}

function running(step: string, bytes: number): StepRow {
  return row(step, {
    state: 'running',
    progress: {
      phase: 'read',
      bytes,
      totalBytes: 4096,
      entries: 1,
      bytesPerSecond: undefined,
      remainingMs: undefined,
    },
  });
}

function picture(rows: readonly StepRow[], extra: Partial<RunPicture> = {}): RunPicture {
  return { phase: 'reading', waitingFor: undefined, rows, elapsedMs: 0, answered: true, ...extra };
}

const run = { title: 'Backup of ml (daily)', workflowId: 'holdfast/ml/backup/x' };

describe('lines for a pipe', () => {
  function lines(): { reporter: LineReporter; written: string[] } {
    const written: string[] = [];
    return { reporter: new LineReporter((line) => written.push(line), plain), written };
  }

  test('come only when something changes', () => {
    const { reporter, written } = lines();
    reporter.begin(run);
    for (let at = 0; at < 10_000; at += 500) reporter.show(picture([running('pgdump', at)]), at);
    reporter.show(
      picture([row('pgdump', { state: 'done', detail: '1 GiB', elapsedMs: 9_000 })]),
      10_000,
    );
    expect(written).toEqual([
      'Backup of ml (daily): holdfast/ml/backup/x',
      'phase: reading',
      'pgdb/pgdump: read, 0 B of 4.0 KiB, 0%',
      'pgdb/pgdump: done: 1 GiB (9.0s)',
    ]);
  });

  test('say once that a step began and once that it ended, whatever older looks say later', () => {
    const { reporter, written } = lines();
    const looks: StepRow['state'][] = ['running', 'pending', 'running', 'done', 'running', 'done'];
    for (const [at, state] of looks.entries())
      reporter.show(picture([row('start', { state })]), at);
    reporter.end(picture([row('start', { state: 'done' })]));
    expect(written.filter((line) => line.startsWith('pgdb/start'))).toEqual([
      'pgdb/start: started',
      'pgdb/start: done',
    ]);
  });

  test('tell progress every 15 seconds, and not when nothing moved', () => {
    const { reporter, written } = lines();
    for (let at = 0; at <= 60_000; at += 500) {
      reporter.show(picture([running('pgdump', Math.min(2048, at / 10))]), at);
    }
    const progress = written.filter((line) => line.includes('pgdump: read'));
    expect(progress).toEqual([
      'pgdb/pgdump: read, 0 B of 4.0 KiB, 0%',
      'pgdb/pgdump: read, 1.5 KiB of 4.0 KiB, 36%',
      'pgdb/pgdump: read, 2.0 KiB of 4.0 KiB, 50%',
    ]);
  });

  test('say whom the run waits for, once', () => {
    const { reporter, written } = lines();
    const waiting = picture([], { phase: 'waiting', waitingFor: 'holdfast/ml/backup/a' });
    reporter.show(waiting, 0);
    reporter.show(waiting, 500);
    expect(written).toEqual(['waiting for holdfast/ml/backup/a to finish']);
  });

  test('tell each new try with its reason', () => {
    const { reporter, written } = lines();
    const failing = (attempt: number): StepRow =>
      row('pgdump', { state: 'running', retry: { attempt, reason: 'refused\nreally' } });
    reporter.show(picture([running('pgdump', 0)]), 0);
    reporter.show(picture([failing(2)]), 500);
    reporter.show(picture([failing(2)]), 1_000);
    reporter.show(picture([failing(3)]), 1_500);
    expect(written.filter((line) => line.includes('try'))).toEqual([
      'pgdb/pgdump: try 2 after: refused really',
      'pgdb/pgdump: try 3 after: refused really',
    ]);
  });
});

describe('JSON events', () => {
  test('are emitted on change only and carry numbers, not text', () => {
    const events: unknown[] = [];
    const reporter = new JsonReporter((event) => events.push(event));
    reporter.begin(run);
    reporter.show(picture([running('pgdump', 10)]));
    reporter.show(picture([running('pgdump', 10)]));
    reporter.show(picture([running('pgdump', 20)]));
    reporter.end(picture([row('pgdump', { state: 'done', elapsedMs: 3 })]));
    expect(events).toEqual([
      { type: 'started', workflowId: run.workflowId, title: run.title },
      { type: 'phase', phase: 'reading', elapsedMs: 0 },
      { type: 'step', service: 'pgdb', step: 'pgdump', state: 'running' },
      {
        type: 'progress',
        service: 'pgdb',
        step: 'pgdump',
        phase: 'read',
        bytes: 10,
        totalBytes: 4096,
        entries: 1,
      },
      expect.objectContaining({ type: 'progress', bytes: 20 }),
      { type: 'step', service: 'pgdb', step: 'pgdump', state: 'done', elapsedMs: 3 },
    ]);
  });
});

describe('the live block', () => {
  test('is redrawn in place: the screen shows the last picture once', () => {
    const terminal = new FakeTerminal(80, 24);
    const reporter = new LiveReporter(terminal, plain, true);
    reporter.begin(run);
    for (let at = 0; at < 5; at += 1) {
      reporter.show(picture([running('configs', at), running('pgdump', at)]));
    }
    reporter.end(picture([row('configs', { state: 'done' }), row('pgdump', { state: 'done' })]));
    expect(terminal.screen()).toEqual([
      'holdfast/ml/backup/x',
      'Backup of ml (daily)  1s  reading',
      '✔ pgdb/configs  done',
      '✔ pgdb/pgdump   done',
      '2 of 2 steps done',
    ]);
    expect(terminal.cursorVisible).toBe(true);
  });

  test('leaves nothing behind when a picture has fewer lines', () => {
    const terminal = new FakeTerminal(80, 24);
    const reporter = new LiveReporter(terminal, plain, false);
    reporter.show(picture([running('a', 1), running('b', 1), running('c', 1)]));
    reporter.end(picture([running('a', 1)]));
    expect(terminal.screen()).toHaveLength(3);
  });

  test('keeps a remark above it', () => {
    const terminal = new FakeTerminal(80, 24);
    const reporter = new LiveReporter(terminal, plain, false);
    reporter.show(picture([running('a', 1)]));
    reporter.note('no worker');
    reporter.end(picture([running('a', 1)]));
    expect(terminal.screen()[0]).toBe('note: no worker');
    expect(terminal.screen()).toHaveLength(4);
  });

  test('never is wider than the terminal, so that no line wraps', () => {
    const terminal = new FakeTerminal(40, 24);
    const reporter = new LiveReporter(terminal, plain, true);
    const waitingFor = 'holdfast/ml/backup/20241212_010000-and-more';
    reporter.show(picture([running('a-rather-long-name-of-a-source', 1)], { waitingFor }));
    reporter.show(picture([running('a-rather-long-name-of-a-source', 2)], { waitingFor }));
    expect(terminal.screen()).toHaveLength(4);
    expect(Math.max(...terminal.screen().map((line) => line.length))).toBeLessThan(40);
  });

  test('finds its top again after the terminal was made narrower', () => {
    const terminal = new FakeTerminal(80, 24);
    const reporter = new LiveReporter(terminal, plain, false);
    const rows = [row('a', { state: 'failed', detail: 'x'.repeat(60) })];
    reporter.show(picture(rows));
    terminal.resize(50);
    reporter.end(picture(rows));
    expect(
      terminal.screen().filter((line) => line.includes('Backup') || line.includes('reading')),
    ).toHaveLength(1);
  });

  test('fits a low terminal: what runs is shown, the rest is counted', () => {
    const terminal = new FakeTerminal(80, 10);
    const reporter = new LiveReporter(terminal, plain, false);
    const done = Array.from({ length: 20 }, (_, index) => row(`d${index}`, { state: 'done' }));
    reporter.show(picture([...done, running('now', 1)]));
    const screen = terminal.screen();
    expect(screen.length).toBeLessThanOrEqual(9);
    expect(screen.join('\n')).toContain('pgdb/now');
    expect(screen.join('\n')).toContain('16 more, 16 of them done');
  });

  test('does not draw over a question', () => {
    const terminal = new FakeTerminal(80, 24);
    const reporter = new LiveReporter(terminal, plain, true);
    reporter.show(picture([running('a', 1)]));
    reporter.pause();
    terminal.write('Cancel? ');
    reporter.show(picture([running('a', 2)]));
    expect(terminal.screen().at(-1)).toBe('Cancel?');
    expect(terminal.cursorVisible).toBe(true);
  });
});
