import { describe, expect, test } from '@jest/globals';
import { PassThrough } from 'node:stream';
import type { Ports, ScheduleGateway } from '../../../src/cli/host/ports.js';
import { runCli } from '../../../src/cli/program.js';
import { Style } from '../../../src/cli/render/style.js';
import { renderSchedules } from '../../../src/cli/views/runs/schedules-view.js';
import type { Config } from '../../../src/format/config/schema.js';
import { HoldfastError } from '../../../src/base/errors.js';
import type { ScheduleChange } from '../../../src/plan/schedule/schedule-changes.js';
import type { ScheduleView } from '../../../src/plan/schedule/schedule-view.js';

const NOW = Date.parse('2026-11-22T09:00:00Z');

const backup: ScheduleView = {
  id: 'holdfast/ml/backup',
  name: 'backup',
  state: 'applied',
  differs: [],
  paused: false,
  note: null,
  times: ['daily: 0 1 * * *', 'weekly: 0 1 * * 0'],
  timezone: 'Europe/Moscow',
  next: ['2026-11-22T22:00:00.000Z'],
  last: {
    workflowId: 'holdfast/ml/backup-2026-11-21T22:00:00Z',
    dueAt: '2026-11-21T22:00:00.000Z',
    startedAt: '2026-11-22T06:30:00.000Z',
    outcome: 'degraded',
  },
  running: [],
  runs: 12,
  skippedByOverlap: 2,
  missedCatchUp: 1,
};
const check: ScheduleView = {
  ...backup,
  id: 'holdfast/ml/check',
  name: 'check',
  times: ['30 1 * * *'],
  paused: true,
  note: 'disk\nswap',
  next: [],
  last: null,
};

interface Told {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
  readonly calls: readonly unknown[];
}

async function run(args: string[], gateway: Partial<ScheduleGateway>): Promise<Told> {
  const told = { out: '', err: '' };
  const calls: unknown[] = [];
  const output = (side: 'out' | 'err') => ({
    write: (text: string) => void (told[side] += text),
    isTerminal: false,
    columns: () => 140,
    rows: () => 24,
    stream: new PassThrough(),
  });
  const ports = {
    findConfigFile: () => Promise.resolve('/etc/holdfast.yaml'),
    loadConfig: () =>
      Promise.resolve({
        stack: 'ml',
        file: '/etc/holdfast.yaml',
        schedules: { apply: 'onStart' },
      } as unknown as Config),
    connectSchedules: () =>
      Promise.resolve({
        ...gateway,
        close: () => {
          calls.push('closed');
          return Promise.resolve();
        },
      } as ScheduleGateway),
  } as unknown as Ports;
  const exitCode = await runCli(['schedules', ...args], {
    out: output('out'),
    err: output('err'),
    stdin: new PassThrough(),
    env: { USER: 'ops' },
    ports,
    onSignal: () => () => undefined,
    exitNow: () => undefined,
  });
  return { exitCode, ...told, calls };
}

describe('schedules list', () => {
  const plain = new Style({ colour: false, unicode: true });

  test('tells what comes, what was, and what was left out', () => {
    expect(renderSchedules([backup, check], 140, NOW, plain)).toEqual([
      'SCHEDULE  STATE   NEXT              LAST  OUTCOME   RUNS  SKIPPED  MISSED  TIMES',
      'backup    on      2026-11-23 01:00    2h  degraded    12        2       1  daily: 0 1 * * *; weekly: 0 1 * * 0',
      'check     paused  paused                  none yet    12        2       1  30 1 * * *',
      '',
      'times are those of Europe/Moscow; SKIPPED fell while a run was going on, MISSED came too late to catch up',
      'backup last started 8h 30m late, to catch up',
      'check is paused: disk swap',
    ]);
  });

  test('a narrow terminal loses the cron lines, not what matters', () => {
    const [, row] = renderSchedules([backup], 80, NOW, plain);
    expect(row).toContain('degraded    12        2       1');
    expect(row?.length).toBeLessThanOrEqual(80);
  });

  test.each([
    ['missing', 'backup is not in Temporal: `holdfast schedules apply` makes it', 3],
    ['differs', 'backup is not as configured (jitter)', 3],
    ['foreign', "backup is not Holdfast's own", 3],
    ['left over', 'backup is no longer in the configuration', 0],
  ] as const)('a schedule that is %s is told', async (state, remark, exitCode) => {
    const schedules = [{ ...backup, state, differs: ['jitter'] }];
    const told = await run(['list'], { list: () => Promise.resolve(schedules) });
    expect(told.out).toContain(remark);
    expect(told.exitCode).toBe(exitCode);
    expect(told.calls).toEqual(['closed']);
  });

  test('with --json is one document', async () => {
    const told = await run(['list', '--json'], { list: () => Promise.resolve([backup]) });
    expect(JSON.parse(told.out)).toEqual({ stack: 'ml', apply: 'onStart', schedules: [backup] });
  });

  test('says so when there is none', async () => {
    const told = await run(['list'], { list: () => Promise.resolve([]) });
    expect([told.exitCode, told.out]).toEqual([
      0,
      expect.stringContaining('nothing runs by itself'),
    ]);
  });
});

