import { describe, expect, test } from '@jest/globals';
import type { CheckFacts, CheckPolicy, ScheduleFact } from '../../../src/plan/check/check-facts.js';
import { checkBackups, worstOf } from '../../../src/plan/check/check.js';
import { describeShrink } from '../../../src/plan/backup/anomaly.js';
import type { UnsoundSet } from '../../../src/format/set-knowledge.js';
import { dueTimesBack, lastDue } from '../../../src/plan/schedule/due-times.js';
import { forecastDisk } from '../../../src/plan/check/forecast.js';
import { oldestChecked } from '../../../src/plan/verify/verify-order.js';
import type { SetFile } from '../../../src/format/manifest.js';
import { artifact, setFile } from './helpers.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const GIB = 1024 ** 3;

const POLICY: CheckPolicy = {
  tiers: {
    daily: { keep: 3, cron: '0 1 * * *' },
    weekly: { keep: 2, cron: '0 1 * * 0' },
    monthly: { keep: 2 },
  },
  timezone: 'UTC',
  graceMs: 6 * HOUR_MS,
  startGraceMs: 10 * 60_000,
  verifiedWithinMs: 90 * DAY_MS,
  freeWarnPercent: 15,
  freeCriticalPercent: 5,
  forecastMs: 14 * DAY_MS,
};

function set(day: number, extras: Partial<SetFile> = {}): SetFile {
  return setFile(`202412${String(day).padStart(2, '0')}_010000`, extras);
}

/** Thursday the 12th, eight in the morning: all is well. 8 December 2024 was a Sunday. */
const WELL: CheckFacts = {
  now: new Date('2024-12-12T08:00:00Z'),
  sets: [set(8, { tier: 'weekly' }), set(10), set(11), set(12)],
  unsound: new Map(),
  unreadable: [],
  verifiedAt: new Map(),
  shrinks: [],
  schedules: { known: true, schedules: [] },
  disk: { freeBytes: 500 * GIB, totalBytes: 1000 * GIB },
  stopped: [],
  restores: [],
  runningSince: [],
};
const SCHEDULE: ScheduleFact = {
  id: 'holdfast/ml/backup',
  paused: false,
  note: '',
  missedCatchUps: 0,
  skippedRuns: 0,
  hasNext: true,
};
const scheduled = (extras: Partial<ScheduleFact> = {}): CheckFacts['schedules'] => ({
  known: true,
  schedules: [{ ...SCHEDULE, ...extras }],
});
const FINE = { ...WELL, schedules: scheduled() };

function bad(facts: Partial<CheckFacts>, policy: Partial<CheckPolicy> = {}): string[] {
  return checkBackups({ ...FINE, ...facts }, { ...POLICY, ...policy })
    .filter(({ severity }) => severity !== 'ok')
    .map(({ severity, code, subject }) => `${severity} ${code} ${subject}`);
}

const shrink = {
  ...{ service: 'agent', source: 'data', setId: '20241212_010000' },
  ...{ startedAt: '2024-12-12T01:00:00Z', contentBytes: 5, usualBytes: 100 },
  ...{ entries: 1, usualEntries: 9, current: true },
};
const open = { name: 'ml_db', workflowId: 'w', at: '2024-12-12T01:00:00Z' };
const disk = (free: number) => ({ disk: { freeBytes: free * GIB, totalBytes: 1000 * GIB } });

