/** Five-field cron lines, checked before a schedule is made of them: one that never fires is no backup. */

interface Field {
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const LONGEST_MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const FIELDS: readonly Field[] = [
  { label: 'minute', min: 0, max: 59, names: [] },
  { label: 'hour', min: 0, max: 23, names: [] },
  { label: 'day-of-month', min: 1, max: 31, names: [] },
  { label: 'month', min: 1, max: 12, names: MONTHS },
  // 7 is Sunday as well as 0.
  { label: 'day-of-week', min: 0, max: 7, names: DAYS },
];

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

/** What is wrong with a five-field cron line, in words; undefined where nothing is. */
export function cronProblem(line: string): string | undefined {
  const texts = line.split(' ');
  if (texts.length !== FIELDS.length) return 'needs five fields';
  const parsed: number[][] = [];
  for (const [index, field] of FIELDS.entries()) {
    const text = texts[index] ?? '';
    const values: number[] = [];
    for (const item of text.split(',')) {
      const each = itemValues(item, field);
      if (each === undefined) return `${field.label} "${text}" is not within ${range(field)}`;
      values.push(...each);
    }
    parsed.push(values);
  }
  const [, , days = [], months = []] = parsed;
  const longest = Math.max(...months.map((month) => LONGEST_MONTH_DAYS[month - 1] ?? 31));
  return Math.min(...days) > longest ? 'never fires: no such day in the month' : undefined;
}

function range(field: Field): string {
  const names =
    field.names.length > 0 ? ` or ${field.names[0] ?? ''}-${field.names.at(-1) ?? ''}` : '';
  return `${field.min}-${field.max}${names}`;
}
