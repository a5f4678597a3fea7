/**
 * The schedules a configuration wants, as data in Temporal's terms. Pure.
 *
 * Daily, weekly and monthly are one schedule: Temporal merges its calendars, so that a minute which
 * is due in several tiers wakes one run, which reads once (see due.ts).
 */
import type { Config, ParsedConfig } from '../../format/config/schema.js';
import type { CronTimes } from '../../base/time/cron.js';
import { namesTimeIn, SCHEDULED_TIERS, timesOf, type TierCron } from './due.js';
import { scheduleId, stackQueue } from '../shared/ids.js';
import { gapsBetween, wallTime } from '../../base/time/zone.js';

export const SCHEDULE_NAMES = ['backup', 'check', 'verify', 'drill'] as const;
export type ScheduleName = (typeof SCHEDULE_NAMES)[number];

/** The server rounds a shorter window up to this, and would then never be as it is wanted. */
const LEAST_CATCH_UP_MS = 10_000;
/** For how many years hours that clocks leave out are written into the calendars. */
const GAP_YEARS = 5;

/** Times at which all fields fit. Lists are ascending; no years means every year. */
export interface CalendarTimes extends Omit<CronTimes, 'dayRule'> {
  readonly years: readonly number[];
  /** Shown in Temporal's UI. */
  readonly comment: string;
}

/** What a schedule is, all of which the server can tell again. */
export interface ScheduleContent {
  readonly calendars: readonly CalendarTimes[];
  /** IANA name. */
  readonly timezone: string;
  readonly jitterMs: number;
  readonly catchUpMs: number;
  /** BUFFER_ONE: one run waits for the one that is going on. SKIP: it is left out. */
  readonly overlap: 'SKIP' | 'BUFFER_ONE';
  readonly workflowType: string;
  readonly workflowId: string;
  readonly taskQueue: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly summary: string;
}

export interface DesiredSchedule extends ScheduleContent {
  readonly id: string;
  readonly name: ScheduleName;
}

export type ScheduleConfig = Pick<Config, 'stack' | 'hostId'> &
  Pick<ParsedConfig, 'tiers' | 'schedules'>;

/**
 * In the order of `SCHEDULE_NAMES`, those that are configured. `nowMs` decides only for which years
 * hours that clocks leave out are looked up.
 */
export function scheduleSpecs(config: ScheduleConfig, nowMs: number): DesiredSchedule[] {
  const { schedules } = config;
  const tiers = tierCrons(config);
  const specs: DesiredSchedule[] = [];
  const add = (name: ScheduleName, how: Parameters<typeof schedule>[2]): void => {
    specs.push(schedule(config, name, how, nowMs));
  };
  if (tiers.length > 0) {
    add('backup', {
      times: tiers.map(({ tier, cron }) => ({ cron, comment: `${tier}: ${cron}` })),
      // A tier that falls into another one's run must not be lost; who waits reads what is new only.
      overlap: 'BUFFER_ONE',
      workflowType: 'scheduledBackup',
      input: { timezone: schedules.timezone, tiers },
    });
  }
  if (schedules.check !== undefined) {
    add('check', {
      times: [{ cron: schedules.check, comment: schedules.check }],
      overlap: 'SKIP',
      workflowType: 'checkBackups',
      input: {},
    });
  }
  if (schedules.verify !== undefined) {
    const { cron, budget } = schedules.verify;
    add('verify', {
      times: [{ cron, comment: cron }],
      overlap: 'SKIP',
      workflowType: 'verifyBackups',
      input: { budgetMs: budget },
    });
  }
  if (schedules.drill !== undefined) {
    const { cron, set, services } = schedules.drill;
    add('drill', {
      times: [{ cron, comment: cron }],
      overlap: 'SKIP',
      workflowType: 'drillRestore',
      input: { set, ...(services === undefined ? {} : { services }) },
    });
  }
  return specs;
}

function tierCrons({ tiers }: ScheduleConfig): TierCron[] {
  return SCHEDULED_TIERS.flatMap((tier) => {
    const { schedule: cron } = tiers[tier];
    return cron === undefined ? [] : [{ tier, cron }];
  });
}

function schedule(
  { stack, hostId, schedules }: ScheduleConfig,
  name: ScheduleName,
  how: Pick<ScheduleContent, 'overlap' | 'workflowType' | 'input'> & {
    readonly times: readonly { readonly cron: string; readonly comment: string }[];
  },
  nowMs: number,
): DesiredSchedule {
  const id = scheduleId(stack, name);
  const { timezone, jitter, catchUp } = schedules;
  return {
    id,
    name,
    calendars: how.times.flatMap(({ cron, comment }) => {
      const times = timesOf(cron);
      return [...calendarsOf(times, comment), ...leftOut(times, timezone, nowMs, comment)];
    }),
    timezone,
    jitterMs: jitter,
    catchUpMs: Math.max(catchUp, LEAST_CATCH_UP_MS),
    overlap: how.overlap,
    workflowType: how.workflowType,
    workflowId: id,
    taskQueue: stackQueue(stack),
    input: { stack, host: hostId, ...how.input },
    summary: `scheduled ${name} of ${stack}`,
  };
}

const EVERY_DAY = Array.from({ length: 31 }, (_, index) => index + 1);
const EVERY_WEEKDAY = [0, 1, 2, 3, 4, 5, 6];

/** In a calendar both day fields must fit; where cron takes either, there are two calendars. */
function calendarsOf(times: CronTimes, comment: string): CalendarTimes[] {
  const { seconds, minutes, hours, days, months, weekdays, dayRule } = times;
  const calendar = { seconds, minutes, hours, days, months, weekdays, years: [], comment };
  if (dayRule === 'both') return [calendar];
  return [
    { ...calendar, weekdays: EVERY_WEEKDAY },
    { ...calendar, days: EVERY_DAY },
  ];
}

/**
 * Calendars fire by what clocks show, so a time that clocks leave out would not fire: in London the
 * 01:00 of a Sunday in March. For such days the moment clocks jump over it is added.
 */
function leftOut(times: CronTimes, zone: string, nowMs: number, comment: string): CalendarTimes[] {
  const { year } = wallTime(nowMs, zone);
  const gaps = gapsBetween(Date.UTC(year, 0, 1), Date.UTC(year + GAP_YEARS, 0, 1), zone);
  return gaps.flatMap(({ from, to }) => {
    if (!namesTimeIn(times, from, to)) return [];
    const jump = new Date(to);
    return [
      {
        seconds: [jump.getUTCSeconds()],
        minutes: [jump.getUTCMinutes()],
        hours: [jump.getUTCHours()],
        days: [jump.getUTCDate()],
        months: [jump.getUTCMonth() + 1],
        weekdays: EVERY_WEEKDAY,
        years: [jump.getUTCFullYear()],
        comment: `${comment}, where clocks leave it out`,
      },
    ];
  });
}
