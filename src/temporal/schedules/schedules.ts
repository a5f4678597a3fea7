/**
 * Temporal's schedules as the configuration wants them: created, updated and removed to match.
 * Whoever paused one keeps it paused; what does not carry Holdfast's mark is never touched.
 */
import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type Client,
  type ScheduleDescription,
} from '@temporalio/client';
import { scheduleId, schedulePrefix } from '../../plan/shared/ids.js';
import { planScheduleChanges, type ScheduleChange } from '../../plan/schedule/schedule-changes.js';
import {
  SCHEDULE_NAMES,
  scheduleSpecs,
  type DesiredSchedule,
  type ScheduleConfig,
} from '../../plan/schedule/schedule-specs.js';
import { decodeSchedule, encodeSchedule, isMarked, scheduleMark } from './schedule-codec.js';

export interface ApplyOptions {
  readonly dryRun?: boolean;
  readonly nowMs?: number;
}

/**
 * Makes the server's schedules of the stack those of the configuration; a second call changes
 * nothing. @returns what was done, or with `dryRun` what would be
 */
export async function applySchedules(
  client: Client,
  config: ScheduleConfig,
  options: ApplyOptions = {},
): Promise<ScheduleChange[]> {
  const desired = scheduleSpecs(config, options.nowMs ?? Date.now());
  const changes = await plannedChanges(client, config.stack, desired);
  if (options.dryRun === true) return changes;
  for (const change of changes) {
    const wanted = desired.find(({ id }) => id === change.id);
    await carryOut(client, config.stack, change, wanted);
  }
  return changes;
}

/** What applying would do now. */
export async function plannedChanges(
  client: Client,
  stack: string,
  desired: readonly DesiredSchedule[],
): Promise<ScheduleChange[]> {
  const found = (await readSchedules(client, stack)).map((description) =>
    decodeSchedule(
      description,
      stack,
      desired.find(({ id }) => id === description.scheduleId),
    ),
  );
  return planScheduleChanges(desired, found);
}

/**
 * Everything below the stack's prefix. The server's list lags behind what was just changed, so the
 * names that Holdfast uses are asked for one by one; the list only finds what older versions made.
 */
export async function readSchedules(client: Client, stack: string): Promise<ScheduleDescription[]> {
  const ids = new Set(SCHEDULE_NAMES.map((name) => scheduleId(stack, name)));
  const prefix = schedulePrefix(stack);
  for await (const { scheduleId: id } of client.schedule.list()) {
    if (id.startsWith(prefix)) ids.add(id);
  }
  const found = await Promise.all([...ids].map((id) => describeSchedule(client, id)));
  return found.filter((description) => description !== undefined);
}

/** Undefined where there is none. */
export async function describeSchedule(
  client: Client,
  id: string,
): Promise<ScheduleDescription | undefined> {
  try {
    return await client.schedule.getHandle(id).describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

async function carryOut(
  client: Client,
  stack: string,
  { id, action }: ScheduleChange,
  wanted: DesiredSchedule | undefined,
): Promise<void> {
  const handle = client.schedule.getHandle(id);
  switch (action) {
    case 'keep':
    case 'foreign':
      return;
    case 'remove':
      // What it has started goes on.
      await handle.delete().catch((error: unknown) => {
        if (!(error instanceof ScheduleNotFoundError)) throw error;
      });
      return;
    case 'create':
      if (wanted !== undefined) await create(client, stack, wanted);
      return;
    case 'update':
      if (wanted !== undefined) await update(client, stack, wanted);
  }
}

async function create(client: Client, stack: string, wanted: DesiredSchedule): Promise<void> {
  try {
    await client.schedule.create({
      scheduleId: wanted.id,
      ...encodeSchedule(wanted, stack),
      memo: scheduleMark(stack),
    });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    // Another worker was faster by a moment.
    await update(client, stack, wanted);
  }
}

async function update(client: Client, stack: string, wanted: DesiredSchedule): Promise<void> {
  await client.schedule.getHandle(wanted.id).update(({ memo, state: { paused, note } }) => {
    if (!isMarked(memo, stack)) throw new ScheduleAlreadyRunning('not ours', wanted.id);
    return {
      ...encodeSchedule(wanted, stack),
      state: { paused, ...(note === undefined ? {} : { note }) },
    };
  });
}
