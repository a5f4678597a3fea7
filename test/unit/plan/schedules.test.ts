import { describe, expect, test } from '@jest/globals';
import type { ConfigInput } from '../../../src/format/config/schema.js';
import {
  contentKey,
  planScheduleChanges,
  type FoundSchedule,
} from '../../../src/plan/schedule/schedule-changes.js';
import {
  scheduleSpecs,
  type DesiredSchedule,
  type ScheduleConfig,
} from '../../../src/plan/schedule/schedule-specs.js';
import { configOf, fileWith } from '../config/helpers.js';

const NOW = Date.parse('2026-11-22T12:00:00Z');

function configWith(tiers: ConfigInput['tiers'], schedules: ConfigInput['schedules'] = {}) {
  return configOf(
    fileWith(
      'a: {}',
      `tiers: ${JSON.stringify(tiers ?? {})}\nschedules: ${JSON.stringify(schedules)}`,
    ),
  );
}

function specs(config: ScheduleConfig): DesiredSchedule[] {
  return scheduleSpecs(config, NOW);
}

const guide = {
  daily: { schedule: '0 1 * * *' },
  weekly: { schedule: '0 1 * * 0' },
  monthly: { schedule: '0 1 1 * *' },
};

describe('the schedules of a configuration', () => {
  test('the tiers are one schedule with a calendar each, so that a night they share reads once', () => {
    const config = configWith(guide, { timezone: 'Europe/Moscow', jitter: '2m' });
    const [backup, ...others] = specs(config);

    expect(others).toEqual([]);
    expect(backup).toMatchObject({
      id: `holdfast/${config.stack}/backup`,
      timezone: 'Europe/Moscow',
      jitterMs: 120_000,
      catchUpMs: 43_200_000,
      overlap: 'BUFFER_ONE',
      workflowType: 'scheduledBackup',
      workflowId: `holdfast/${config.stack}/backup`,
      taskQueue: `holdfast/${config.stack}`,
      input: {
        stack: config.stack,
        host: config.hostId,
        timezone: 'Europe/Moscow',
        tiers: [
          { tier: 'daily', cron: '0 1 * * *' },
          { tier: 'weekly', cron: '0 1 * * 0' },
          { tier: 'monthly', cron: '0 1 1 * *' },
        ],
      },
    });
    expect(backup?.calendars.map(({ comment }) => comment)).toEqual([
      'daily: 0 1 * * *',
      'weekly: 0 1 * * 0',
      'monthly: 0 1 1 * *',
    ]);
    expect(backup?.calendars[1]).toMatchObject({
      seconds: [0],
      minutes: [0],
      hours: [1],
      weekdays: [0],
      years: [],
    });
  });

  test('a tier without a time is in no schedule, and no tier makes none', () => {
    expect(specs(configWith({}))).toEqual([]);
    const [backup] = specs(configWith({ weekly: { schedule: '0 1 * * 0' } }));
    expect(backup?.input['tiers']).toEqual([{ tier: 'weekly', cron: '0 1 * * 0' }]);
  });

  test('check, verification and drill get what their workflows take', () => {
    const config = configWith(
      {},
      {
        check: '30 1 * * *',
        verify: { cron: '0 4 * * *', budget: '90m' },
        drill: { cron: '0 5 * * 6', services: ['a'] },
      },
    );
    const host = { stack: config.stack, host: config.hostId };
    expect(
      specs(config).map(({ name, workflowType, input }) => [name, workflowType, input]),
    ).toEqual([
      ['check', 'checkBackups', host],
      ['verify', 'verifyBackups', { ...host, budgetMs: 5_400_000 }],
      ['drill', 'drillRestore', { ...host, set: 'latest', services: ['a'] }],
    ]);
    // What a later one does as well need not wait for the one that is going on.
    expect(new Set(specs(config).map(({ overlap }) => overlap))).toEqual(new Set(['SKIP']));
  });

  test('either of two day fields, as cron means it, since a calendar takes both', () => {
    const [backup] = specs(configWith({ weekly: { schedule: '0 1 1 * 0' } }));
    expect(backup?.calendars.map(({ days, weekdays }) => [days.length, weekdays.length])).toEqual([
      [1, 7],
      [31, 1],
    ]);
  });

  test('a window the server would round up is rounded here, or it would never be right', () => {
    const [backup] = specs(configWith(guide, { catchUp: '5s' }));
    expect(backup?.catchUpMs).toBe(10_000);
  });

  test('a night clocks leave out runs when they jump over it', () => {
    const added = (timezone: string, schedule: string) =>
      specs(configWith({ daily: { schedule } }, { timezone }))[0]
        ?.calendars.filter(({ years }) => years.length > 0)
        .map(({ years, months, days, hours, minutes }) =>
          [...years, ...months, ...days, ...hours, ...minutes].join(' '),
        );
    expect(added('Europe/London', '0 1 * * *')).toEqual([
      '2026 3 29 2 0',
      '2027 3 28 2 0',
      '2028 3 26 2 0',
      '2029 3 25 2 0',
      '2030 3 31 2 0',
    ]);
    expect(added('Europe/Berlin', '0 1 * * *')).toEqual([]);
    expect(added('Europe/Berlin', '59 2 * * *')).toHaveLength(5);
    // Only on Mondays: clocks are put forward on Sundays.
    expect(added('Europe/Berlin', '59 2 * * 1')).toEqual([]);
    expect(added('Australia/Lord_Howe', '15 2 * * *')?.[0]).toBe('2026 10 4 2 30');
  });
});

