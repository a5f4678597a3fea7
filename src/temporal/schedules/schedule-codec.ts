/** Schedules between our terms and the SDK's. What the server tells is not trusted to be ours. */
import { createHash } from 'node:crypto';
import type {
  CalendarSpec,
  CalendarSpecDescription,
  Range,
  ScheduleDescription,
  ScheduleOptions,
} from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { z } from 'zod';
import { SEARCH_ATTRIBUTES } from '../../plan/shared/ids.js';
import { contentKey, type FoundSchedule } from '../../plan/schedule/schedule-changes.js';
import type {
  CalendarTimes,
  DesiredSchedule,
  ScheduleContent,
} from '../../plan/schedule/schedule-specs.js';

const MONTHS = [
  'JANUARY',
  'FEBRUARY',
  'MARCH',
  'APRIL',
  'MAY',
  'JUNE',
  'JULY',
  'AUGUST',
  'SEPTEMBER',
  'OCTOBER',
  'NOVEMBER',
  'DECEMBER',
] as const;
const WEEKDAYS = [
  'SUNDAY',
  'MONDAY',
  'TUESDAY',
  'WEDNESDAY',
  'THURSDAY',
  'FRIDAY',
  'SATURDAY',
] as const;

/** The mark on a schedule: given once, since a memo can't be changed. */
const markSchema = z.object({ holdfast: z.object({ stack: z.string() }) });
/** What was last written is in the memo of the action, which an update does change. */
const writtenSchema = z.object({ holdfastDigest: z.string() });

const STACK = defineSearchAttributeKey(SEARCH_ATTRIBUTES.stack, SearchAttributeType.KEYWORD);

export type WrittenSchedule = Pick<ScheduleOptions, 'spec' | 'action'> & {
  readonly policies: NonNullable<ScheduleOptions['policies']>;
};

/** What is written to the server at every create and update; the state (pause, note) is apart. */
export function encodeSchedule(content: ScheduleContent, stack: string): WrittenSchedule {
  return {
    spec: {
      calendars: content.calendars.map(encodeCalendar),
      timezone: content.timezone,
      ...(content.jitterMs === 0 ? {} : { jitter: content.jitterMs }),
    },
    policies: {
      overlap: content.overlap,
      catchupWindow: content.catchUpMs,
      // A schedule that pauses itself is a gap nobody notices.
      pauseOnFailure: false,
    },
    action: {
      type: 'startWorkflow',
      workflowType: content.workflowType,
      workflowId: content.workflowId,
      taskQueue: content.taskQueue,
      args: [content.input],
      memo: { holdfastDigest: digestOf(content) },
      staticSummary: content.summary,
      typedSearchAttributes: [{ key: STACK, value: stack }],
      // No retry: activities have theirs, and a retried run can hold up its schedule for good.
    },
  };
}

export function scheduleMark(stack: string): Record<string, unknown> {
  return { holdfast: { stack } };
}

export function isMarked(memo: unknown, stack: string): boolean {
  const mark = markSchema.safeParse(memo);
  return mark.success && mark.data.holdfast.stack === stack;
}

/** `desired` is what the same id should be, if anything: digests are compared with its own. */
export function decodeSchedule(
  description: ScheduleDescription,
  stack: string,
  desired: DesiredSchedule | undefined,
): FoundSchedule {
  const { scheduleId: id, action, memo } = description;
  const written = writtenSchema.safeParse(action.memo);
  const unchanged =
    desired !== undefined && written.success && written.data.holdfastDigest === digestOf(desired);
  return {
    id,
    ours: isMarked(memo, stack),
    content: contentOf(description),
    additions: additionsOf(description),
    ...(unchanged ? { writtenKey: contentKey(desired) } : {}),
  };
}

function digestOf(content: ScheduleContent): string {
  return createHash('sha256').update(contentKey(content)).digest('hex').slice(0, 16);
}

