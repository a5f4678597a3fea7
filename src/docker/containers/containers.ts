/** Containers: finding them, and starting, stopping, pausing and removing them. */
import { z } from 'zod';
import { HoldfastError, isHoldfastError } from '../../base/errors.js';
import type { ContainerInfo } from './container-info.js';
import {
  COMPOSE_PROJECT_LABEL,
  inspectSchema,
  mountsVolume,
  toContainerInfo,
} from './container-info.js';
import { demuxBuffer } from '../engine/demux.js';
import type { Engine } from '../engine/engine.js';
import { assertPlainName, parseAnswer, statusOf } from '../engine/engine.js';

export type {
  ContainerHealth,
  ContainerInfo,
  ContainerMount,
  ContainerState,
} from './container-info.js';
export {
  COMPOSE_ONEOFF_LABEL,
  COMPOSE_PROJECT_LABEL,
  COMPOSE_SERVICE_LABEL,
  mountsVolume,
} from './container-info.js';

/** @throws HoldfastError CONTAINER_NOT_FOUND */
export async function inspectContainer(engine: Engine, nameOrId: string): Promise<ContainerInfo> {
  const container = engine.docker.getContainer(assertPlainName(nameOrId, 'container'));
  const action = `inspect container ${nameOrId}`;
  const answer: unknown = await engine.call({ action, container: nameOrId }, (abortSignal) =>
    container.inspect({ abortSignal }),
  );
  return toContainerInfo(parseAnswer(inspectSchema, answer, action));
}

/** The container, or undefined when there is none of that name or id. */
export async function findContainer(
  engine: Engine,
  nameOrId: string,
): Promise<ContainerInfo | undefined> {
  try {
    return await inspectContainer(engine, nameOrId);
  } catch (error) {
    if (isHoldfastError(error) && error.code === 'CONTAINER_NOT_FOUND') return undefined;
    throw error;
  }
}

export interface ContainerFilter {
  /** Containers that mount this volume. */
  readonly volume?: string;
  readonly composeProject?: string;
  /** `name` or `name=value`. */
  readonly label?: string;
}

/** Containers in any state that match all of the filter, in the order they were made. */
export async function listContainers(
  engine: Engine,
  filter: ContainerFilter,
): Promise<ContainerInfo[]> {
  const labels = [
    ...(filter.composeProject === undefined
      ? []
      : [`${COMPOSE_PROJECT_LABEL}=${filter.composeProject}`]),
    ...(filter.label === undefined ? [] : [filter.label]),
  ];
  const filters = {
    ...(labels.length === 0 ? {} : { label: labels }),
    ...(filter.volume === undefined ? {} : { volume: [filter.volume] }),
  };
  const answer: unknown = await engine.call({ action: 'list containers' }, (abortSignal) =>
    engine.docker.listContainers({ all: true, filters, abortSignal }),
  );
  const listed = parseAnswer(z.array(z.object({ Id: z.string() })), answer, 'list containers');
  const found: ContainerInfo[] = [];
  for (const { Id } of listed) {
    const info = await findContainer(engine, Id); // gone since the listing: not in the answer
    if (info !== undefined && (filter.volume === undefined || mountsVolume(info, filter.volume))) {
      found.push(info);
    }
  }
  return found.sort((a, b) => (a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : 0));
}

export interface StopResult {
  /** False where it was not running (nothing was done). */
  readonly wasRunning: boolean;
  /** It did not end within the grace and was killed: what it wrote is only crash-consistent. */
  readonly killed: boolean;
  readonly exitCode: number;
}

/**
 * Stops a container and waits until it has ended. One that does not run is left as it is.
 * @throws HoldfastError CONTAINER_NOT_FOUND, DOCKER_FAILED when it still runs afterwards.
 */
