/**
 * Holding containers still while something of theirs is read. Several sources may hold one container
 * side by side: each has its record on disk, and the records are counted. The last one to let go starts
 * the container; what a dead run left does not count, and its record is for recovery.
 */
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '../../base/errors.js';
import type { IsAlive } from '../../format/run-identity.js';
import type { Work } from '../../base/progress.js';
import { withFileLock } from '../../base/files/lock.js';
import { COMPOSE_ONEOFF_LABEL, findContainer, type ContainerInfo } from './containers.js';
import type { Engine } from '../engine/engine.js';
import {
  listRecords,
  readRecord,
  writeRecord,
  type RecordedContainer,
  type RunningRecord,
} from './running-file.js';
import {
  isSameContainer,
  isUp,
  mergeRecord,
  stopFound,
  type StopOutcome,
  type StopRequest,
} from './running-record.js';
import { startRecorded, type StartOutcome } from './start-recorded.js';

/** How often a hold that must be waited for is looked at. */
const LOOK_MS = 2_000;
/** How often one is recorded anew that ended or began to restart just before it was to be paused. */
const MOST_LOOKS = 5;

export interface HoldRequest extends Omit<StopRequest, 'containers' | 'signal'> {
  /** The containers to hold, in the order in which to stop them; asked again after each wait. */
  readonly find: () => Promise<readonly ContainerInfo[]>;
  readonly isAlive: IsAlive;
}

/**
 * Records and stops (or pauses) what runs, as `recordAndStop` does, beside others that hold some of it
 * already. One that others have paused is stopped only when they are done: stopping lets it write.
 * @throws HoldfastError INPUT_INVALID for a container that would be removed by being stopped; INTEGRITY;
 *   engine errors; the signal's reason
 */
export async function holdStill(
  engine: Engine,
  request: HoldRequest,
  work: Work,
): Promise<Pick<StopOutcome, 'stopped' | 'killed' | 'record'>> {
  const stopped: string[] = [];
  const killed: string[] = [];
  for (let looks = 1; ; looks += 1) {
    const { found, record } = await recordHold(request, work);
    let done = 0;
    const outcome = await stopFound(
      engine,
      found,
      record,
      { ...request, signal: work.signal },
      () => {
        done += 1;
        work.report({ phase: 'hold', bytes: 0, entries: done, totalBytes: 0 });
      },
    );
    stopped.push(...outcome.stopped);
    killed.push(...outcome.killed);
    if (outcome.changed.length === 0) {
      const held = await noteHeld(engine, request, record, work.signal);
      return { stopped, killed, record: held };
    }
    if (looks === MOST_LOOKS) {
      throw new HoldfastError(
        'DOCKER_FAILED',
        `${outcome.changed.join(', ')} can't be held still: it ends and starts all the time`,
        { facts: { containers: outcome.changed }, hint: 'look at its log with `docker logs`' },
      );
    }
  }
}

/**
 * Notes the last start of what is held now. One in a crash loop may have started between the look and
 * the stop; what comes later than this was not still while it was read.
 */
async function noteHeld(
  engine: Engine,
  { recordFile }: HoldRequest,
  record: RunningRecord,
  signal: AbortSignal,
): Promise<RunningRecord> {
  const containers: RecordedContainer[] = [];
  for (const entry of record.containers) {
    const now = entry.wasRunning ? await findContainer(engine, entry.id) : undefined;
    const isStill = now !== undefined && (now.state === 'paused' || !isUp(now));
    const startedLater = Date.parse(now?.startedAt ?? '') > Date.parse(entry.at);
    const at = new Date(now?.startedAt ?? entry.at).toISOString();
    containers.push(isStill && startedLater ? { ...entry, at } : entry);
  }
  const held = { ...record, containers };
  if (containers.some((entry, index) => entry !== record.containers[index])) {
    await locked(recordFile, signal, () => writeRecord(recordFile, held));
  }
  return held;
}

async function recordHold(
  request: HoldRequest,
  work: Work,
): Promise<{ readonly found: readonly ContainerInfo[]; readonly record: RunningRecord }> {
  for (let waited = 1; ; waited += 1) {
    const made = await locked(request.recordFile, work.signal, async () => {
      const found = await request.find();
      const others = await holdsBeside(request.recordFile);
      const beside = others.flatMap(({ containers }) => containers);
      const record: RunningRecord = {
        ...mergeRecord(
          await readRecord(request.recordFile),
          found,
          request,
          new Date().toISOString(),
          beside.filter(({ wasRunning }) => wasRunning),
        ),
        purpose: 'hold',
      };
      const toStop = record.containers.filter(({ mode }) => mode === 'stop');
      refuseRemoved(found.filter((one) => toStop.some((entry) => isSameContainer(entry, one))));
      const frozen = found.filter(
        (one) =>
          one.state === 'paused' &&
          toStop.some((entry) => isSameContainer(entry, one)) &&
          beside.some((entry) => entry.mode === 'pause' && holds(entry, one)),
      );
      if (frozen.length > 0 && (await anyAlive(others, frozen, request.isAlive))) return undefined;
      await writeRecord(request.recordFile, record);
      return { found, record };
    });
    if (made !== undefined) return made;
    work.report({ phase: 'wait', bytes: 0, entries: waited, totalBytes: 0 });
    await delay(LOOK_MS, undefined, { signal: work.signal });
  }
}

