import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { dueTiers, isDueBetween, timesOf, type TierCron } from '../../../src/plan/schedule/due.js';

/** The guide's crontab. */
const GUIDE: readonly TierCron[] = [
  { tier: 'daily', cron: '0 1 * * *' },
  { tier: 'weekly', cron: '0 1 * * 0' },
  { tier: 'monthly', cron: '0 1 1 * *' },
];

interface Case {
  readonly due: string;
  readonly started?: string;
  readonly covered?: string;
  readonly timezone?: string;
  readonly tiers?: readonly TierCron[];
}

function ask({ due, started, covered, timezone = 'UTC', tiers = GUIDE }: Case): string {
  const answer = dueTiers({
    tiers,
    timezone,
    dueAtMs: Date.parse(due),
    startedAtMs: Date.parse(started ?? due) + 350,
    coveredUntilMs: covered === undefined ? undefined : Date.parse(covered),
  });
  return [answer.reason, ...answer.tiers].join(' ');
}

describe('which tiers a run is due for', () => {
  test.each([
    ['a Saturday', '2026-11-21T01:00:00Z', 'due daily'],
    ['a Sunday', '2026-11-22T01:00:00Z', 'due daily weekly'],
    ['the 1st, a Tuesday', '2026-12-01T01:00:00Z', 'due daily monthly'],
    ['Sunday the 1st: one run, three tiers', '2026-11-01T01:00:00Z', 'due daily weekly monthly'],
    ['the last day of February', '2026-02-28T01:00:00Z', 'due daily'],
    ['the leap day', '2028-02-29T01:00:00Z', 'due daily'],
  ])('%s', (_name, due, expected) => {
    expect(ask({ due })).toBe(expected);
  });

  test('a run by a clock that was ahead keeps no later one from being due', () => {
    const due = '2026-11-21T01:00:00Z';
    expect(ask({ due, covered: '2030-01-01T00:00:00Z' })).toBe('due daily');
    expect(ask({ due, covered: '2026-11-21T01:00:30Z' })).toBe('covered');
  });

  test.each([
    ['0 1 31 * *', '2027-01-31T01:00:00Z', 'due monthly'],
    ['0 1 31 * *', '2027-02-28T01:00:00Z', 'asked monthly'],
    ['0 1 29 2 *', '2028-02-29T01:00:00Z', 'due monthly'],
    ['0 1 29 2 *', '2027-03-01T01:00:00Z', 'asked monthly'],
  ])('a day that a month lacks is not moved to another: %s on %s', (cron, due, expected) => {
    expect(ask({ due, tiers: [{ tier: 'monthly', cron }] })).toBe(expected);
  });

  test.each([
    // Cron's rule: the 1st OR a Sunday.
    ['0 1 1 * 0', '2026-11-22T01:00:00Z', 'due weekly'],
    ['0 1 1 * 0', '2026-12-01T01:00:00Z', 'due weekly'],
    ['0 1 1 * 0', '2026-12-02T01:00:00Z', 'asked weekly'],
    // A field that begins with a star does not widen the other: odd days that are Sundays.
    ['0 1 */2 * 0', '2026-11-22T01:00:00Z', 'asked weekly'],
    ['0 1 */2 * 0', '2026-11-15T01:00:00Z', 'due weekly'],
    ['0 1 */2 * 7', '2026-11-15T01:00:00Z', 'due weekly'],
  ])('both day fields, as cron reads them: %s on %s', (cron, due, expected) => {
    expect(ask({ due, tiers: [{ tier: 'weekly', cron }] })).toBe(expected);
  });

  test('the day is that of the zone, not of UTC', () => {
    // Sunday 01:00 in Moscow is Saturday 22:00 in UTC.
    const timezone = 'Europe/Moscow';
    expect(ask({ due: '2026-11-21T22:00:00Z', timezone })).toBe('due daily weekly');
    expect(ask({ due: '2026-11-22T22:00:00Z', timezone })).toBe('due daily');
  });
});

