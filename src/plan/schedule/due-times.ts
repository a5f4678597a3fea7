/** When a cron line was due, looking back. Pure. */
import { cronDay } from '../../base/time/cron.js';
import { timesOf } from './due.js';
import { asUtc, DAY_MS, instantOf, wallTime } from '../../base/time/zone.js';

/** Longer than any schedule that could be called one. */
const LONGEST_LOOK_BACK_MS = 400 * DAY_MS;

/**
 * The times in (`afterMs`, `untilMs`] at which the line was due, newest first, as milliseconds since
 * the epoch. Looks back 400 days at most; an hour that clocks show twice counts once.
 */
export function* dueTimesBack(
  cron: string,
  timezone: string,
  untilMs: number,
  afterMs = 0,
): Generator<number> {
  const times = timesOf(cron);
  const from = Math.max(afterMs, untilMs - LONGEST_LOOK_BACK_MS);
  const today = Math.floor(asUtc(wallTime(untilMs, timezone)) / DAY_MS) * DAY_MS;
  for (let day = today + DAY_MS; day > from - 2 * DAY_MS; day -= DAY_MS) {
    const date = new Date(day);
    const named = cronDay(times, {
      month: date.getUTCMonth() + 1,
      day: date.getUTCDate(),
      weekday: date.getUTCDay(),
    });
    if (!named) continue;
    for (const hour of [...times.hours].reverse()) {
      for (const minute of [...times.minutes].reverse()) {
        const due = instantOf(day + (hour * 60 + minute) * 60_000, timezone);
        if (due > from && due <= untilMs) yield due;
      }
    }
  }
}

/** The last time the line was due; undefined where that is more than 400 days ago. */
export function lastDue(cron: string, timezone: string, untilMs: number): number | undefined {
  const [last] = dueTimesBack(cron, timezone, untilMs);
  return last;
}
