/**
 * What a scheduled run has to make. One schedule wakes the run at all the times of the tiers; the
 * run itself says which tiers came due, from the time it was due and not from the time it could
 * start. Pure, and deterministic enough for a workflow: nothing here asks for the time.
 *
 * A run makes up for everything since the last run that succeeded: for what was missed while the
 * host was off, for what fell while another run was going on, and for what failed. All of it is one
 * reading of today's data, so it is made once.
 */
import { cronDay, parseCron, type CronTimes } from '../../base/time/cron.js';
import type { ScheduledTier } from '../shared/stack-view.js';
import { asUtc, DAY_MS, instantOf, offsetMs, wallTime } from '../../base/time/zone.js';

/** The most frequent first: the tier the set is read for; the others get links. */
export const SCHEDULED_TIERS = ['daily', 'weekly', 'monthly'] as const satisfies ScheduledTier[];

/** What came due longer ago is not made up for; it also bounds the work. */
const LONGEST_LOOK_BACK_MS = 400 * DAY_MS;

/** A clock that was put right by minutes. */
const CLOCK_TOLERANCE_MS = 10 * 60_000;

export interface TierCron {
  readonly tier: ScheduledTier;
  readonly cron: string;
}

export interface DueQuestion {
  readonly tiers: readonly TierCron[];
  /** IANA name. */
  readonly timezone: string;
  /** When the run was due, or when a person asked for it. */
  readonly dueAtMs: number;
  readonly startedAtMs: number;
  /** Up to when the last run that succeeded made everything; absent when there was none. */
  readonly coveredUntilMs?: number | undefined;
}

/**
 * - `due`: these tiers are to be made.
 * - `covered`: the schedule woke the run for what an earlier run has made already.
 * - `asked`: nothing is due; somebody wants a backup now, which counts as the most frequent tier.
 */
export interface DueAnswer {
  readonly reason: 'due' | 'covered' | 'asked';
  /** Most frequent first; empty when covered. */
  readonly tiers: readonly ScheduledTier[];
}

/** @throws Error when a cron line can't be parsed or there is none */
export function dueTiers(question: DueQuestion): DueAnswer {
  const { dueAtMs, startedAtMs, timezone } = question;
  // A run by a clock that was ahead covers nothing: until that date no backup would be made.
  const isAhead = (question.coveredUntilMs ?? 0) > startedAtMs + CLOCK_TOLERANCE_MS;
  const coveredUntilMs = isAhead ? undefined : question.coveredUntilMs;
  const lines = SCHEDULED_TIERS.flatMap((tier) =>
    question.tiers
      .filter((each) => each.tier === tier)
      .map(({ cron }) => ({ tier, times: timesOf(cron) })),
  );
  const [first] = lines;
  if (first === undefined) throw new Error('a scheduled backup needs the times of its tiers');
  const after = coveredUntilMs ?? dueAtMs - 1;
  const tiers = lines
    .filter(({ times }) => isDueBetween(times, timezone, after, startedAtMs))
    .map(({ tier }) => tier);
  if (tiers.length > 0) return { reason: 'due', tiers };
  const wokenFor = lines
    .filter(({ times }) => wakesAt(times, timezone, dueAtMs))
    .map(({ tier }) => tier);
  if (wokenFor.length === 0) return { reason: 'asked', tiers: [first.tier] };
  // Clocks put back show an hour twice: the second time counts only where the first was no success.
  return coveredUntilMs === undefined
    ? { reason: 'due', tiers: wokenFor }
    : { reason: 'covered', tiers: [] };
}

/** Does the line come due in (`afterMs`, `untilMs`]? */
export function isDueBetween(
  times: CronTimes,
  zone: string,
  afterMs: number,
  untilMs: number,
): boolean {
  const from = Math.max(afterMs, untilMs - LONGEST_LOOK_BACK_MS);
  const firstDay = dayOf(asUtc(wallTime(from, zone))) - DAY_MS;
  const lastDay = dayOf(asUtc(wallTime(untilMs, zone))) + DAY_MS;
  for (let day = lastDay; day >= firstDay; day -= DAY_MS) {
    if (!matchesDay(times, day)) continue;
    // Asking for an instant is not free, and on most days clocks are left alone.
    const before = offsetMs(day - DAY_MS, zone);
    const steady = before === offsetMs(day + 2 * DAY_MS, zone);
    for (const wall of timesOfDay(times, day)) {
      const due = steady ? wall - before : instantOf(wall, zone);
      if (due > from && due <= untilMs) return true;
    }
  }
  return false;
}

/** Does the line name a time on clocks in [`fromWall`, `toWall`), both as `asUtc`? */
export function namesTimeIn(times: CronTimes, fromWall: number, toWall: number): boolean {
  for (let day = dayOf(fromWall); day < toWall; day += DAY_MS) {
    if (!matchesDay(times, day)) continue;
    for (const wall of timesOfDay(times, day)) {
      if (wall >= fromWall && wall < toWall) return true;
    }
  }
  return false;
}

/** Would the server wake a run at this instant? It goes by what clocks show, both times round. */
function wakesAt(times: CronTimes, zone: string, atMs: number): boolean {
  const wall = wallTime(atMs, zone);
  const shown =
    matchesDay(times, dayOf(asUtc(wall))) &&
    times.hours.includes(wall.hour) &&
    times.minutes.includes(wall.minute) &&
    times.seconds.includes(wall.second);
  return shown || isDueBetween(times, zone, atMs - 1, atMs);
}

export function timesOf(cron: string): CronTimes {
  const parsed = parseCron(cron);
  if (!parsed.ok) throw new Error(`"${cron}" is no cron line: ${parsed.problem}`);
  return parsed.times;
}

/** Midnight of the day as `asUtc`. */
function dayOf(wallMs: number): number {
  return Math.floor(wallMs / DAY_MS) * DAY_MS;
}

function matchesDay(times: CronTimes, dayMs: number): boolean {
  const date = new Date(dayMs);
  return cronDay(times, {
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    weekday: date.getUTCDay(),
  });
}

function* timesOfDay(times: CronTimes, dayMs: number): Generator<number> {
  for (const hour of times.hours) {
    for (const minute of times.minutes) {
      for (const second of times.seconds) {
        yield dayMs + ((hour * 60 + minute) * 60 + second) * 1000;
      }
    }
  }
}
