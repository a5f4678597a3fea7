/** What the server tells of a stack's schedules, and an operator's hand on them. */
import {
  ScheduleOverlapPolicy,
  WorkflowNotFoundError,
  type Client,
  type ScheduleDescription,
} from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '../../base/errors.js';
import { scheduleId, schedulePrefix, SEARCH_ATTRIBUTES } from '../../plan/shared/ids.js';
import { scheduleSpecs, type ScheduleConfig } from '../../plan/schedule/schedule-specs.js';
import type {
  ScheduledRunView,
  ScheduleState,
  ScheduleView,
} from '../../plan/schedule/schedule-view.js';
import { isMarked } from './schedule-codec.js';
import { describeSchedule, plannedChanges, readSchedules } from './schedules.js';

/** How many of the times to come are told. */
const NEXT_TIMES = 3;
const TRIGGER_TIMEOUT_MS = 10_000;

/** Those of the configuration and what else of ours is there. */
export async function scheduleViews(
  client: Client,
  config: ScheduleConfig,
  nowMs: number = Date.now(),
): Promise<ScheduleView[]> {
  const { stack } = config;
  const desired = scheduleSpecs(config, nowMs);
  const [changes, found] = await Promise.all([
    plannedChanges(client, stack, desired),
    readSchedules(client, stack),
  ]);
  return Promise.all(
    changes.map(async ({ id, action, differs }): Promise<ScheduleView> => {
      const wanted = desired.find((each) => each.id === id);
      const there = found.find(({ scheduleId }) => scheduleId === id);
      const times = (wanted?.calendars ?? [])
        .filter(({ years }) => years.length === 0)
        .map(({ comment }) => comment);
      return {
        id,
        name: id.slice(schedulePrefix(stack).length),
        state: stateOf(action),
        differs,
        times: [...new Set(times)],
        timezone: there?.spec.timezone ?? wanted?.timezone ?? 'UTC',
        ...(there === undefined ? NOTHING_YET : await facts(client, there)),
      };
    }),
  );
}

const NOTHING_YET = {
  paused: false,
  note: null,
  next: [],
  last: null,
  running: [],
  runs: 0,
  skippedByOverlap: 0,
  missedCatchUp: 0,
} satisfies Partial<ScheduleView>;

function stateOf(
  action: Awaited<ReturnType<typeof plannedChanges>>[number]['action'],
): ScheduleState {
  switch (action) {
    case 'keep':
      return 'applied';
    case 'create':
      return 'missing';
    case 'update':
      return 'differs';
    case 'remove':
      return 'left over';
    case 'foreign':
      return 'foreign';
  }
}

async function facts(client: Client, { state, info }: ScheduleDescription) {
  const last = info.recentActions.at(-1);
  return {
    paused: state.paused,
    note: state.note === undefined || state.note === '' ? null : state.note,
    // The server goes on telling times at which a paused schedule does nothing.
    next: state.paused
      ? []
      : info.nextActionTimes.slice(0, NEXT_TIMES).map((time) => time.toISOString()),
    last:
      last === undefined
        ? null
        : await runView(client, last.action.workflow, last.scheduledAt, last.takenAt),
    running: info.runningActions.map(({ workflow }) => workflow.workflowId),
    runs: info.numActionsTaken,
    skippedByOverlap: info.numActionsSkippedOverlap,
    missedCatchUp: info.numActionsMissedCatchupWindow,
  };
}

const DUE = defineSearchAttributeKey('TemporalScheduledStartTime', SearchAttributeType.DATETIME);
const STATUS = defineSearchAttributeKey(SEARCH_ATTRIBUTES.status, SearchAttributeType.KEYWORD);

async function runView(
  client: Client,
  { workflowId, firstExecutionRunId }: { workflowId: string; firstExecutionRunId: string },
  scheduledAt: Date,
  takenAt: Date,
): Promise<ScheduledRunView> {
  const run = { workflowId, dueAt: scheduledAt.toISOString(), startedAt: takenAt.toISOString() };
  try {
    const { status, typedSearchAttributes } = await client.workflow
      .getHandle(workflowId, firstExecutionRunId)
      .describe();
    const due = typedSearchAttributes.get(DUE);
    return {
      ...run,
      // Without jitter, where the server tells.
      ...(due === undefined ? {} : { dueAt: due.toISOString() }),
      outcome: outcomeOf(status.name, typedSearchAttributes.get(STATUS)),
    };
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    // Its history is kept for a while only.
    return { ...run, outcome: 'unknown' };
  }
}

