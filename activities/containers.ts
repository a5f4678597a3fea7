/** Stopping and starting a service's containers, and waiting until it is healthy. */
import path from 'node:path';
import { composeFiles, composeUp, type ComposeProject } from '../src/docker/compose.js';
import { resolveCompose } from '../src/docker/compose-model.js';
import { ensureExternals } from '../src/docker/externals.js';
import { listContainers, findContainer, type ContainerInfo } from '../src/docker/containers.js';
import type { Engine } from '../src/docker/engine.js';
import { waitForGate } from '../src/docker/health.js';
import {
  listRecords,
  recordAndStop,
  startRecorded,
  readRecord,
} from '../src/docker/running-record.js';
import { HoldfastError } from '../src/errors.js';
import type { HealthCheck, ServiceConfig } from '../src/config/schema.js';
import type { Work } from '../src/progress.js';
import { stoppedFile } from './places.js';
import { forRestore, requireOpen } from './restore-context.js';
import {
  checkDigest,
  guarded,
  projectOf,
  serviceOf,
  whileWaiting,
  withHeartbeat,
  runOf,
  type ActivityDependencies,
} from './runtime.js';

export interface ServiceReference {
  readonly restoreId: string;
  readonly configDigest: string;
  readonly service: string;
}

export interface StartedService {
  /** Names of the containers that run. */
  readonly started: string[];
  /** Something was started and must become healthy. */
  readonly gated: boolean;
}

export interface StartedAgain {
  /** Names of the containers that run. */
  readonly started: readonly string[];
  /** Names of those that ran before and are no longer there. */
  readonly missing?: readonly string[];
  /** Of those that run, the ones that this call has started. */
  readonly anew?: readonly string[];
}

export interface HealthReference extends ServiceReference {
  /** Shorter than the checks' own time-outs, for what was healthy a moment ago. */
  readonly withinMs?: number | undefined;
}

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createContainerActivities(dependencies: ActivityDependencies) {
  const { engine, runLog } = dependencies;
  const { root } = dependencies.config.backups;
  return {
    /** Stops what runs of the service and whoever else uses its volumes; recorded on disk first. */
    stopService: guarded(async (input: ServiceReference): Promise<{ stopped: string[] }> => {
      const { config } = await forRestore(dependencies, input.restoreId);
      checkDigest(config, input.configDigest);
      const service = serviceOf(config, input.service);
      return whileWaiting({ service: input.service, source: 'stop' }, 'stop', async () => {
        const containers = await containersOf(engine, input.service, service);
        const { stopped } = await recordAndStop(engine, {
          recordFile: stoppedFile(root, input.restoreId, input.service),
          containers: containers.map(({ id }) => id),
          graceMs: service.stopGrace,
          mode: 'stop',
          reason: `restore ${input.restoreId}`,
          ...runOf(),
        });
        if (stopped.length > 0) await runLog.write(`Stopped ${stopped.join(', ')}`);
        return { stopped: [...stopped] };
      });
    }),

    /**
     * Starts a service: a restored one by compose, which makes what is missing; one that only had to
     * wait exactly as it ran before.
     */
    startService: guarded(
      async (input: ServiceReference & { restored: boolean }): Promise<StartedService> => {
        const { config } = await forRestore(dependencies, input.restoreId);
        checkDigest(config, input.configDigest);
        const service = serviceOf(config, input.service);
        const recordFile = stoppedFile(root, input.restoreId, input.service);
        await requireOpen(root, { restoreId: input.restoreId, service: input.service });
        return withHeartbeat({ service: input.service, source: 'start' }, 'start', async (work) => {
          if (!input.restored || service.compose === undefined) {
            // Kept until the restore is over: a roll-back must know what ran before it.
            const { started } = await startRecorded(engine, recordFile, { keepRecord: true });
            return { started: [...started], gated: started.length > 0 };
          }
          const project = projectOf(input.service, service) ?? input.service;
          const composeProject = await composeProjectOf(input.service, service);
          const model = await resolveCompose(composeProject, work.signal);
          const made = await ensureExternals(engine, model);
          if (made.length > 0) await runLog.write(`Created ${made.join(', ')}`);
          const { acted } = await composeUp({
            ...composeProject,
            signal: work.signal,
            except: await deliberatelyStopped(engine, recordFile, project),
            services: model.services.keys(),
          });
          // Others that use its volumes had to wait, too.
          await startRecorded(engine, recordFile, {
            keepRecord: true,
            only: (container) => container.composeProject !== project,
          });
          const running = await listContainers(engine, { composeProject: project });
          const names = running.filter(({ state }) => state === 'running').map(({ name }) => name);
          await runLog.write(`Started ${names.join(', ') || 'nothing that still runs'}`);
          // Also where all of it has ended again: that is for the gate to find.
          return { started: names, gated: acted };
        });
      },
    ),

    /** @throws HoldfastError HEALTH_GATE_FAILED with what the check saw last */
    waitHealthy: guarded(async (input: HealthReference): Promise<{ waitedMs: number }> => {
      const { config } = await forRestore(dependencies, input.restoreId);
      checkDigest(config, input.configDigest);
      const service = serviceOf(config, input.service);
      const began = Date.now();
      return withHeartbeat({ service: input.service, source: 'health' }, 'health', async (work) => {
        for (const check of gatesOf(service)) {
          const composeProject = projectOf(input.service, service);
          await waitForGate(
            engine,
            { ...check, timeout: Math.min(check.timeout, input.withinMs ?? check.timeout) },
            composeProject === undefined ? {} : { composeProject },
            work,
          );
        }
        await runLog.write(`${input.service} is healthy`);
        return { waitedMs: Date.now() - began };
      });
    }),

    /** Starts again what a run has stopped of a service. Nothing recorded is fine. */
    startStopped: guarded(
      async (input: {
        restoreId: string;
        service: string;
        /** The run is not over: it will look once more. */
        keepRecord?: boolean | undefined;
      }): Promise<StartedAgain> => {
        const named = await forRestore(dependencies, input.restoreId);
        const recordFile = stoppedFile(root, input.restoreId, input.service);
        const subject = { service: input.service, source: 'start' };
        return withHeartbeat(subject, 'start', async (work) => {
          const again = await startAgain(named, recordFile, input.service, work, {
            keepRecord: input.keepRecord === true,
          });
          const { anew = [], missing = [] } = again;
          if (anew.length > 0) await runLog.write(`Started again ${anew.join(', ')}`);
          if (missing.length > 0) await runLog.write(`Ran before, and gone: ${missing.join(', ')}`);
          return again;
        });
      },
    ),
  };
}

