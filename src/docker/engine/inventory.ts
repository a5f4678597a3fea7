/** All containers and volumes of the engine, by one call each, however many there are. */
import { z } from 'zod';
import type { InventoryContainer, InventoryVolume } from '../../format/inventory.js';
import { COMPOSE_PROJECT_LABEL, mountSchema, toMount } from '../containers/container-info.js';
import { parseAnswer, type Engine } from './engine.js';
import { HELPER_LABEL } from '../volumes/helper.js';

export interface Inventory {
  readonly containers: readonly InventoryContainer[];
  readonly volumes: readonly InventoryVolume[];
}

const labels = z.record(z.string(), z.string()).nullish();
const containersSchema = z.array(
  z.object({
    Id: z.string(),
    Names: z.array(z.string()).nullish(),
    Image: z.string().default(''),
    State: z.string().default(''),
    Labels: labels,
    Mounts: z.array(mountSchema).nullish(),
  }),
);
const volumesSchema = z.object({
  Volumes: z
    .array(
      z.object({
        Name: z.string(),
        Driver: z.string(),
        Mountpoint: z.string().default(''),
        Options: z.record(z.string(), z.string()).nullish(),
        Labels: labels,
      }),
    )
    .nullish(),
});

/** @throws HoldfastError DOCKER_UNREACHABLE, DOCKER_FAILED */
export async function readInventory(engine: Engine): Promise<Inventory> {
  const [listed, listedVolumes]: unknown[] = await Promise.all([
    engine.call({ action: 'list containers' }, (abortSignal) =>
      engine.docker.listContainers({ all: true, abortSignal }),
    ),
    engine.call({ action: 'list volumes' }, (abortSignal) =>
      engine.docker.listVolumes({ abortSignal }),
    ),
  ]);
  const containers = parseAnswer(containersSchema, listed, 'list containers');
  const volumes = parseAnswer(volumesSchema, listedVolumes, 'list volumes').Volumes ?? [];
  return {
    containers: containers
      .filter(({ Labels }) => Labels?.[HELPER_LABEL] === undefined)
      .map((one) => ({
        id: one.Id,
        // Further names are those of links from other containers: `/other/alias`.
        name:
          (one.Names ?? []).map((name) => name.slice(1)).find((name) => !name.includes('/')) ?? '',
        image: one.Image,
        state: one.State,
        ...projectOf(one.Labels),
        mounts: (one.Mounts ?? []).map(toMount),
      })),
    volumes: volumes.map(({ Name, Driver, Mountpoint, Options, Labels }) => ({
      name: Name,
      driver: Driver,
      mountpoint: Mountpoint,
      options: Options ?? {},
      ...projectOf(Labels),
    })),
  };
}

function projectOf(found: z.output<typeof labels>): { readonly project?: string } {
  const project = found?.[COMPOSE_PROJECT_LABEL];
  return project === undefined ? {} : { project };
}