describe('what applying has to do', () => {
  const wanted = specs(configWith(guide, { check: '30 1 * * *' }));
  const found = (schedule: DesiredSchedule, extra: Partial<FoundSchedule> = {}): FoundSchedule => ({
    id: schedule.id,
    ours: true,
    content: schedule,
    additions: [],
    writtenKey: contentKey(schedule),
    ...extra,
  });
  const actions = (desired: readonly DesiredSchedule[], has: readonly FoundSchedule[]) =>
    planScheduleChanges(desired, has).map(({ id, action, because, differs }) =>
      [id.split('/').at(-1), action, because, ...differs].filter((word) => word !== undefined),
    );

  test('what is there and right is left alone', () => {
    expect(
      actions(
        wanted,
        wanted.map((each) => found(each)),
      ),
    ).toEqual([
      ['backup', 'keep'],
      ['check', 'keep'],
    ]);
  });

  test('what the server tells in another order is the same', () => {
    const [backup, check] = wanted;
    const turned = {
      ...backup!,
      calendars: [...backup!.calendars].reverse().map((each) => ({ ...each, comment: '' })),
      input: Object.fromEntries(Object.entries(backup!.input).reverse()),
    };
    expect(actions(wanted, [found(check!), found(turned)])).toEqual([
      ['backup', 'keep'],
      ['check', 'keep'],
    ]);
    expect(contentKey(turned)).toBe(contentKey(backup!));
  });

  test('a change of the configuration is told from a change by hand', () => {
    const [backup, check] = wanted;
    const before = { ...backup!, timezone: 'Asia/Tokyo' };
    const changed = { ...check!, jitterMs: 5, overlap: 'BUFFER_ONE' as const };
    expect(
      actions(wanted, [found(before), found(changed, { writtenKey: contentKey(check!) })]),
    ).toEqual([
      ['backup', 'update', 'configuration', 'time zone'],
      ['check', 'update', 'by hand', 'jitter', 'overlap policy'],
    ]);
  });

  test('things that can only have been added by hand are taken out', () => {
    const [, check] = wanted;
    expect(actions([check!], [found(check!, { additions: ['retry policy'] })])).toEqual([
      ['check', 'update', 'by hand', 'retry policy'],
    ]);
    expect(actions([check!], [found(check!, { content: undefined })])).toEqual([
      ['check', 'update', 'by hand', 'action'],
    ]);
  });

  test('one the configuration no longer has goes, one that is somebody else’s never', () => {
    const [backup, check] = wanted;
    const foreign = { id: 'holdfast/s/mine', ours: false, additions: [] };
    expect(actions([backup!], [found(backup!), found(check!), foreign])).toEqual([
      ['backup', 'keep'],
      ['check', 'remove'],
    ]);
    // Not even where its id is one of ours.
    expect(actions([backup!], [found(backup!, { ours: false })])).toEqual([['backup', 'foreign']]);
  });
});
