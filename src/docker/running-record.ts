/**
 * What ran before we stopped it. The record is on disk before the first container is touched, so
 * that whoever comes next (the next attempt, a worker's start, a person) can start again exactly
 * what ran: an `unless-stopped` container that a dead backup stopped would stay down for ever.
 */
import path from 'node:path';
import { mkdirDurably, writeFileDurably } from '../system/durable.js';
import type { ContainerInfo } from './containers.js';
import { findContainer, pauseContainer, stopContainer } from './containers.js';
import type { Engine } from './engine.js';
import type { RecordedContainer, RunningRecord, StopMode } from './running-file.js';
import { readRecord } from './running-file.js';

export type { FoundRecord, RecordedContainer, RunningRecord, StopMode } from './running-file.js';
export { discardRecord, listRecords, readRecord } from './running-file.js';
export type { StartOutcome } from './start-recorded.js';
export { startRecorded } from './start-recorded.js';

export interface StopRequest {
  readonly recordFile: string;
  /** Names or ids, in the order in which to stop them. */
  readonly containers: readonly string[];
  readonly graceMs: number;
  readonly mode: StopMode;
  /** Why, for the person who finds the record. */
  readonly reason: string;
  readonly workflowId: string;
  readonly runId?: string | undefined;
  /** Between two containers, a cancelled run stops no more of them; what is recorded stays so. */
  readonly signal?: AbortSignal;
}

export interface StopOutcome {
  /** Names of those that this call stopped or paused. */
  readonly stopped: readonly string[];
  /** Of these, the ones that did not end within the grace and were killed. */
  readonly killed: readonly string[];
  /** Asked for, but there is no such container. */
  readonly missing: readonly string[];
  readonly record: RunningRecord;
}

/**
 * Records which of the containers run, durably, then stops (or pauses) those. Called again with the
 * same file, it adds to the record and never forgets that something ran: by then we have stopped it.
 * @throws HoldfastError INTEGRITY when there is a record that can't be read; engine errors.
 */
export async function recordAndStop(engine: Engine, request: StopRequest): Promise<StopOutcome> {
  const earlier = await readRecord(request.recordFile);
  const found: ContainerInfo[] = [];
  const missing: string[] = [];
  for (const nameOrId of request.containers) {
    const container = await findContainer(engine, nameOrId);
    if (container === undefined) missing.push(nameOrId);
    else found.push(container);
  }
  const record = mergeRecord(earlier, found, request, new Date().toISOString());
  await mkdirDurably(path.dirname(request.recordFile));
  await writeFileDurably(request.recordFile, `${JSON.stringify(record, undefined, 2)}\n`, 0o600);

  const stopped: string[] = [];
  const killed: string[] = [];
  for (const container of found) {
    request.signal?.throwIfAborted();
    if (request.mode === 'pause') {
      if (container.state !== 'running' && container.state !== 'restarting') continue;
      await pauseContainer(engine, container.id);
      stopped.push(container.name);
    } else if (isUp(container)) {
      const result = await stopContainer(engine, container.id, request.graceMs);
      stopped.push(container.name);
      if (result.killed) killed.push(container.name);
    }
  }
  return { stopped, killed, missing, record };
}

/**
 * The record after looking at `found`: earlier entries stay as they are, except that one which runs
 * now was started by somebody meanwhile and counts as running. Pure.
 */
export function mergeRecord(
  earlier: RunningRecord | undefined,
  found: readonly ContainerInfo[],
  request: Pick<StopRequest, 'mode' | 'reason' | 'workflowId' | 'runId'>,
  now: string,
): RunningRecord {
  const containers = [...(earlier?.containers ?? [])];
  for (const container of found) {
    const at = containers.findIndex((entry) => entry.name === container.name);
    const before = containers[at];
    const paused = container.state === 'paused';
    // Paused by us counts as running, so does one that we had stopped already.
    const pausedByUs = paused && before?.mode === 'pause' && before.wasRunning && !before.wasPaused;
    const entry: RecordedContainer = {
      // The first one's: whoever starts it again can tell that it was made anew since.
      id: before?.id ?? container.id,
      name: container.name,
      wasRunning: (before?.wasRunning ?? false) || isUp(container),
      wasPaused: isUp(container) && !pausedByUs ? paused : (before?.wasPaused ?? false),
      restartPolicy: container.restartPolicy,
      // A container once stopped is not brought back by thawing it.
      mode: before?.mode === 'stop' ? 'stop' : request.mode,
      at: before?.at ?? now,
    };
    if (before === undefined) containers.push(entry);
    else containers[at] = entry;
  }
  return {
    format: 'holdfast-running',
    version: 1,
    reason: request.reason,
    workflowId: request.workflowId,
    ...(request.runId === undefined ? {} : { runId: request.runId }),
    at: earlier?.at ?? now,
    containers,
  };
}

function isUp(container: ContainerInfo): boolean {
  return ['running', 'paused', 'restarting'].includes(container.state);
}
