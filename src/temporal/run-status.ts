/** What a run is doing now, read from the server: for the CLI's progress and for `--json`. */
import { defaultPayloadConverter } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import { z } from 'zod';
import type { RunView } from '../plan/shared/inputs.js';
import { toHoldfastError } from './failures.js';

export interface ActivitySnapshot {
  readonly activityType: string;
  readonly attempt: number;
  readonly service: string;
  readonly source: string;
  readonly phase: string;
  readonly bytes: number;
  readonly entries: number;
  readonly totalBytes: number;
  readonly lastFailure?: string;
}

export type RunState = 'running' | 'completed' | 'failed' | 'cancelled' | 'terminated' | 'timedOut';

export interface RunSnapshot {
  readonly status: RunState;
  readonly view?: RunView;
  readonly activities: readonly ActivitySnapshot[];
}

const heartbeatSchema = z.object({
  service: z.string(),
  source: z.string(),
  phase: z.string(),
  bytes: z.number(),
  entries: z.number(),
  totalBytes: z.number(),
});

const viewSchema = z.object({
  phase: z.string(),
  waitingFor: z.string().optional(),
  steps: z.array(
    z.object({
      service: z.string(),
      step: z.string(),
      state: z.enum(['pending', 'running', 'done', 'failed', 'skipped']),
      detail: z.string().optional(),
    }),
  ),
});

/** The run itself; its children are runs of their own. */
export async function runSnapshot(client: Client, workflowId: string): Promise<RunSnapshot> {
  const own = await describe(client, workflowId);
  const view = own.status === 'running' ? await queryView(client, workflowId) : undefined;
  return { ...own, ...(view === undefined ? {} : { view }) };
}

/** Waits for the result. @throws HoldfastError with the run's own code */
export async function runResult(client: Client, workflowId: string): Promise<unknown> {
  try {
    return await client.workflow.getHandle(workflowId).result();
  } catch (error) {
    throw toHoldfastError(error);
  }
}

async function describe(
  client: Client,
  workflowId: string,
): Promise<{ status: RunState; activities: ActivitySnapshot[] }> {
  const description = await client.workflow.getHandle(workflowId).describe();
  const activities: ActivitySnapshot[] = [];
  for (const pending of description.raw.pendingActivities ?? []) {
    const payload = pending.heartbeatDetails?.payloads?.[0];
    const beat = heartbeatSchema.safeParse(
      payload === undefined ? undefined : defaultPayloadConverter.fromPayload<unknown>(payload),
    );
    const failure = pending.lastFailure?.message;
    activities.push({
      activityType: pending.activityType?.name ?? '',
      attempt: pending.attempt ?? 1,
      ...(beat.success
        ? beat.data
        : { service: '', source: '', phase: '', bytes: 0, entries: 0, totalBytes: 0 }),
      ...(typeof failure === 'string' ? { lastFailure: failure } : {}),
    });
  }
  return { status: runState(description.status.name), activities };
}

function runState(name: string): RunState {
  switch (name) {
    case 'COMPLETED':
      return 'completed';
    case 'FAILED':
      return 'failed';
    case 'CANCELLED':
    case 'CANCELED':
      return 'cancelled';
    case 'TERMINATED':
      return 'terminated';
    case 'TIMED_OUT':
      return 'timedOut';
    default:
      return 'running';
  }
}

/** Queries need a worker; without one the progress is simply not known. */
async function queryView(client: Client, workflowId: string): Promise<RunView | undefined> {
  try {
    const parsed = viewSchema.safeParse(
      await client.workflow.getHandle(workflowId).query('status'),
    );
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
