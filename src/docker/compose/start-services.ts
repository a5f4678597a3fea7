/** Carrying out a start plan: compose makes what is missing, the engine starts what is there. */
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, isHoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { InventoryContainer } from '../../format/manifest.js';
import { composeUpServices, type ComposeProject } from './compose.js';
import type { ContainerInfo } from '../containers/container-info.js';
import {
  containerLogsTail,
  listContainers,
  pauseContainer,
  startContainer,
  stopContainer,
  unpauseContainer,
} from '../containers/containers.js';
import type { Engine } from '../engine/engine.js';
import { isOneOff, toInventory, wasUp } from '../containers/what-runs.js';
import type { ServiceStart } from './start-plan.js';

const POLL_MS = 500;
/** How long a service that others need healthy is waited for; its own gate comes later. */
const HEALTHY_MS = 5 * 60_000;
const STOP_GRACE_MS = 30_000;

export interface StartedServices {
  /** Something was asked to run. */
  readonly acted: boolean;
  /** Names of the containers that must run and be healthy from here on. */
  readonly demanded: readonly string[];
  /** Names of those that run again, and of which it is not asked: in a crash loop, paused. */
  readonly excused: readonly string[];
}

/**
 * Brings up what the plan says, group by group.
 * @throws HoldfastError COMPOSE_FAILED, DOCKER_FAILED, or the signal's reason
 */
export async function startServices(
  engine: Engine,
  project: ComposeProject,
  plan: readonly (readonly ServiceStart[])[],
  work: Work,
): Promise<StartedServices> {
  const starts = plan.flat();
  for (const group of plan) {
    for (const start of group.filter(({ running }) => running > 0)) {
      await untilReady(engine, project.project, start, starts, work);
    }
    await composeGroup(engine, project, group, work.signal);
    for (const start of group) {
      if (!start.compose) await startExisting(engine, project, start, work.signal);
    }
  }
  return settle(engine, project.project, starts);
}

async function composeGroup(
  engine: Engine,
  project: ComposeProject,
  group: readonly ServiceStart[],
  signal: AbortSignal,
): Promise<void> {
  for (const recreate of [true, false]) {
    const services = group.filter((start) => start.compose && start.anew === recreate);
    const up = async (chosen: readonly ServiceStart[], start: boolean): Promise<void> => {
      const scale = new Map(chosen.map(({ service, total }) => [service, total]));
      await composeUpServices({ ...project, signal, scale, start, recreate });
    };
    const asWhole = services.filter(({ job, running, total }) => job || running === total);
    await up(asWhole, true);
    await up(
      services.filter(({ job, running }) => !job && running === 0),
      false,
    );
    for (const start of services) {
      if (start.job || start.running === 0 || start.running === start.total) continue;
      const before = await containersOf(engine, project.project, start.service);
      if (before.length === 0) await up([{ ...start, total: start.running }], true);
      await up([start], before.length > 0);
      await stopSurplus(engine, project.project, start);
    }
  }
}

/** Compose starts all containers of a service: those that somebody had stopped are stopped again. */
async function stopSurplus(engine: Engine, project: string, start: ServiceStart): Promise<void> {
  const now = await containersOf(engine, project, start.service);
  const keep = chosen(now, start);
  for (const container of now) {
    if (keep.includes(container) || !wasUp(container)) continue;
    await stopContainer(engine, container.id, STOP_GRACE_MS);
  }
}

async function startExisting(
  engine: Engine,
  project: ComposeProject,
  start: ServiceStart,
  signal: AbortSignal,
): Promise<void> {
  const now = await containersOf(engine, project.project, start.service);
  try {
    for (const container of now.filter(({ name }) => start.names.includes(name))) {
      signal.throwIfAborted();
      const isPaused = start.paused.some((one) => isSame(one, container));
      if (container.state === 'paused') {
        if (!isPaused) await unpauseContainer(engine, container.id);
      } else await startContainer(engine, container.id);
    }
  } catch (error) {
    if (!isHoldfastError(error) || start.running !== start.total) throw error;
    // A network it was in is another one by now, say: compose makes it anew.
    const scale = new Map([[start.service, start.total]]);
    await composeUpServices({ ...project, signal, scale, start: true, recreate: true });
  }
}

