/**
 * Cron lines as sets of numbers. One parser for the check of the configuration, for the calendars
 * Temporal gets and for what a run was due for: two would differ some day.
 */

interface Field {
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const LONGEST_MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const SECOND: Field = { label: 'second', min: 0, max: 59, names: [] };
const FIELDS: readonly Field[] = [
  { label: 'minute', min: 0, max: 59, names: [] },
  { label: 'hour', min: 0, max: 23, names: [] },
  { label: 'day-of-month', min: 1, max: 31, names: [] },
  { label: 'month', min: 1, max: 12, names: MONTHS },
  // 7 is Sunday as well as 0.
  { label: 'day-of-week', min: 0, max: 7, names: DAYS },
];

/** Each list ascending and without repetition. */
export interface CronTimes {
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  /** 1-31 */
  readonly days: readonly number[];
  /** 1-12 */
  readonly months: readonly number[];
  /** 0 (Sunday) to 6 */
  readonly weekdays: readonly number[];
  /**
   * Cron's own rule: where both day fields say something, a day that fits either of them counts;
   * a field that begins with `*` says nothing by itself, and both must fit.
   */
  readonly dayRule: 'both' | 'either';
}

export type ParsedCron =
  | { readonly ok: true; readonly times: CronTimes }
  | { readonly ok: false; readonly problem: string };

/**
 * Parses a line of five fields: minute hour day-of-month month day-of-week. Six begin with the
 * second; the configuration does not take them.
 */
export function parseCron(line: string): ParsedCron {
  const texts = line.split(' ');
  const fields = texts.length === FIELDS.length + 1 ? [SECOND, ...FIELDS] : FIELDS;
  if (texts.length !== fields.length) return { ok: false, problem: 'needs five fields' };
  const parsed: number[][] = [];
  for (const [index, field] of fields.entries()) {
    const text = texts[index] ?? '';
    const values: number[] = [];
    for (const item of text.split(',')) {
      const each = itemValues(item, field);
      if (each === undefined) {
        return { ok: false, problem: `${field.label} "${text}" is not within ${range(field)}` };
      }
      values.push(...each);
    }
    parsed.push(values);
  }
  const withSeconds = fields.length === FIELDS.length ? [[0], ...parsed] : parsed;
  const [seconds = [], minutes = [], hours = [], days = [], months = [], weekdays = []] =
    withSeconds.map(ascending);
  const restricted = (text: string | undefined): boolean => text?.startsWith('*') === false;
  const times: CronTimes = {
    seconds,
    minutes,
    hours,
    days,
    months,
    weekdays: ascending(weekdays.map((day) => day % 7)),
    dayRule: restricted(texts.at(-3)) && restricted(texts.at(-1)) ? 'either' : 'both',
  };
  return firesAtAll(times)
    ? { ok: true, times }
    : { ok: false, problem: 'never fires: no such day in the month' };
}

/** Does the line name this day? */
export function cronDay(
  times: CronTimes,
  date: { readonly month: number; readonly day: number; readonly weekday: number },
): boolean {
  if (!times.months.includes(date.month)) return false;
  const day = times.days.includes(date.day);
  const weekday = times.weekdays.includes(date.weekday);
  return times.dayRule === 'either' ? day || weekday : day && weekday;
}

function firesAtAll({ days, months, dayRule }: CronTimes): boolean {
  if (dayRule === 'either') return true;
  const longest = Math.max(...months.map((month) => LONGEST_MONTH_DAYS[month - 1] ?? 31));
  return Math.min(...days) <= longest;
}

function ascending(values: readonly number[]): number[] {
  return [...new Set(values)].sort((left, right) => left - right);
}

function numberOf(text: string, field: Field): number | undefined {
  const index = field.names.indexOf(text.toLowerCase());
  if (index >= 0) return index + field.min;
  if (!/^\d{1,2}$/.test(text)) return undefined;
  const value = Number.parseInt(text, 10);
  return value >= field.min && value <= field.max ? value : undefined;
}

/** The values of one item (`*`, `5`, `1-5`, `0-30/15`), or undefined where it makes no sense. */
function itemValues(item: string, field: Field): number[] | undefined {
  const [range = '', step, ...tooMany] = item.split('/');
  if (tooMany.length > 0) return undefined;
  const by = step === undefined ? 1 : /^\d{1,2}$/.test(step) ? Number.parseInt(step, 10) : 0;
  if (by < 1) return undefined;
  const [first = '', second, ...more] = range.split('-');
  if (more.length > 0) return undefined;
  let low: number | undefined;
  let high: number | undefined;
  if (first === '*') {
    if (second !== undefined) return undefined;
    low = field.min;
    high = field.max;
  } else {
    low = numberOf(first, field);
    high = second === undefined ? (step === undefined ? low : field.max) : numberOf(second, field);
  }
  if (low === undefined || high === undefined || low > high) return undefined;
  const values: number[] = [];
  for (let value = low; value <= high; value += by) values.push(value);
  return values;
}

function range(field: Field): string {
  const names =
    field.names.length > 0 ? ` or ${field.names[0] ?? ''}-${field.names.at(-1) ?? ''}` : '';
  return `${field.min}-${field.max}${names}`;
}
