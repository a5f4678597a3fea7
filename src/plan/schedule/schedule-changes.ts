/** From the schedules that are wanted and those the server has to what must be done. Pure. */
import type { CalendarTimes, DesiredSchedule, ScheduleContent } from './schedule-specs.js';

/** A schedule below the stack's prefix, as the server tells it. */
export interface FoundSchedule {
  readonly id: string;
  /** Does it carry Holdfast's mark? Without it, it is somebody else's and left alone. */
  readonly ours: boolean;
  /** Absent where it is nothing Holdfast could have made. */
  readonly content?: ScheduleContent | undefined;
  /** Things no schedule of ours has, in words: a retry policy, an end, a time-out. */
  readonly additions: readonly string[];
  /** What was last written, as `contentKey` of it. */
  readonly writtenKey?: string | undefined;
}

export interface ScheduleChange {
  readonly id: string;
  readonly action: 'create' | 'update' | 'remove' | 'keep' | 'foreign';
  /** Why an update: the configuration says something else now, or somebody changed the schedule. */
  readonly because?: 'configuration' | 'by hand';
  /** What differs, in words. */
  readonly differs: readonly string[];
}

/** In the order of the wanted ones, then what is to go. */
export function planScheduleChanges(
  desired: readonly DesiredSchedule[],
  found: readonly FoundSchedule[],
): ScheduleChange[] {
  const changes = desired.map((wanted): ScheduleChange => {
    const { id } = wanted;
    const existing = found.find((each) => each.id === id);
    if (existing === undefined) return { id, action: 'create', differs: [] };
    if (!existing.ours) return { id, action: 'foreign', differs: [] };
    const differs = [
      ...(existing.content === undefined ? ['action'] : differences(wanted, existing.content)),
      ...existing.additions,
    ];
    if (differs.length === 0) return { id, action: 'keep', differs };
    const because = existing.writtenKey === contentKey(wanted) ? 'by hand' : 'configuration';
    return { id, action: 'update', because, differs };
  });
  const gone = found.filter(({ id, ours }) => ours && !desired.some((each) => each.id === id));
  return [
    ...changes,
    ...gone.map(({ id }): ScheduleChange => ({ id, action: 'remove', differs: [] })),
  ];
}

/** What differs between two schedules, in words for people. */
export function differences(wanted: ScheduleContent, has: ScheduleContent): string[] {
  const parts: readonly (readonly [string, unknown, unknown])[] = [
    ['times', wanted.calendars.map(timesKey).sort(), has.calendars.map(timesKey).sort()],
    ['time zone', wanted.timezone, has.timezone],
    ['jitter', wanted.jitterMs, has.jitterMs],
    ['catch-up window', wanted.catchUpMs, has.catchUpMs],
    ['overlap policy', wanted.overlap, has.overlap],
    ['workflow', wanted.workflowType, has.workflowType],
    ['workflow id', wanted.workflowId, has.workflowId],
    ['task queue', wanted.taskQueue, has.taskQueue],
    ['input', canonical(wanted.input), canonical(has.input)],
    ['summary', wanted.summary, has.summary],
  ];
  return parts.flatMap(([name, left, right]) =>
    JSON.stringify(left) === JSON.stringify(right) ? [] : [name],
  );
}

/** The same for the same schedule, and for no other. */
export function contentKey(content: ScheduleContent): string {
  const { timezone, jitterMs, catchUpMs, overlap, workflowType, workflowId, taskQueue } = content;
  return JSON.stringify([
    content.calendars.map(timesKey).sort(),
    timezone,
    jitterMs,
    catchUpMs,
    overlap,
    workflowType,
    workflowId,
    taskQueue,
    canonical(content.input),
    content.summary,
  ]);
}

/** Comments are left out: they change nothing. */
function timesKey(calendar: CalendarTimes): string {
  const { seconds, minutes, hours, days, months, weekdays, years } = calendar;
  return [seconds, minutes, hours, days, months, weekdays, years]
    .map((values) => values.join(','))
    .join(' ');
}

/** JSON with the keys of objects in order. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, each]) => [key, canonical(each)]),
  );
}
