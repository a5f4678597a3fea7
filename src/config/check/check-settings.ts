/**
 * Cross-checks of what is not a service: modes, schedules. Pure. Each takes the
 * value as written and is silent about one that is malformed: that has been told already.
 */
import { cronProblem } from '../../format/config/cron.js';
import { cronSchema, modeSchema } from '../../format/config/fields.js';
import { isRecord } from './known-keys.js';
import { nearest } from '../../base/nearest.js';
import type { ConfigPath } from '../../format/config/config-path.js';
import type { PathProblem } from './problems.js';

type Written = Readonly<Record<string, unknown>>;

function octal(mode: number): string {
  return `"${mode.toString(8).padStart(4, '0')}"`;
}

function checkMode(
  path: ConfigPath,
  written: unknown,
  needed: number,
  senseless: number,
): PathProblem[] {
  const mode = modeSchema.safeParse(written).data;
  if (mode === undefined) return [];
  const fix = `write ${octal((mode | needed) & ~senseless & ~0o002)}`;
  const problems: PathProblem[] = [];
  const add = (message: string): void => {
    problems.push({ path, message: `${octal(mode)} ${message}`, fix });
  };
  if ((mode & needed) !== needed) add('locks the owner out');
  if ((mode & 0o002) !== 0) add('lets everyone alter the backups');
  if ((mode & senseless) !== 0) add('has bits that make no sense here');
  return problems;
}

/** Modes under which Holdfast itself could not read or delete, or anyone could alter a backup. */
export function checkModes(backups: Written): PathProblem[] {
  return [
    // Setgid on files is harmless and in use (2664); setuid, sticky and execute bits are mistakes.
    ...checkMode(['backups', 'fileMode'], backups['fileMode'], 0o600, 0o5111),
    ...checkMode(['backups', 'directoryMode'], backups['directoryMode'], 0o700, 0o4000),
  ];
}

/** Temporal's server knows IANA names only, spelled exactly; Intl also takes offsets and any case. */
function timezoneProblem(timezone: string): Omit<PathProblem, 'path'> | undefined {
  const message = `unknown time zone "${timezone}"`;
  const known = ['UTC', ...Intl.supportedValuesOf('timeZone')];
  if (known.includes(timezone)) return undefined;
  const near = nearest(timezone, known);
  const fix =
    near === undefined ? 'use an IANA name such as Europe/Berlin' : `did you mean "${near}"?`;
  if (/^[+-]/.test(timezone)) return { message, fix };
  if (near?.toLowerCase() === timezone.toLowerCase()) return { message, fix };
  try {
    // Old names (`Europe/Kiev`) are not listed, but known.
    new Intl.DateTimeFormat('en', { timeZone: timezone });
    return undefined;
  } catch {
    return { message, fix };
  }
}

export function checkTimezone(written: unknown): PathProblem[] {
  if (typeof written !== 'string') return [];
  const problem = timezoneProblem(written);
  return problem === undefined ? [] : [{ path: ['schedules', 'timezone'], ...problem }];
}

export function checkCron(path: ConfigPath, written: unknown): PathProblem[] {
  const line = cronSchema.safeParse(written).data;
  const message = line === undefined ? undefined : cronProblem(line);
  if (message === undefined) return [];
  return [{ path, message, fix: 'five fields: minute hour day-of-month month day-of-week' }];
}

/** The times of verify and drill, and the services a drill names. */
export function checkTests(schedules: Written, services: readonly string[]): PathProblem[] {
  const field = (key: 'verify' | 'drill', part: string): unknown => {
    const value = schedules[key];
    return isRecord(value) ? value[part] : undefined;
  };
  const named = field('drill', 'services');
  const unknown = (Array.isArray(named) ? named : []).flatMap((each: unknown, index) =>
    typeof each === 'string' && !services.includes(each) ? [{ each, index }] : [],
  );
  return [
    ...checkCron(['schedules', 'verify', 'cron'], field('verify', 'cron')),
    ...checkCron(['schedules', 'drill', 'cron'], field('drill', 'cron')),
    ...unknown.map(({ each, index }): PathProblem => {
      const near = nearest(each, services);
      return {
        path: ['schedules', 'drill', 'services', index],
        message: `no service "${each}"`,
        fix: near === undefined ? `one of ${services.join(', ')}` : `did you mean "${near}"?`,
      };
    }),
  ];
}
