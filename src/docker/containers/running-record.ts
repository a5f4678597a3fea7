/**
 * What ran before we stopped it. The record is on disk before the first container is touched, so
 * that whoever comes next (the next attempt, a worker's start, a person) can start again exactly
 * what ran: an `unless-stopped` container that a dead backup stopped would stay down for ever.
 */
import type { ContainerInfo } from './containers.js';
import { findContainer, pauseContainer, stopContainer } from './containers.js';
import type { Engine } from '../engine/engine.js';
import type { RecordedContainer, RunningRecord, StopMode } from './running-file.js';
import { readRecord, writeRecord } from './running-file.js';

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
  /**
   * What the record says of a container stands, also where it runs by now: what is being taken back
   * has started it. Else one that runs again was started by somebody, and is to run afterwards; so is
   * what runs of a service of which nothing ran.
   */
  readonly recordStands?: boolean;
  /**
   * One that died with the engine counts as running: a crash is nobody's wish. The engine gives it exit
   * code 255, which hardly a program has.
   */
  readonly deadWithEngineRan?: boolean;
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
  await writeRecord(request.recordFile, record);
  return { ...(await stopFound(engine, found, record, request)), missing, record };
}

/**
 * Stops or pauses, as the record says, those of `found` that are up. The record must be on disk.
 * @throws HoldfastError DOCKER_FAILED for one that can't be stopped; ended or restarting meanwhile is
 *   in `changed` instead: it needs another record
 */
export async function stopFound(
  engine: Engine,
  found: readonly ContainerInfo[],
  record: RunningRecord,
  request: Pick<StopRequest, 'graceMs' | 'signal'>,
  onEach: () => void = () => undefined,
): Promise<Pick<StopOutcome, 'stopped' | 'killed'> & { readonly changed: readonly string[] }> {
  const stopped: string[] = [];
  const killed: string[] = [];
  const changed: string[] = [];
  for (const container of found) {
    request.signal?.throwIfAborted();
    const entry = record.containers.find(({ name }) => name === container.name);
    onEach();
    if (entry?.mode === 'pause') {
      if (container.state !== 'running') continue;
      ((await pauses(engine, container)) ? stopped : changed).push(container.name);
    } else if (isUp(container)) {
      const result = await stopContainer(engine, container.id, request.graceMs);
      stopped.push(container.name);
      if (result.killed) killed.push(container.name);
    }
  }
  return { stopped, killed, changed };
}

/** @returns false where there was nothing left to pause: it has ended, or restarts. */
async function pauses(engine: Engine, { id }: ContainerInfo): Promise<boolean> {
  try {
    await pauseContainer(engine, id);
    return true;
  } catch (error) {
    const now = await findContainer(engine, id);
    if (now?.state === 'running') throw error;
    return now?.state === 'paused';
  }
}

/**
 * The record after looking at `found`: earlier entries stay as they are, except that one which runs
 * now was started by somebody meanwhile and counts as running, unless `recordStands`. `beside`: entries of others who hold
 * the same containers still; what they have stopped ran, too. Pure.
 */
export function mergeRecord(
  earlier: RunningRecord | undefined,
  found: readonly ContainerInfo[],
  request: Pick<
    StopRequest,
    'mode' | 'reason' | 'workflowId' | 'runId' | 'recordStands' | 'deadWithEngineRan'
  >,
  now: string,
  beside: readonly RecordedContainer[] = [],
): RunningRecord {
  const containers = [...(earlier?.containers ?? [])];
  // Where nothing ran, an engine that had just crashed is likelier than somebody's wish.
  const stands = request.recordStands === true && containers.some((one) => one.wasRunning);
  for (const container of found) {
    const at = containers.findIndex((entry) => entry.name === container.name);
    const own = containers[at];
    if (own !== undefined && stands) continue;
    const before = own ?? beside.find((entry) => isSameContainer(entry, container));
    const paused = container.state === 'paused';
    // Paused by us counts as running, so does one that we had stopped already.
    const pausedByUs = paused && before?.mode === 'pause' && before.wasRunning && !before.wasPaused;
    const entry: RecordedContainer = {
      // The first one's: whoever starts it again can tell that it was made anew since.
      id: own?.id ?? container.id,
      name: container.name,
      wasRunning:
        (before?.wasRunning ?? false) ||
        isUp(container) ||
        (request.deadWithEngineRan === true && diedWithEngine(container)),
      wasPaused: isUp(container) && !pausedByUs ? paused : (before?.wasPaused ?? false),
      restartPolicy: container.restartPolicy,
      // What crashes time and again can't be paused: it would write between two crashes.
      ...(before?.wasRestarting === true || isCrashing(container, now)
        ? { wasRestarting: true }
        : {}),
      // A container once stopped is not brought back by thawing it.
      mode: before?.mode === 'stop' || container.state === 'restarting' ? 'stop' : request.mode,
      // When we last found it up: started later than that, it was not held still.
      at: own !== undefined && !(isUp(container) && !pausedByUs) ? own.at : now,
    };
    if (own === undefined) containers.push(entry);
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

function diedWithEngine({ state, exitCode }: ContainerInfo): boolean {
  return state === 'exited' && exitCode === 255;
}

export function isSameContainer(
  entry: RecordedContainer,
  container: Pick<ContainerInfo, 'id' | 'name'>,
): boolean {
  return entry.id === container.id || entry.name === container.name;
}

/** How long one must run after a crash until nobody expects the next. */
const CALM_MS = 60_000;

function isCrashing({ state, restartCount, startedAt }: ContainerInfo, now: string): boolean {
  if (state === 'restarting') return true;
  const ranMs = Date.parse(now) - Date.parse(startedAt);
  return state === 'running' && restartCount > 0 && ranMs < CALM_MS;
}

export function isUp(container: ContainerInfo): boolean {
  return ['running', 'paused', 'restarting'].includes(container.state);
}