function contentOf({ spec, policies, action }: ScheduleDescription): ScheduleContent | undefined {
  const [input, ...more] = z.array(z.unknown()).catch([]).parse(action.args);
  const record = z.record(z.string(), z.unknown()).safeParse(input);
  const overlap = z.enum(['SKIP', 'BUFFER_ONE']).safeParse(policies.overlap);
  if (!record.success || more.length > 0) return undefined;
  return {
    calendars: (spec.calendars ?? []).map(decodeCalendar),
    timezone: spec.timezone ?? 'UTC',
    jitterMs: spec.jitter ?? 0,
    catchUpMs: policies.catchupWindow,
    // Another policy is told by `additionsOf`.
    overlap: overlap.data ?? 'SKIP',
    workflowType: action.workflowType,
    workflowId: action.workflowId,
    taskQueue: action.taskQueue,
    input: record.data,
    summary: action.staticSummary ?? '',
  };
}

function additionsOf({ spec, policies, action, state }: ScheduleDescription): string[] {
  const limits = [
    action.workflowExecutionTimeout,
    action.workflowRunTimeout,
    action.workflowTaskTimeout,
  ];
  const found: readonly (readonly [string, boolean])[] = [
    ['intervals', (spec.intervals ?? []).length > 0],
    ['excluded times', (spec.skip ?? []).length > 0],
    ['a start or an end', spec.startAt !== undefined || spec.endAt !== undefined],
    ['overlap policy', !['SKIP', 'BUFFER_ONE'].includes(policies.overlap ?? 'SKIP')],
    ['pause on failure', policies.pauseOnFailure],
    ['retry policy', action.retry !== undefined],
    ['time-outs', limits.some((limit) => limit !== undefined && limit !== 0)],
    ['a limit of runs', state.remainingActions !== undefined],
  ];
  return found.flatMap(([name, there]) => (there ? [name] : []));
}

function encodeCalendar(times: CalendarTimes): CalendarSpec {
  return {
    second: ranges(times.seconds),
    minute: ranges(times.minutes),
    hour: ranges(times.hours),
    dayOfMonth: ranges(times.days),
    month: ranges(times.months).map((range) => named(range, MONTHS, 1)),
    dayOfWeek: ranges(times.weekdays).map((range) => named(range, WEEKDAYS, 0)),
    ...(times.years.length === 0 ? {} : { year: ranges(times.years) }),
    comment: times.comment,
  };
}

function decodeCalendar(spec: CalendarSpecDescription): CalendarTimes {
  return {
    seconds: values(spec.second),
    minutes: values(spec.minute),
    hours: values(spec.hour),
    days: values(spec.dayOfMonth),
    months: values(spec.month.map((range) => numbered(range, MONTHS, 1))),
    weekdays: values(spec.dayOfWeek.map((range) => numbered(range, WEEKDAYS, 0))),
    years: values(spec.year),
    comment: spec.comment ?? '',
  };
}

/** One range where the values are evenly apart, so that the UI stays readable; else one each. */
function ranges(list: readonly number[]): Range<number>[] {
  const [start, second] = list;
  const end = list.at(-1);
  if (start === undefined || end === undefined) return [];
  const step = second === undefined ? 1 : second - start;
  const even = list.every((value, index) => value === start + index * step);
  return even
    ? [{ start, end, step }]
    : list.map((value) => ({ start: value, end: value, step: 1 }));
}

function values(list: readonly Range<number>[]): number[] {
  const all = new Set<number>();
  for (const { start, end, step } of list) {
    for (let value = start; value <= end; value += Math.max(1, step)) all.add(value);
  }
  return [...all].sort((left, right) => left - right);
}

function named<Name extends string>(
  { start, end, step }: Range<number>,
  names: readonly Name[],
  first: number,
): Range<Name> {
  const at = (value: number): Name => {
    const name = names[value - first];
    if (name === undefined) throw new RangeError(`${value} has no name`);
    return name;
  };
  return { start: at(start), end: at(end), step };
}

function numbered<Name extends string>(
  { start, end, step }: Range<Name>,
  names: readonly Name[],
  first: number,
): Range<number> {
  return { start: names.indexOf(start) + first, end: names.indexOf(end) + first, step };
}
