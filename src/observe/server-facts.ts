/** What Temporal's server tells a check: its schedules, and which runs go on. */
import { WorkflowNotFoundError, type Client, type ScheduleDescription } from '@temporalio/client';
import { messageOf } from '../base/errors.js';
import type { ScheduleFact, ScheduleFacts } from '../plan/check/check-facts.js';
import { schedulePrefix } from '../plan/shared/ids.js';
import { runKey, type RunIdentity } from '../format/run-identity.js';

export interface ServerFacts {
  readonly schedules: ScheduleFacts;
  /** Of the runs asked about, by `runKey`: does it go on? Those it could not be said of are not in it. */
  readonly alive: ReadonlyMap<string, boolean>;
  /** When the backups that are going on began, ISO; undefined where that is not known. */
  readonly runningSince: readonly string[] | undefined;
}

/** What is known without a server. */
export function noServerFacts(reason: string): ServerFacts {
  return { schedules: { known: false, reason }, alive: new Map(), runningSince: undefined };
}

/** Never throws: what the server does not tell is not known. */
export async function readServerFacts(
  client: Client,
  stack: string,
  runs: readonly RunIdentity[],
): Promise<ServerFacts> {
  const alive = new Map<string, boolean>();
  for (const run of runs) {
    if (alive.has(runKey(run))) continue;
    const goesOn = await isAlive(client, run);
    if (goesOn !== undefined) alive.set(runKey(run), goesOn);
  }
  return {
    schedules: await readSchedules(client, stack),
    alive,
    runningSince: await runningBackups(client, stack),
  };
}

async function isAlive(
  client: Client,
  { workflowId, runId }: RunIdentity,
): Promise<boolean | undefined> {
  try {
    const { status } = await client.workflow.getHandle(workflowId, runId).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    return error instanceof WorkflowNotFoundError ? false : undefined;
  }
}

async function readSchedules(client: Client, stack: string): Promise<ScheduleFacts> {
  try {
    const schedules: ScheduleFact[] = [];
    for await (const { scheduleId } of client.schedule.list()) {
      if (!scheduleId.startsWith(schedulePrefix(stack))) continue;
      const description = await client.schedule.getHandle(scheduleId).describe();
      schedules.push(await scheduleFact(client, description));
    }
    return { known: true, schedules: schedules.sort((a, b) => (a.id < b.id ? -1 : 1)) };
  } catch (error) {
    return { known: false, reason: messageOf(error) };
  }
}

async function scheduleFact(
  client: Client,
  { scheduleId: id, state, info }: ScheduleDescription,
): Promise<ScheduleFact> {
  const last = info.recentActions.at(-1);
  const lastRun =
    last?.action.type === 'startWorkflow'
      ? await endingOf(client, last.action.workflow, last.takenAt)
      : undefined;
  return {
    id,
    paused: state.paused,
    note: state.note ?? '',
    missedCatchUps: info.numActionsMissedCatchupWindow,
    skippedRuns: info.numActionsSkippedOverlap,
    hasNext: info.nextActionTimes.length > 0,
    ...(lastRun === undefined ? {} : { lastRun }),
  };
}

async function endingOf(
  client: Client,
  { workflowId, firstExecutionRunId }: { workflowId: string; firstExecutionRunId: string },
  at: Date,
): Promise<ScheduleFact['lastRun']> {
  try {
    const handle = client.workflow.getHandle(workflowId, firstExecutionRunId);
    const { status } = await handle.describe();
    return { workflowId, status: status.name, at: at.toISOString() };
  } catch {
    // Histories are deleted after a while; then there is nothing to tell.
    return undefined;
  }
}

async function runningBackups(client: Client, stack: string): Promise<string[] | undefined> {
  const since: string[] = [];
  try {
    const query = `ExecutionStatus = 'Running' AND HoldfastStack = '${stack}' AND WorkflowType IN ('backupStack', 'scheduledBackup')`;
    for await (const { startTime } of client.workflow.list({ query })) {
      since.push(startTime.toISOString());
    }
    return since;
  } catch {
    // Silent, or it never saw a worker and does not know the attribute.
    return undefined;
  }
}