describe('what a check finds', () => {
  const cases: [string, Partial<CheckFacts>, string[]][] = [
    ['nothing, when all is well', {}, []],
    [
      'a run that did not happen, by its absence',
      { sets: [set(8, { tier: 'weekly' }), set(10), set(11)] },
      ['critical backup-missed daily'],
    ],
    [
      'where the server tells that nothing runs, half an hour after it was due',
      { sets: [set(8, { tier: 'weekly' }), set(11)], now: new Date('2024-12-12T01:30:00Z') },
      ['critical backup-missed daily'],
    ],
    [
      'nothing when it was due a moment ago',
      { sets: [set(8, { tier: 'weekly' }), set(11)], now: new Date('2024-12-12T01:09:00Z') },
      [],
    ],
    [
      'where no server tells, nothing while the run may still come',
      {
        sets: [set(8, { tier: 'weekly' }), set(11)],
        now: new Date('2024-12-12T06:59:00Z'),
        runningSince: undefined,
      },
      [],
    ],
    [
      'where no server tells, its absence once the grace is over',
      { sets: [set(8, { tier: 'weekly' }), set(11)], runningSince: undefined },
      ['critical backup-missed daily'],
    ],
    [
      'nothing while it is under way',
      {
        sets: [set(8, { tier: 'weekly' }), set(11)],
        runningSince: ['2024-12-12T01:00:02Z'],
      },
      [],
    ],
    [
      'a run that hangs since yesterday is no excuse for today',
      { sets: [set(8, { tier: 'weekly' }), set(10)], runningSince: ['2024-12-11T01:00:02Z'] },
      ['critical backup-missed daily'],
    ],
    [
      'a tier of which never came anything, once it was due',
      { sets: [set(7), set(8), set(9), set(10), set(11), set(12)] },
      ['critical backup-missed weekly'],
    ],
    [
      'nothing of a tier that was due while only the old script ran',
      { sets: [set(1, { origin: 'old-script' }), set(10), set(11), set(12)] },
      [],
    ],
    [
      'nothing of a tier that was not due since the stack is backed up',
      { sets: [set(10), set(11), set(12)] },
      [],
    ],
    ['that there are none at all', { sets: [] }, ['critical no-backups sets']],
    [
      'that the runs come and fail',
      {
        sets: [
          set(8, { tier: 'weekly' }),
          set(11),
          set(12, {
            status: 'failed',
            problems: [{ service: 'pgdb', source: 'dump', code: 'X', message: 'no server' }],
          }),
        ],
      },
      ['critical backup-failed daily'],
    ],
    [
      'that the newest is degraded',
      { sets: [set(8, { tier: 'weekly' }), set(12, { status: 'degraded' })] },
      ['warning degraded daily'],
    ],
    [
      'that a backup of one service is none of the stack',
      { sets: [set(8, { tier: 'weekly' }), set(11), set(12, { scope: ['pgdb'] })] },
      ['critical backup-missed daily'],
    ],
    [
      'that the newest is damaged, which is as if there were none',
      {
        unsound: new Map([
          ['20241212_010000-daily', { reason: '1 damaged file', artifacts: new Set<string>() }],
        ]),
      },
      ['critical backup-failed daily', 'critical set-damaged 20241212_010000-daily'],
    ],
    [
      'that an old set is not all there',
      {
        unsound: new Map([
          [
            '20241210_010000-daily',
            {
              reason: 'not all there: agent/data: its directory is missing',
              artifacts: new Set<string>(),
              state: 'incomplete',
            },
          ],
        ]),
      },
      ['warning set-incomplete 20241210_010000-daily'],
    ],
    [
      'set files that can not be read',
      { unreadable: ['sets/x.json'] },
      ['critical catalogue-unreadable catalogue'],
    ],
    ['a sudden shrink', { shrinks: [shrink] }, ['warning size-dropped agent/data']],
    [
      'a source that became empty',
      { shrinks: [{ ...shrink, contentBytes: 0 }] },
      ['critical size-dropped agent/data'],
    ],
    ['nothing of a shrink that is over', { shrinks: [{ ...shrink, current: false }] }, []],
    ['a disk that runs full', disk(149), ['warning disk-low disk']],
    ['a disk that is full', disk(49), ['critical disk-low disk']],
    ['that the disk is not there', { disk: undefined }, ['critical root-missing disk']],
    [
      'containers that a dead run left stopped',
      { stopped: [{ ...open, alive: false }] },
      ['critical left-stopped ml_db'],
    ],
    ['nothing of what a living run stopped', { stopped: [{ ...open, alive: true }] }, []],
    ['that it can not know about a run', { restores: [open] }, ['warning restore-open ml_db']],
    [
      'a restore that nobody finished',
      { restores: [{ ...open, alive: false }] },
      ['critical restore-open ml_db'],
    ],
    [
      'a schedule that is paused',
      { schedules: scheduled({ paused: true }) },
      ['warning schedule-paused holdfast/ml/backup'],
    ],
    [
      'a schedule that never runs again',
      { schedules: scheduled({ hasNext: false }) },
      ['critical schedule-ended holdfast/ml/backup'],
    ],
    [
      'a scheduled run that failed',
      {
        schedules: scheduled({
          lastRun: { workflowId: 'w', status: 'FAILED', at: '2024-12-12T02:00:00Z' },
        }),
      },
      ['warning schedule-run-failed holdfast/ml/backup'],
    ],
    [
      'nothing of one that a good backup followed',
      {
        schedules: scheduled({
          lastRun: { workflowId: 'w', status: 'FAILED', at: '2024-12-11T02:00:00Z' },
        }),
      },
      [],
    ],
    [
      'nothing of its own failures before',
      {
        schedules: scheduled({
          id: 'holdfast/ml/check',
          lastRun: { workflowId: 'w', status: 'FAILED', at: '2024-12-12T07:00:00Z' },
        }),
      },
      [],
    ],
    [
      'schedules that nobody applied',
      { schedules: { known: true, schedules: [] } },
      ['warning schedules-missing schedules'],
    ],
    [
      'nothing of schedules it could not ask about',
      { schedules: { known: false, reason: 'x' } },
      ['warning schedules-unknown schedules'],
    ],
    [
      'that a newer set of a tier came to nothing, before the next one is due',
      { sets: [...WELL.sets, setFile('20241212_070000', { status: 'failed' })] },
      ['warning newer-failed daily'],
    ],
    [
      'a set of a clock that was ahead, which is no good one',
      {
        sets: [set(8, { tier: 'weekly' }), set(10), set(11), setFile('20261212_010000')],
      },
      ['critical backup-missed daily', 'warning set-of-future clock'],
    ],
    [
      'that the clock is behind all sets',
      { now: new Date('2020-01-01T00:00:00Z') },
      ['critical no-good-backup sets', 'critical set-of-future clock'],
    ],
    [
      'a store that is not there, once',
      { sets: [], storeRefused: { code: 'store-missing', message: 'm', hint: 'h' } },
      ['critical store-missing store'],
    ],
    [
      'inodes that are nearly used up',
      { disk: { ...WELL.disk!, inodes: { free: 90_000, total: 1_000_000 } } },
      ['warning inodes-low disk'],
    ],
    [
      'inodes that are used up, where bytes are free',
      { disk: { ...WELL.disk!, inodes: { free: 0, total: 1_000_000 } } },
      ['critical inodes-low disk'],
    ],
    [
      'few inodes of a small disk',
      { disk: { ...WELL.disk!, inodes: { free: 900, total: 1_000 } } },
      ['critical inodes-low disk'],
    ],
    [
      'sets that were not read for long',
      {
        sets: [
          set(8, { tier: 'weekly' }),
          set(12),
          set(1, {
            tier: 'manual',
            id: '20240101_010000',
            startedAt: '2024-01-01T01:00:00Z',
            finishedAt: '2024-01-01T01:00:00Z',
          }),
        ],
      },
      ['warning not-verified verification'],
    ],
  ];
  test.each(cases)('%s', (_what, facts, expected) => {
    expect(bad(facts).sort()).toEqual([...expected].sort());
  });

  test('the worst first, and how many runs are missing', () => {
    const findings = checkBackups(
      { ...FINE, sets: [set(8, { tier: 'weekly' }), set(9)], ...disk(100) },
      POLICY,
    );
    expect(findings.map(({ severity }) => severity).slice(0, 2)).toEqual(['critical', 'warning']);
    expect(worstOf(findings)).toBe('critical');
    expect(findings[0]?.message).toBe(
      'the newest good daily set is 20241209_010000-daily, 3d old; 3 runs made none since ' +
        '2024-12-10T01:00:00.000Z; no run of it left anything behind: is the schedule there, and does the worker run?',
    );
  });

  test('that it could not look at the schedules is said', () => {
    const findings = checkBackups(
      { ...FINE, schedules: { known: false, reason: 'no Temporal' } },
      POLICY,
    );
    expect(findings.map(({ message }) => message).join()).toContain(
      'schedules could not be looked at: no Temporal',
    );
  });

  describe('where nothing is promised of the tiers', () => {
    const tiers = { daily: { keep: 3 }, weekly: { keep: 2 }, monthly: { keep: 2 } };
    const failed = set(12, { status: 'failed' });

    test.each<[string, SetFile[], string[]]>([
      ['only failed sets', [failed], ['critical no-good-backup sets']],
      [
        'only failed sets made by hand',
        [set(12, { tier: 'manual', status: 'failed' })],
        ['critical no-good-backup sets'],
      ],
      ['a good one made by hand', [set(12, { tier: 'manual' })], []],
      ['a good one before a failed one', [set(10), failed], ['warning newer-failed daily']],
      ['a failed one before a good one', [set(10, { status: 'failed' }), set(12)], []],
      ['none at all', [], ['critical no-backups sets']],
    ])('%s', (_what, sets, expected) => {
      expect(bad({ sets }, { tiers })).toEqual(expected);
    });

    test('only a set of which every part is gone', () => {
      const unsound = new Map([
        [
          '20241212_010000-daily',
          {
            reason: 'not all there: x',
            artifacts: new Set(set(12).artifacts.map(({ path }) => path)),
            state: 'incomplete' as const,
          },
        ],
      ]);
      expect(bad({ sets: [set(12)], unsound }, { tiers })).toEqual([
        'critical set-incomplete 20241212_010000-daily',
        'critical no-good-backup sets',
      ]);
    });
  });

  test('a source that is configured and in no sound set', () => {
    const sources = [
      { service: 'agent', source: 'data' },
      { service: 'agent', source: 'new' },
    ];
    expect(bad({}, { sources })).toEqual(['warning never-saved agent/new']);
    const damaged = (id: number): [string, UnsoundSet] => [
      `202412${id}_010000-daily`,
      { reason: '1 damaged file', artifacts: new Set([artifact('agent', 'data').path]) },
    ];
    const sets = [set(11), set(12)];
    const unsound = new Map([damaged(11), damaged(12)]);
    expect(bad({ sets, unsound }, { sources })).toContain('warning never-saved agent/data');
  });

  test('an age, where the schedule is kept elsewhere', () => {
    const tiers = {
      daily: { keep: 3, maximumAgeMs: 26 * HOUR_MS },
      weekly: { keep: 2 },
      monthly: { keep: 2 },
    };
    expect(bad({}, { tiers })).toEqual([]);
    expect(bad({ now: new Date('2024-12-13T04:00:00Z') }, { tiers })).toEqual([
      'critical backup-missed daily',
    ]);
    expect(bad({ sets: [set(12, { tier: 'weekly' })] }, { tiers })).toEqual([
      'critical backup-missed daily',
    ]);
  });
});

