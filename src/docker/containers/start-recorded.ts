/** Starting again what a record says ran. */
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, messageOf } from '../../base/errors.js';
import type { ContainerInfo } from './containers.js';
import {
  containerLogsTail,
  findContainer,
  inspectContainer,
  pauseContainer,
  startContainer,
  unpauseContainer,
} from './containers.js';
import type { Engine } from '../engine/engine.js';
import type { RecordedContainer } from './running-file.js';
import { discardRecord, readRecord } from './running-file.js';

/** A container that can't start usually ends at once; one that is still there then has started. */
const SETTLE_MS = 750;

export interface StartOutcome {
  /** Names of those that this call started or thawed. */
  readonly started: readonly string[];
  /** Ran already. */
  readonly alreadyRunning: readonly string[];
  /** Recorded as running, but there is no such container any more. */
  readonly missing: readonly string[];
}

export interface StartOptions {
  /** What ran before may still be asked for: the run is not over. */
  readonly keepRecord?: boolean;
  /** Which of the recorded containers; all of them by default. */
  readonly only?: (container: ContainerInfo) => boolean;
}

/**
 * Starts what ran when it was recorded, the one stopped last first; checks that all of it runs; then
 * removes the record, unless told to keep it. Without a record there is nothing to do.
 * @throws HoldfastError DOCKER_FAILED naming those that don't run (the record stays), engine errors.
 */
export async function startRecorded(
  engine: Engine,
  recordFile: string,
  options: StartOptions = {},
): Promise<StartOutcome> {
  const record = await readRecord(recordFile);
  const started: string[] = [];
  const alreadyRunning: string[] = [];
  const missing: string[] = [];
  const outcome = { started, alreadyRunning, missing };
  if (record === undefined) return outcome;
  const failures: string[] = [];
  const up: RecordedContainer[] = [];
  for (const entry of record.containers.filter((one) => one.wasRunning).reverse()) {
    // Re-created meanwhile, it has another id and the same name.
    const container =
      (await findContainer(engine, entry.id)) ?? (await findContainer(engine, entry.name));
    if (container === undefined) {
      outcome.missing.push(entry.name);
      continue;
    }
    if (options.only?.(container) === false) continue;
    try {
      const touched = await bringUp(engine, container, entry);
      (touched ? outcome.started : outcome.alreadyRunning).push(entry.name);
      up.push({ ...entry, id: container.id });
    } catch (error) {
      // The others still come up.
      failures.push(`${entry.name}: ${messageOf(error)}`);
    }
  }
  if (outcome.started.length > 0) await delay(SETTLE_MS);
  for (const entry of up) {
    const problem = await notUp(engine, entry);
    if (problem !== undefined) failures.push(problem);
  }
  if (failures.length > 0) {
    throw new HoldfastError('DOCKER_FAILED', `not running again: ${failures.join('; ')}`, {
      facts: { containers: failures.map((line) => line.split(':')[0] ?? ''), recordFile },
      hint: 'look at `docker logs` of the container; the record stays, so the next attempt starts it',
    });
  }
  if (options.keepRecord !== true) await discardRecord(recordFile);
  return outcome;
}

async function bringUp(
  engine: Engine,
  container: ContainerInfo,
  entry: RecordedContainer,
): Promise<boolean> {
  if (container.state === 'running') return false;
  if (container.state === 'paused') {
    if (entry.wasPaused) return false;
    await unpauseContainer(engine, container.id);
    return true;
  }
  if (container.state === 'restarting') return false;
  await startContainer(engine, container.id);
  if (entry.wasPaused) await pauseContainer(engine, container.id);
  return true;
}

async function notUp(engine: Engine, entry: RecordedContainer): Promise<string | undefined> {
  const { state, exitCode } = await inspectContainer(engine, entry.id);
  // It crashed before, and may do so again: that is how it was.
  if (entry.wasRestarting === true) return undefined;
  if (state === 'running' || state === 'paused') return undefined;
  // A job that has done its work since is not a failure.
  if (state === 'exited' && exitCode === 0) return undefined;
  const log = (await containerLogsTail(engine, entry.id, 5)).trim().replaceAll('\n', ' | ');
  return `${entry.name}: ${state} with exit code ${exitCode}${log && `: ${log.slice(-300)}`}`;
}