/** Waits for what the service depends on, as compose does: healthy, or a job that is done. */
async function untilReady(
  engine: Engine,
  project: string,
  start: ServiceStart,
  starts: readonly ServiceStart[],
  work: Work,
): Promise<void> {
  for (const { service, condition } of start.waitFor) {
    const needed = starts.find((one) => one.service === service);
    if (needed === undefined || (needed.running === 0 && !needed.job)) continue;
    if (condition === 'healthy') await untilHealthy(engine, project, needed, work);
    if (condition === 'completed' && needed.job) await untilDone(engine, project, service, work);
  }
}

async function untilHealthy(
  engine: Engine,
  project: string,
  needed: ServiceStart,
  work: Work,
): Promise<void> {
  const endMs = Date.now() + HEALTHY_MS;
  for (let tries = 1; Date.now() < endMs; tries += 1) {
    work.signal.throwIfAborted();
    work.report({ phase: 'start', bytes: 0, entries: tries, totalBytes: 0 });
    const now = chosen(await containersOf(engine, project, needed.service), needed);
    // One that is ill stays for its gate to find, with its output.
    if (now.every(({ state, health }) => state !== 'running' || health !== 'starting')) return;
    await delay(POLL_MS);
  }
}

/** @throws HoldfastError COMPOSE_FAILED when it ends badly */
async function untilDone(
  engine: Engine,
  project: string,
  service: string,
  work: Work,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    work.signal.throwIfAborted();
    work.report({ phase: 'start', bytes: 0, entries: tries, totalBytes: 0 });
    const now = await containersOf(engine, project, service);
    const failed = now.find(({ state, exitCode }) => state === 'exited' && exitCode !== 0);
    if (failed !== undefined) {
      const log = (await containerLogsTail(engine, failed.id, 5)).trim().replaceAll('\n', ' | ');
      throw new HoldfastError(
        'COMPOSE_FAILED',
        `the job ${failed.name} ended with exit code ${failed.exitCode}${log && `: ${log.slice(-300)}`}`,
        { facts: { container: failed.name, exitCode: failed.exitCode }, permanent: true },
      );
    }
    if (now.every(({ state }) => state === 'exited')) return;
    await delay(POLL_MS);
  }
}

/** Pauses what was paused, and says what is asked of from here on. */
async function settle(
  engine: Engine,
  project: string,
  starts: readonly ServiceStart[],
): Promise<StartedServices> {
  const demanded: string[] = [];
  const excused: string[] = [];
  for (const start of starts.filter(({ running, job }) => running > 0 && !job)) {
    for (const container of chosen(await containersOf(engine, project, start.service), start)) {
      const isPaused = start.paused.some((one) => isSame(one, container));
      if (isPaused && container.state === 'running') await pauseContainer(engine, container.id);
      const isExcused = isPaused || start.crashing.some((one) => isSame(one, container));
      (isExcused ? excused : demanded).push(container.name);
    }
  }
  return { acted: starts.some(({ running, job }) => running > 0 || job), demanded, excused };
}

/** Those of a service's containers that must run. */
function chosen(now: readonly ContainerInfo[], start: ServiceStart): ContainerInfo[] {
  const nowMs = Date.now();
  const number = (one: ContainerInfo): number => toInventory(one, nowMs).number ?? 0;
  const named = now.filter(({ name }) => start.names.includes(name));
  const rest = now
    .filter((one) => !named.includes(one))
    .sort((a, b) => Number(wasUp(b)) - Number(wasUp(a)) || number(a) - number(b));
  return [...named, ...rest].slice(0, start.running);
}

/** The same one, or what was made in its place. */
function isSame(one: InventoryContainer, container: ContainerInfo): boolean {
  if (one.name === container.name) return true;
  const { number } = toInventory(container, 0);
  return number !== undefined && one.number === number;
}

async function containersOf(
  engine: Engine,
  project: string,
  service: string,
): Promise<ContainerInfo[]> {
  const all = await listContainers(engine, { composeProject: project });
  return all.filter((one) => one.composeService === service && !isOneOff(one));
}