describe('schedules apply', () => {
  const changes: readonly ScheduleChange[] = [
    { id: 'holdfast/ml/backup', action: 'update', because: 'by hand', differs: ['time zone'] },
    { id: 'holdfast/ml/check', action: 'keep', differs: [] },
    { id: 'holdfast/ml/drill', action: 'remove', differs: [] },
  ];

  test('tells each change, and a change by hand as such', async () => {
    const told = await run(['apply'], { apply: () => Promise.resolve(changes) });
    expect(told.out.split('\n')).toEqual([
      '  update  holdfast/ml/backup: time zone (changed by hand)',
      '  keep    holdfast/ml/check',
      '  remove  holdfast/ml/drill: no longer in the configuration',
      '2 schedules changed',
      '',
    ]);
    expect(told.exitCode).toBe(0);
  });

  test('--dry-run asks for nothing to be done and says that nothing was', async () => {
    const told = await run(['apply', '--dry-run'], {
      apply: (_config, { dryRun }) => Promise.resolve(dryRun ? changes : []),
    });
    expect(told.out).toContain('2 schedules would change; nothing was done');
  });

  test('a second time says that there was nothing to change', async () => {
    const told = await run(['apply'], { apply: () => Promise.resolve(changes.slice(1, 2)) });
    expect(told.out).toContain('nothing to change');
  });

  test('a schedule that is in our way makes the command degraded', async () => {
    const foreign: ScheduleChange = { id: 'holdfast/ml/check', action: 'foreign', differs: [] };
    const told = await run(['apply', '--json'], { apply: () => Promise.resolve([foreign]) });
    expect([told.exitCode, JSON.parse(told.out)]).toEqual([
      3,
      { stack: 'ml', dryRun: false, changed: false, changes: [foreign] },
    ]);
  });
});

describe('schedules by hand', () => {
  test('a pause says who paused where no note does', async () => {
    const pause = (stack: string, name: string | undefined, note: string) =>
      Promise.resolve([`${stack} ${name ?? 'all'} ${note}`]);
    expect((await run(['pause'], { pause })).out).toContain('paused: ml all paused by ops');
    expect((await run(['pause', 'check', '--note', 'swap'], { pause })).out).toContain(
      'paused: ml check swap (swap)',
    );
  });

  test('a run that is going on refuses the trigger with exit code 1', async () => {
    const told = await run(['trigger', 'backup'], {
      trigger: () =>
        Promise.reject(new HoldfastError('PERMIT_HELD', 'a run of holdfast/ml/backup is going on')),
    });
    expect([told.exitCode, told.calls]).toEqual([1, ['closed']]);
    expect(told.err).toContain('is going on');
  });

  test('--quiet prints the id of the run alone, for scripts', async () => {
    const trigger = () => Promise.resolve('holdfast/ml/backup-1');
    expect((await run(['trigger', 'backup', '--quiet'], { trigger })).out).toBe(
      'holdfast/ml/backup-1\n',
    );
  });

  test('trigger needs a name', async () => {
    expect((await run(['trigger'], {})).exitCode).toBe(2);
  });
});
