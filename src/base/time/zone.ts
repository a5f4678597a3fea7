/** Wall-clock time of a zone and instants, where clocks are put forward and back. Pure. */

/** Seconds are those of the wall clock; `weekday` is 0 for Sunday. */
export interface WallTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

export const DAY_MS = 86_400_000;

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  return format;
}

/** What clocks in the zone show at an instant (milliseconds since the epoch). */
export function wallTime(atMs: number, zone: string): WallTime {
  const parts = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 };
  for (const { type, value } of formatOf(zone).formatToParts(new Date(atMs))) {
    switch (type) {
      case 'year':
      case 'month':
      case 'day':
      case 'hour':
      case 'minute':
      case 'second':
        parts[type] = Number(value);
        break;
      default:
        break;
    }
  }
  return parts;
}

/** The wall time read as if it were UTC: a number that can be compared and counted with. */
export function asUtc(wall: WallTime): number {
  return Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second);
}

/** How far clocks are ahead of UTC at an instant. */
export function offsetMs(atMs: number, zone: string): number {
  const whole = Math.floor(atMs / 1000) * 1000;
  return asUtc(wallTime(whole, zone)) - whole;
}

/**
 * When clocks first show this time (given as `asUtc` of it): the first of two instants where they
 * are put back, and the instant they are put forward where they never show it.
 */
export function instantOf(wallMs: number, zone: string): number {
  // No zone changes twice in two days, nor is any farther than a day from UTC.
  const before = offsetMs(wallMs - DAY_MS, zone);
  const after = offsetMs(wallMs + DAY_MS, zone);
  const early = wallMs - before;
  if (before === after || offsetMs(early, zone) === before) return early;
  const late = wallMs - after;
  return offsetMs(late, zone) === after ? late : changeBetween(late, early, zone);
}

/** The instant of the change of offset in (`from`, `to`]; there must be one. */
export function changeBetween(from: number, to: number, zone: string): number {
  const before = offsetMs(from, zone);
  let low = from;
  let high = to;
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    if (middle <= low) break;
    if (offsetMs(middle, zone) === before) low = middle;
    else high = middle;
  }
  return high;
}

/** Hours that clocks leave out: the wall times from `from` to before `to`, both as `asUtc`. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** Every time clocks are put forward between two instants. */
export function gapsBetween(fromMs: number, toMs: number, zone: string): Gap[] {
  const gaps: Gap[] = [];
  let before = offsetMs(fromMs, zone);
  for (let at = fromMs; at < toMs; at += DAY_MS) {
    const after = offsetMs(at + DAY_MS, zone);
    if (after > before) {
      const change = changeBetween(at, at + DAY_MS, zone);
      gaps.push({ from: change + before, to: change + after });
    }
    before = after;
  }
  return gaps;
}