/** A run that completed may still have been degraded; its own word is taken for that. */
function outcomeOf(status: string, said: string | undefined): ScheduledRunView['outcome'] {
  switch (status) {
    case 'RUNNING':
      return 'running';
    case 'COMPLETED':
      return said === 'degraded' ? 'degraded' : 'success';
    case 'CANCELLED':
    case 'CANCELED':
      return 'cancelled';
    case 'FAILED':
    case 'TERMINATED':
    case 'TIMED_OUT':
      return 'failed';
    default:
      return 'unknown';
  }
}

/** Pauses one schedule, or all of the stack's. @returns their ids. @throws INPUT_INVALID */
export async function pauseSchedules(
  client: Client,
  stack: string,
  name: string | undefined,
  note: string,
): Promise<string[]> {
  const ids = await ownIds(client, stack, name);
  for (const id of ids) await client.schedule.getHandle(id).pause(note);
  return ids;
}

/** The opposite. What was due meanwhile is made up by the next run. @throws INPUT_INVALID */
export async function resumeSchedules(
  client: Client,
  stack: string,
  name: string | undefined,
): Promise<string[]> {
  const ids = await ownIds(client, stack, name);
  // The server takes no empty note.
  for (const id of ids) await client.schedule.getHandle(id).unpause('resumed');
  return ids;
}

/**
 * Starts a run now, also of a paused schedule. @returns the run's workflow id, or undefined when the
 * server has not said it yet. @throws PERMIT_HELD when one is going on, INPUT_INVALID
 */
export async function triggerSchedule(
  client: Client,
  stack: string,
  name: string,
): Promise<string | undefined> {
  const [id] = await ownIds(client, stack, name);
  const before = id === undefined ? undefined : await describeSchedule(client, id);
  if (id === undefined || before === undefined) throw unknownSchedule(stack, name, []);
  const [running] = before.info.runningActions;
  if (running !== undefined) throw goesOn(id, running.workflow.workflowId);
  // Said here, since the SDK's own default would run beside one that is going on.
  await client.schedule.getHandle(id).trigger(ScheduleOverlapPolicy.SKIP);
  const end = Date.now() + TRIGGER_TIMEOUT_MS;
  while (Date.now() < end) {
    const { info } = await client.schedule.getHandle(id).describe();
    if (info.numActionsTaken > before.info.numActionsTaken) {
      return info.recentActions.at(-1)?.action.workflow.workflowId;
    }
    if (info.numActionsSkippedOverlap > before.info.numActionsSkippedOverlap) {
      throw goesOn(id, info.runningActions[0]?.workflow.workflowId);
    }
    await delay(200);
  }
  return undefined;
}

function goesOn(id: string, workflowId: string | undefined): HoldfastError {
  return new HoldfastError('PERMIT_HELD', `a run of ${id} is going on`, {
    hint: 'one at a time: wait for it, or cancel it',
    facts: { schedule: id, ...(workflowId === undefined ? {} : { workflowId }) },
  });
}

/** Ids of ours on the server. @throws INPUT_INVALID when there is none of that name */
async function ownIds(client: Client, stack: string, name: string | undefined): Promise<string[]> {
  const own = (await readSchedules(client, stack))
    .filter(({ memo }) => isMarked(memo, stack))
    .map((description) => description.scheduleId);
  if (name === undefined) {
    if (own.length === 0) throw unknownSchedule(stack, name, own);
    return own;
  }
  const id = own.find((each) => each === name || each === scheduleId(stack, name));
  if (id === undefined) throw unknownSchedule(stack, name, own);
  return [id];
}

function unknownSchedule(
  stack: string,
  name: string | undefined,
  own: readonly string[],
): HoldfastError {
  const known = own.map((id) => id.slice(schedulePrefix(stack).length));
  return new HoldfastError(
    'INPUT_INVALID',
    name === undefined
      ? `Temporal has no schedule of ${stack}`
      : `Temporal has no schedule "${name}" of ${stack}`,
    {
      hint:
        known.length === 0
          ? '`holdfast schedules apply` makes those of the configuration'
          : `there is ${known.join(', ')}`,
      facts: { stack, known },
    },
  );
}