export async function stopContainer(
  engine: Engine,
  nameOrId: string,
  graceMs: number,
): Promise<StopResult> {
  const container = engine.docker.getContainer(assertPlainName(nameOrId, 'container'));
  const wasRunning = await did(() =>
    engine.call(
      {
        action: `stop container ${nameOrId}`,
        container: nameOrId,
        timeoutMs: graceMs + engine.timeoutMs,
      },
      (abortSignal) => container.stop({ t: Math.ceil(graceMs / 1000), abortSignal }),
    ),
  );
  const { exitCode, state } = await inspectContainer(engine, nameOrId);
  if (state === 'running' || state === 'restarting') {
    throw new HoldfastError('DOCKER_FAILED', `container ${nameOrId} runs again after its stop`, {
      facts: { container: nameOrId, state },
      hint: 'see what starts it: another tool, a supervisor, somebody at the keyboard',
    });
  }
  return { wasRunning, killed: wasRunning && exitCode === 137, exitCode };
}

/**
 * Starts a container; a running one is left as it is.
 * @returns whether it had to be started.
 */
export async function startContainer(engine: Engine, nameOrId: string): Promise<boolean> {
  const container = engine.docker.getContainer(assertPlainName(nameOrId, 'container'));
  return did(() =>
    engine.call({ action: `start container ${nameOrId}`, container: nameOrId }, (abortSignal) =>
      container.start({ abortSignal }),
    ),
  );
}

/** Freezes a running container; a paused one is left as it is. */
export async function pauseContainer(engine: Engine, nameOrId: string): Promise<void> {
  const { state } = await inspectContainer(engine, nameOrId);
  if (state === 'paused') return;
  const container = engine.docker.getContainer(nameOrId);
  await engine.call({ action: `pause container ${nameOrId}`, container: nameOrId }, (abortSignal) =>
    container.pause({ abortSignal }),
  );
}

/** Thaws a paused container; any other is left as it is. */
export async function unpauseContainer(engine: Engine, nameOrId: string): Promise<void> {
  const { state } = await inspectContainer(engine, nameOrId);
  if (state !== 'paused') return;
  const container = engine.docker.getContainer(nameOrId);
  await engine.call(
    { action: `unpause container ${nameOrId}`, container: nameOrId },
    (abortSignal) => container.unpause({ abortSignal }),
  );
}

export interface RemoveOptions {
  /** Kill it first where it runs. */
  readonly force?: boolean;
  /** Remove its anonymous volumes too. */
  readonly anonymousVolumes?: boolean;
}

/** Removes a container; a missing one is fine. */
export async function removeContainer(
  engine: Engine,
  nameOrId: string,
  options: RemoveOptions = {},
): Promise<void> {
  const container = engine.docker.getContainer(assertPlainName(nameOrId, 'container'));
  try {
    await engine.call(
      { action: `remove container ${nameOrId}`, container: nameOrId },
      (abortSignal) =>
        container.remove({
          force: options.force ?? false,
          v: options.anonymousVolumes ?? false,
          abortSignal,
        }),
    );
  } catch (error) {
    if (isHoldfastError(error) && error.code === 'CONTAINER_NOT_FOUND') return;
    // Someone else is removing it: what we want is happening.
    if (
      statusOf(error) === 409 &&
      isHoldfastError(error) &&
      /already in progress/.test(error.message)
    ) {
      return;
    }
    throw error;
  }
}

/** The last lines of a container's stdout and stderr; empty where its log driver keeps none. */
export async function containerLogsTail(
  engine: Engine,
  nameOrId: string,
  lines = 50,
): Promise<string> {
  const container = engine.docker.getContainer(assertPlainName(nameOrId, 'container'));
  try {
    const log: unknown = await engine.call(
      { action: `read the log of ${nameOrId}`, container: nameOrId },
      (abortSignal) =>
        container.logs({ stdout: true, stderr: true, tail: lines, follow: false, abortSignal }),
    );
    // dockerode parses what happens to be JSON (a container with a TTY logs without frames).
    return Buffer.isBuffer(log) ? demuxBuffer(log) : JSON.stringify(log);
  } catch (error) {
    if (isHoldfastError(error) && /logging driver|log driver/i.test(error.message)) return '';
    throw error;
  }
}

/** The engine answers 304 where the container is already as asked. */
async function did(request: () => Promise<unknown>): Promise<boolean> {
  try {
    await request();
    return true;
  } catch (error) {
    if (statusOf(error) === 304) return false;
    throw error;
  }
}