/**
 * Starts what ran before a restore. Containers that the restore made anew, from its own compose
 * files, are made again from the ones that are back.
 */
export async function startAgain(
  { config, engine }: Pick<ActivityDependencies, 'config' | 'engine'>,
  recordFile: string,
  name: string,
  work: Work,
  { keepRecord = false }: { readonly keepRecord?: boolean } = {},
): Promise<StartedAgain> {
  const record = await readRecord(recordFile);
  const service = config.services[name];
  if (record === undefined) return { started: [], missing: [] };
  const upBefore = new Set<string>();
  for (const { name: container } of record.containers) {
    if ((await findContainer(engine, container))?.state === 'running') upBefore.add(container);
  }
  if (service?.compose !== undefined) {
    const project = projectOf(name, service) ?? name;
    const gone = await Promise.all(
      record.containers
        .filter(({ wasRunning }) => wasRunning)
        .map(async ({ id }) => (await findContainer(engine, id)) === undefined),
    );
    if (gone.includes(true)) {
      await composeUp({
        ...(await composeProjectOf(name, service)),
        signal: work.signal,
        except: await deliberatelyStopped(engine, recordFile, project),
      });
    }
  }
  const outcome = await startRecorded(engine, recordFile, { keepRecord });
  const { started, alreadyRunning, missing } = outcome;
  const running = [...started, ...alreadyRunning];
  return { started: running, missing, anew: running.filter((one) => !upBefore.has(one)) };
}

/** Without a gate of its own a service must at least run, and be healthy where it can tell. */
export function gatesOf(service: ServiceConfig): readonly HealthCheck[] {
  if (service.health !== undefined) return service.health;
  return service.compose === undefined ? [] : [{ type: 'containers', timeout: 120_000 }];
}

export function homeOf(name: string, service: ServiceConfig): string {
  if (service.home !== undefined) return service.home;
  throw new HoldfastError('CONFIG_INVALID', `service ${name} has a compose file but no home`);
}

/** The project of a service with compose files. @throws HoldfastError CONFIG_INVALID */
export async function composeProjectOf(
  name: string,
  service: ServiceConfig,
): Promise<ComposeProject> {
  const home = homeOf(name, service);
  return {
    home,
    project: projectOf(name, service) ?? name,
    files: await composeFiles(home, service.compose?.files ?? []),
  };
}

/** The project's containers, the database server's, and every other user of the service's volumes. */
export async function containersOf(
  engine: Engine,
  name: string,
  service: ServiceConfig,
): Promise<ContainerInfo[]> {
  const found = new Map<string, ContainerInfo>();
  const add = (containers: readonly ContainerInfo[]): void => {
    for (const container of containers) found.set(container.id, container);
  };
  const project = projectOf(name, service);
  if (project !== undefined) add(await listContainers(engine, { composeProject: project }));
  for (const source of Object.values(service.sources)) {
    if (source.kind === 'volume') add(await listContainers(engine, { volume: source.volume }));
    if (source.kind === 'postgres') {
      const server = await findContainer(engine, source.container);
      if (server !== undefined) add([server]);
    }
  }
  return [...found.values()];
}

/**
 * Compose services somebody had stopped while others of the project ran: a restore does not start
 * those. Where nothing of it ran (after a crash, a reboot) all of it is wanted, as on a bare machine.
 */
async function deliberatelyStopped(
  engine: Engine,
  recordFile: string,
  project: string,
): Promise<string[]> {
  const record = await readRecord(recordFile);
  // By name: one that was made anew meanwhile has another id.
  const recorded = record?.containers ?? [];
  const stopped = new Set(recorded.filter((one) => !one.wasRunning).map(({ name }) => name));
  const ran = new Set(recorded.filter((one) => one.wasRunning).map(({ name }) => name));
  // Of a volume that several services use, the first of them has stopped the others' containers.
  const [run = ''] = path.basename(recordFile).split('--');
  for (const other of await listRecords(path.dirname(recordFile))) {
    if (!path.basename(other.file).startsWith(`${run}--`)) continue;
    for (const { name, wasRunning } of other.record.containers) if (wasRunning) ran.add(name);
  }
  const containers = await listContainers(engine, { composeProject: project });
  if (!containers.some(({ name }) => ran.has(name))) return [];
  return containers
    .filter(({ name }) => stopped.has(name) && !ran.has(name))
    .flatMap(({ composeService }) => (composeService === undefined ? [] : [composeService]));
}