describe('when a line was due', () => {
  const dues = (cron: string, zone: string, until: string, after: string): string[] =>
    [...dueTimesBack(cron, zone, Date.parse(until), Date.parse(after))].map((at) =>
      new Date(at).toISOString(),
    );

  test('in the zone of the configuration', () => {
    expect(
      dues('0 1 * * *', 'Europe/Moscow', '2024-12-12T00:00:00Z', '2024-12-10T00:00:00Z'),
    ).toEqual(['2024-12-11T22:00:00.000Z', '2024-12-10T22:00:00.000Z']);
    expect(new Date(lastDue('0 5 1 * *', 'UTC', Date.parse('2024-12-31T00:00:00Z')) ?? 0)).toEqual(
      new Date('2024-12-01T05:00:00Z'),
    );
  });

  test('the moment that is asked about is due, the one before is not', () => {
    const at = '2024-12-12T01:00:00.000Z';
    expect(dues('0 1 * * *', 'UTC', at, '2024-12-12T00:59:59Z')).toEqual([at]);
    expect(dues('0 1 * * *', 'UTC', '2024-12-12T00:59:59Z', '2024-12-11T01:00:00Z')).toEqual([]);
  });

  test('an hour that clocks leave out or show twice does not make a run missing', () => {
    const spring = dues(
      '30 2 * * *',
      'Europe/Berlin',
      '2025-03-31T12:00:00Z',
      '2025-03-29T12:00:00Z',
    );
    expect(spring).toEqual(['2025-03-31T00:30:00.000Z', '2025-03-30T01:00:00.000Z']);
    const autumn = dues(
      '30 2 * * *',
      'Europe/Berlin',
      '2025-10-26T12:00:00Z',
      '2025-10-25T12:00:00Z',
    );
    expect(autumn).toHaveLength(1);
  });
});