/** Those that run and could not be started again: made for one run, they are removed when they end. */
export function removedWhenStopped(found: readonly ContainerInfo[]): ContainerInfo[] {
  return found.filter(
    (one) => isUp(one) && (one.autoRemove === true || one.labels[COMPOSE_ONEOFF_LABEL] === 'True'),
  );
}

/** @throws HoldfastError INPUT_INVALID naming all that could not be started again */
function refuseRemoved(found: readonly ContainerInfo[]): void {
  const gone = removedWhenStopped(found);
  if (gone.length === 0) return;
  const names = gone.map(({ name }) => name);
  throw new HoldfastError(
    'INPUT_INVALID',
    `${names.join(', ')} can't be stopped and started again: it was made for one run (--rm, compose run) and is removed when it ends`,
    {
      hint: 'let the source use `quiesce: pause`, or make the container without --rm',
      facts: { containers: names },
    },
  );
}

export interface ReleaseOutcome extends StartOutcome {
  /** Still held by other sources: the last of them starts these. */
  readonly leftHeld: readonly string[];
  /** Ran while they were to be held still: somebody else has started them. */
  readonly disturbed: readonly string[];
}

/**
 * Ends a hold: starts what nobody else holds, checks that it runs, and forgets the record. Without a
 * record there is nothing to do. What is started is under the same lock as what is recorded, so that
 * nobody takes a container for stopped that is just being started.
 * @throws HoldfastError DOCKER_FAILED naming those that don't run (the record stays), engine errors
 */
export async function releaseHold(
  engine: Engine,
  recordFile: string,
  options: { readonly isAlive: IsAlive; readonly signal: AbortSignal },
): Promise<ReleaseOutcome> {
  const leftHeld: string[] = [];
  return locked(recordFile, options.signal, async () => {
    const record = await readRecord(recordFile);
    const disturbed =
      record === undefined || record.releasing === true ? [] : await ranSince(engine, record);
    if (record !== undefined) await writeRecord(recordFile, { ...record, releasing: true });
    const others = await holdsBeside(recordFile);
    const alive: RecordedContainer[] = [];
    for (const other of others) {
      if (await options.isAlive(other)) alive.push(...other.containers);
    }
    const started = await startRecorded(engine, recordFile, {
      only: (container) => {
        if (!alive.some((entry) => holds(entry, container))) return true;
        leftHeld.push(container.name);
        return false;
      },
    });
    return { ...started, leftHeld, disturbed };
  });
}

/** Those that run, or were started since they were recorded. */
async function ranSince(engine: Engine, record: RunningRecord): Promise<string[]> {
  const ran: string[] = [];
  for (const entry of record.containers) {
    if (!entry.wasRunning) continue;
    const now =
      (await findContainer(engine, entry.id)) ?? (await findContainer(engine, entry.name));
    if (now === undefined) continue;
    const up = now.state === 'running' || now.state === 'restarting';
    if (up || Date.parse(now.startedAt) > Date.parse(entry.at)) ran.push(entry.name);
  }
  return ran;
}

/** Does the entry keep this container still? */
function holds(entry: RecordedContainer, container: ContainerInfo): boolean {
  return entry.wasRunning && isSameContainer(entry, container);
}

/** Holds of others that have not begun to let go, of dead runs as well. */
async function holdsBeside(recordFile: string): Promise<RunningRecord[]> {
  const records = await listRecords(path.dirname(recordFile));
  return records
    .filter(({ file }) => path.resolve(file) !== path.resolve(recordFile))
    .map(({ record }) => record)
    .filter(({ purpose, releasing }) => purpose === 'hold' && releasing !== true);
}

async function anyAlive(
  others: readonly RunningRecord[],
  containers: readonly ContainerInfo[],
  isAlive: IsAlive,
): Promise<boolean> {
  for (const other of others) {
    const one = other.containers.some((entry) => containers.some((found) => holds(entry, found)));
    if (one && (await isAlive(other))) return true;
  }
  return false;
}

function locked<T>(recordFile: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const file = path.join(path.dirname(recordFile), '.holds.lock');
  return withFileLock(file, { mode: 'wait', signal }, work);
}
