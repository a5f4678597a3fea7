/** Stopping and starting a service's containers, and waiting until it is healthy. */
import {
  listContainers,
  findContainer,
  type ContainerInfo,
} from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { describeCheck, waitForGate } from '../../src/docker/containers/health.js';
import { whyNotAsked } from '../../src/docker/containers/health-asked.js';
import { recordAndStop, startRecorded } from '../../src/docker/containers/running-record.js';
import type { HealthCheck } from '../../src/format/config/health-checks.js';
import type { ServiceConfig } from '../../src/format/config/schema.js';
import {
  readAskedToRun,
  readRunningBefore,
  writeAskedToRun,
} from '../../src/store/records/restore-running.js';
import { stoppedFile } from './places.js';
import { forRestore, requireOpen } from '../restore/restore-context.js';
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
import {
  noteDefinitions,
  startAgain,
  startRestored,
  type StartedAgain,
} from '../restore/service-start.js';

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
      const named = await forRestore(dependencies, input.restoreId);
      const { config } = named;
      checkDigest(config, input.configDigest);
      const service = serviceOf(config, input.service);
      return whileWaiting({ service: input.service, source: 'stop' }, 'stop', async (signal) => {
        await noteDefinitions(named, input, signal);
        const containers = await containersOf(engine, input.service, service);
        const { stopped } = await recordAndStop(engine, {
          recordFile: stoppedFile(root, input.restoreId, input.service),
          containers: containers.map(({ id }) => id),
          graceMs: service.stopGrace,
          mode: 'stop',
          deadWithEngineRan: true,
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
        const named = await forRestore(dependencies, input.restoreId);
        checkDigest(named.config, input.configDigest);
        const service = serviceOf(named.config, input.service);
        const recordFile = stoppedFile(root, input.restoreId, input.service);
        await requireOpen(root, { restoreId: input.restoreId, service: input.service });
        return withHeartbeat({ service: input.service, source: 'start' }, 'start', async (work) => {
          if (!input.restored || service.compose === undefined) {
            // Kept until the restore is over: a roll-back must know what ran before it.
            const { started } = await startRecorded(engine, recordFile, { keepRecord: true });
            await askOnlyWhatRan(root, input.restoreId, input.service);
            return { started: [...started], gated: started.length > 0 };
          }
          return startRestored(named, input, work);
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
        const asked = await readAskedToRun(root, input.restoreId, input.service);
        const project = projectOf(input.service, service);
        for (const check of gatesOf(service)) {
          const why = await whyNotAsked(engine, check, project, asked);
          if (why !== undefined) {
            await runLog.write(`${input.service}: ${describeCheck(check)} is not asked: ${why}`);
            continue;
          }
          await waitForGate(
            engine,
            { ...check, timeout: Math.min(check.timeout, input.withinMs ?? check.timeout) },
            {
              ...(project === undefined ? {} : { composeProject: project }),
              ...(asked === undefined ? {} : { demanded: asked.demanded }),
            },
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
          const again = await startAgain(named, recordFile, input, work, {
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

/** Without a gate of its own a service must at least run, and be healthy where it can tell. */
export function gatesOf(service: ServiceConfig): readonly HealthCheck[] {
  if (service.health !== undefined) return service.health;
  return service.compose === undefined ? [] : [{ type: 'containers', timeout: 120_000 }];
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

/** Of what only had to wait: as before, without what was down, paused or in a crash loop then. */
async function askOnlyWhatRan(root: string, restoreId: string, service: string): Promise<void> {
  const noted = await readRunningBefore(root, restoreId);
  const before = noted?.services.find((one) => one.service === service)?.containers;
  if (before === undefined) return;
  const names = (states: readonly string[]): string[] =>
    before.filter(({ state }) => states.includes(state)).map(({ name }) => name);
  await writeAskedToRun(root, restoreId, service, {
    demanded: names(['running']),
    excused: names(['paused', 'restarting']),
  });
}
