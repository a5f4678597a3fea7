/** Stopping and starting a service's containers, and waiting until it is healthy. */
import { composeFiles, composeUp } from '../src/docker/compose.js';
import { listContainers, findContainer, type ContainerInfo } from '../src/docker/containers.js';
import type { Engine } from '../src/docker/engine.js';
import { waitForGate } from '../src/docker/health.js';
import { recordAndStop, startRecorded, readRecord } from '../src/docker/running-record.js';
import { HoldfastError } from '../src/errors.js';
import type { HealthCheck, ServiceConfig } from '../src/config/schema.js';
import { stoppedFile } from './places.js';
import { forRestore } from './restore-context.js';
import {
  checkDigest,
  guarded,
  projectOf,
  serviceOf,
  whileWaiting,
  withHeartbeat,
  workflowIdOf,
  type ActivityDependencies,
} from './runtime.js';

export interface ServiceReference {
  readonly restoreId: string;
  readonly configDigest: string;
  readonly service: string;
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
          workflowId: workflowIdOf(),
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
      async (input: ServiceReference & { restored: boolean }): Promise<{ started: string[] }> => {
        const { config } = await forRestore(dependencies, input.restoreId);
        checkDigest(config, input.configDigest);
        const service = serviceOf(config, input.service);
        const recordFile = stoppedFile(root, input.restoreId, input.service);
        return withHeartbeat({ service: input.service, source: 'start' }, 'start', async (work) => {
          if (!input.restored || service.compose === undefined) {
            // Until the restore has ended it may be taken back, and then they are stopped once more.
            const { started } = await startRecorded(engine, recordFile, { keepRecord: true });
            return { started: [...started] };
          }
          const project = projectOf(input.service, service) ?? input.service;
          const home = homeOf(input.service, service);
          await composeUp({
            home,
            files: await composeFiles(home, service.compose.files),
            project,
            signal: work.signal,
            except: await deliberatelyStopped(engine, recordFile, project),
          });
          const running = await listContainers(engine, { composeProject: project });
          const names = running.filter(({ state }) => state === 'running').map(({ name }) => name);
          await runLog.write(`Started ${names.join(', ')}`);
          return { started: names };
        });
      },
    ),

    /** @throws HoldfastError HEALTH_GATE_FAILED with what the check saw last */
    waitHealthy: guarded(async (input: ServiceReference): Promise<{ waitedMs: number }> => {
      const { config } = await forRestore(dependencies, input.restoreId);
      checkDigest(config, input.configDigest);
      const service = serviceOf(config, input.service);
      const began = Date.now();
      return withHeartbeat({ service: input.service, source: 'health' }, 'health', async (work) => {
        for (const check of gatesOf(service)) {
          const composeProject = projectOf(input.service, service);
          await waitForGate(
            engine,
            check,
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
      async (input: { restoreId: string; service: string }): Promise<{ started: string[] }> => {
        const recordFile = stoppedFile(root, input.restoreId, input.service);
        return whileWaiting({ service: input.service, source: 'start' }, 'start', async () => {
          const { started } = await startRecorded(engine, recordFile);
          if (started.length > 0) await runLog.write(`Started again ${started.join(', ')}`);
          return { started: [...started] };
        });
      },
    ),
  };
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

/** Compose services somebody had stopped before the restore: a restore does not start those. */
async function deliberatelyStopped(
  engine: Engine,
  recordFile: string,
  project: string,
): Promise<string[]> {
  const record = await readRecord(recordFile);
  if (record === undefined) return [];
  const ran = new Set(record.containers.filter(({ wasRunning }) => wasRunning).map(({ id }) => id));
  const known = new Set(record.containers.map(({ id }) => id));
  const containers = await listContainers(engine, { composeProject: project });
  return containers
    .filter(({ id }) => known.has(id) && !ran.has(id))
    .flatMap(({ composeService }) => (composeService === undefined ? [] : [composeService]));
}
