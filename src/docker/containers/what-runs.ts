/** What there is of the services on the host, and which of it runs: noted before it is changed. */
import path from 'node:path';
import type { Config } from '../../format/config/schema.js';
import type { InventoryContainer, ServiceInventory } from '../../format/manifest.js';
import type { ContainerInfo } from './container-info.js';
import { listContainers } from './containers.js';
import type { Engine } from '../engine/engine.js';
import { CONFIG_FILES_LABEL, WORKING_DIRECTORY_LABEL } from '../compose/project.js';
import { own } from '../../base/own.js';

const ENVIRONMENT_FILE_LABEL = 'com.docker.compose.project.environment_file';
const NUMBER_LABEL = 'com.docker.compose.container-number';
const ONE_OFF_LABEL = 'com.docker.compose.oneoff';
/** How long one must run after a crash until nobody expects the next. */
const CALM_MS = 60_000;

/** Made by `compose run`: not one of the service's own containers. */
export function isOneOff({ labels }: Pick<ContainerInfo, 'labels'>): boolean {
  return /^true$/i.test(labels[ONE_OFF_LABEL] ?? '');
}

/** A container as an inventory notes it. Pure. */
export function toInventory(container: ContainerInfo, nowMs: number): InventoryContainer {
  const { name, state, exitCode, labels, composeService, restartCount, startedAt } = container;
  const number = Number.parseInt(labels[NUMBER_LABEL] ?? '', 10);
  const crashing =
    state === 'restarting' ||
    (state === 'running' && restartCount > 0 && nowMs - Date.parse(startedAt) < CALM_MS);
  return {
    name,
    ...(composeService === undefined ? {} : { composeService }),
    ...(Number.isNaN(number) ? {} : { number }),
    ...(isOneOff(container) ? { oneOff: true } : {}),
    // Between two crashes it says `running`, too.
    state: crashing ? 'restarting' : state,
    exitCode,
  };
}

/**
 * What there is of each service with a compose project: its containers in any state.
 * @param config with its projects in it, see `withProjects`
 */
export async function takeInventory(
  engine: Engine,
  config: Pick<Config, 'services'>,
  services: readonly string[] = Object.keys(config.services),
): Promise<ServiceInventory[]> {
  const projects = services.flatMap((service) => {
    const project = own(config.services, service)?.compose?.project;
    return project === undefined ? [] : [{ service, project }];
  });
  const nowMs = Date.now();
  const found: ServiceInventory[] = [];
  for (const { service, project } of projects) {
    // Of these projects alone: a container of somebody else that the engine can't tell of stops nothing here.
    const containers = await listContainers(engine, { composeProject: project });
    const made = madeFrom(containers);
    found.push({
      service,
      project,
      ...(made === undefined ? {} : { made }),
      containers: containers.map((container) => toInventory(container, nowMs)),
    });
  }
  return found;
}

/** What the newest of a project's containers was made from, as far as that can be told. Pure. */
export function madeFrom(containers: readonly ContainerInfo[]): ServiceInventory['made'] {
  const labels = containers.filter((one) => !isOneOff(one)).at(-1)?.labels ?? {};
  const directory = labels[WORKING_DIRECTORY_LABEL];
  if (directory === undefined) return undefined;
  const filesIn = (label: string): string[] =>
    (labels[label] ?? '')
      .split(',')
      .filter((file) => file !== '' && file !== '-')
      .map((file) => path.resolve(directory, file));
  return {
    directory,
    files: filesIn(CONFIG_FILES_LABEL),
    envFiles: filesIn(ENVIRONMENT_FILE_LABEL),
  };
}

/** Up, whatever else it is: a crash loop and a paused one have to be up again, too. */
export function wasUp({ state }: Pick<InventoryContainer, 'state'>): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting';
}