describe('how long the disk lasts', () => {
  const keeps = { daily: 3, weekly: 2, monthly: 2 };
  const adding = (day: number, gib: number, extras: Partial<SetFile> = {}): SetFile =>
    set(day, {
      artifacts: [artifact('a', 'b', { storedBytes: 100 * GIB, linkedBytes: (100 - gib) * GIB })],
      ...extras,
    });

  test('what is linked costs nothing; a tier that is full replaces, and does not grow', () => {
    const sets = [adding(10, 5), adding(11, 5), adding(12, 5)];
    const full = forecastDisk(sets, keeps, 100 * GIB);
    expect(full).toMatchObject({ usualBytes: 5 * GIB, bytesPerDay: 0 });
    expect(full.daysLeft).toBeUndefined();
    const filling = forecastDisk(sets, { ...keeps, daily: 30 }, 100 * GIB);
    expect(filling.bytesPerDay).toBe(5 * GIB);
    expect(filling.daysLeft).toBe(20);
  });

  test('a full tier whose sets add more and more', () => {
    const sets = [adding(9, 2), adding(10, 2), adding(11, 8), adding(12, 8)];
    expect(forecastDisk(sets, keeps, 60 * GIB)).toMatchObject({
      bytesPerDay: 6 * GIB,
      daysLeft: 10,
    });
  });

  test('a set that was linked into a further tier is counted once', () => {
    const sets = [adding(8, 5), adding(8, 5, { tier: 'weekly' }), adding(9, 5), adding(10, 5)];
    const { bytesPerDay } = forecastDisk(sets, { ...keeps, daily: 30, weekly: 30 }, 100 * GIB);
    expect(bytesPerDay).toBe(5 * GIB);
  });

  test('is not known from one set, nor from two of one afternoon, and that is said', () => {
    const told = (sets: SetFile[], free = 500): string =>
      checkBackups({ ...FINE, sets, ...disk(free) }, POLICY).find(
        ({ subject }) => subject === 'disk',
      )!.message;
    expect(told([adding(12, 5)])).toMatch(/free; how long it lasts is not known yet/);
    const afternoon = [setFile('20241212_070000'), setFile('20241212_073000')];
    expect(told(afternoon)).toMatch(/not known yet/);
    expect(bad({ sets: afternoon, ...disk(200) })).not.toContain('warning disk-fills disk');
    expect(told([10, 11, 12].map((day) => adding(day, 5)))).toMatch(/free, and not growing$/);
    expect(told([11, 12].map((day) => adding(day, 5)))).toMatch(/enough for 100 days$/);
    expect(told([11, 12].map((day) => adding(day, 0.001)))).toMatch(/for more than ten years$/);
  });

  test('is said when it is soon, and when the next one does not fit', () => {
    const tiers = { ...POLICY.tiers, daily: { keep: 30, cron: '0 1 * * *' } };
    const sets = [set(8, { tier: 'weekly' }), adding(10, 20), adding(11, 20), adding(12, 20)];
    expect(bad({ sets, ...disk(200) }, { tiers })).toEqual(['warning disk-fills disk']);
    expect(bad({ sets, disk: { freeBytes: 19 * GIB, totalBytes: 20 * GIB } })).toContain(
      'critical next-does-not-fit disk',
    );
    const once = [...sets.slice(0, -1), adding(12, 100)];
    expect(bad({ sets: once, disk: { freeBytes: 90 * GIB, totalBytes: 100 * GIB } })).toContain(
      'warning full-does-not-fit disk',
    );
  });
});