describe('a run that starts late', () => {
  test('counts for the time it was due, not for the time it could start', () => {
    expect(ask({ due: '2026-11-22T01:00:00Z', started: '2026-11-22T09:41:00Z' })).toBe(
      'due daily weekly',
    );
    expect(ask({ due: '2026-11-23T01:00:00Z', started: '2026-11-23T09:41:00Z' })).toBe('due daily');
  });

  test('makes up in one reading for all that was missed before it could start', () => {
    // Off from Saturday evening to Monday morning: the first missed run is Sunday's.
    expect(
      ask({
        due: '2026-10-31T01:00:00Z',
        started: '2026-11-01T09:00:00Z',
        covered: '2026-10-30T01:00:03Z',
      }),
    ).toBe('due daily weekly monthly');
  });

  test('also where no run ever succeeded', () => {
    expect(ask({ due: '2026-11-21T01:00:00Z', started: '2026-11-22T09:41:00Z' })).toBe(
      'due daily weekly',
    );
  });

  test('the others that were missed have nothing left to do', () => {
    expect(
      ask({
        due: '2026-11-01T01:00:00Z',
        started: '2026-11-01T09:10:00Z',
        covered: '2026-11-01T09:00:00Z',
      }),
    ).toBe('covered');
  });

  test('a week that failed, or was skipped by overlap, is made up by the next run', () => {
    expect(ask({ due: '2026-11-23T01:00:00Z', covered: '2026-11-21T01:00:01Z' })).toBe(
      'due daily weekly',
    );
  });

  test('what was made is not made again the next night', () => {
    expect(ask({ due: '2026-11-23T01:00:00Z', covered: '2026-11-22T01:00:01Z' })).toBe('due daily');
  });
});

describe('a run somebody asked for', () => {
  test('is the most frequent tier there is', () => {
    const due = '2026-11-22T14:03:07Z';
    expect(ask({ due })).toBe('asked daily');
    expect(ask({ due, covered: '2026-11-22T01:00:01Z' })).toBe('asked daily');
    expect(ask({ due, tiers: GUIDE.slice(1).reverse() })).toBe('asked weekly');
  });

  test('after a failed night makes what the night should have made', () => {
    expect(ask({ due: '2026-11-22T14:03:07Z', covered: '2026-11-21T01:00:01Z' })).toBe(
      'due daily weekly',
    );
  });
});

describe('where clocks are put forward and back', () => {
  // London: 01:00 does not exist on 2026-03-29 (a Sunday) and is shown twice on 2026-10-25 (another).
  const timezone = 'Europe/London';

  test('a time that is left out is due when clocks jump over it', () => {
    expect(ask({ due: '2026-03-29T01:00:00Z', timezone })).toBe('due daily weekly');
  });

  test('the nights around it are as ever', () => {
    expect(ask({ due: '2026-03-28T01:00:00Z', timezone })).toBe('due daily');
    expect(ask({ due: '2026-03-30T00:00:00Z', timezone })).toBe('due daily');
  });

  test('a time that is shown twice is due once', () => {
    const first = '2026-10-25T00:00:00Z';
    const second = '2026-10-25T01:00:00Z';
    const covered = '2026-10-24T00:00:02Z';
    expect(ask({ due: first, timezone, covered })).toBe('due daily weekly');
    expect(ask({ due: second, timezone, covered: '2026-10-25T00:00:02Z' })).toBe('covered');
    // The first one failed: the second is its chance.
    expect(ask({ due: second, timezone, covered })).toBe('due daily weekly');
    expect(ask({ due: second, timezone })).toBe('due daily weekly');
  });

  test('half an hour of change is no different', () => {
    // Lord Howe Island: 02:00 to 02:30 are left out on 2026-10-04.
    const tiers: TierCron[] = [{ tier: 'daily', cron: '15 2 * * *' }];
    const lordHowe = { timezone: 'Australia/Lord_Howe', tiers };
    expect(ask({ due: '2026-10-03T15:30:00Z', ...lordHowe })).toBe('due daily');
    expect(ask({ due: '2026-10-04T15:15:00Z', ...lordHowe })).toBe('due daily');
  });
});

test('a time comes due exactly once, wherever the windows between runs are cut', () => {
  const year = Date.parse('2026-01-01T00:00:00Z');
  const hours = 366 * 24;
  const crons = ['0 1 * * *', '30 2 * * *', '0 1 1 * 0', '*/20 1-2 * 3,10 *', '0 0 29 2 *'];
  const zones = ['UTC', 'Europe/London', 'America/Havana', 'Australia/Lord_Howe', 'Asia/Kolkata'];
  fc.assert(
    fc.property(
      fc.constantFrom(...crons),
      fc.constantFrom(...zones),
      fc.integer({ min: 0, max: hours - 200 }),
      fc.array(fc.integer({ min: 1, max: 199 * 60 }), { minLength: 1, maxLength: 4 }),
      (cron, zone, startHours, cutsMinutes) => {
        const times = timesOf(cron);
        const from = year + startHours * 3_600_000;
        const edges = [0, ...cutsMinutes.sort((a, b) => a - b), 200 * 60].map(
          (minutes) => from + minutes * 60_000,
        );
        const whole = isDueBetween(times, zone, from, edges.at(-1) ?? from);
        const parts = edges.slice(1).map((to, at) => isDueBetween(times, zone, edges[at]!, to));
        expect(parts.some(Boolean)).toBe(whole);
      },
    ),
    { numRuns: 150 },
  );
});