test('a shrink names what fell, and not what grew, as smaller', () => {
  const KIB = 1024;
  const was = { ...shrink, usualBytes: 781 * KIB, usualEntries: 41 };
  expect(describeShrink({ ...was, contentBytes: 5222 * KIB, entries: 3 })).toBe(
    'agent/data shrank from 41 entries to 3, though it has 5.1 MiB instead of 781 KiB',
  );
  expect(describeShrink({ ...was, contentBytes: 100 * KIB, entries: 50 })).toBe(
    'agent/data shrank from 781 KiB to 100 KiB, though it has 50 entries instead of 41',
  );
  expect(describeShrink({ ...was, contentBytes: 0, entries: 1 })).toBe(
    'agent/data shrank from 781 KiB in 41 entries to 0 B in 1 entry',
  );
});

test('what was not looked at for longest is verified first', () => {
  const at = (iso: string, level: 'hashes' | 'decode') => ({ at: iso, level });
  const checked = new Map([
    ['20241210_010000', at('2024-12-20T00:00:00Z', 'decode')],
    ['20241211_010000', at('2024-12-19T00:00:00Z', 'hashes')],
  ]);
  const order = (level: 'hashes' | 'decode'): number[] =>
    oldestChecked([set(10), set(11), set(12)], ({ id }) => checked.get(id), level).map(({ id }) =>
      Number(id.slice(6, 8)),
    );
  expect(order('hashes')).toEqual([12, 11, 10]);
  // Its hash was compared, but nobody decoded it.
  expect(order('decode')).toEqual([11, 12, 10]);
});
