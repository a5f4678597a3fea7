/**
 * What drills have in Docker, found by label or by the drill's prefix together with our own label of a
 * swap: never by a name alone.
 */
import { z } from 'zod';
import { isHoldfastError } from '../../base/errors.js';
import {
  DRILL_LABEL,
  DRILL_ROOT_LABEL,
  DRILL_WORKFLOW_LABEL,
  drillPrefix,
} from '../../format/drill-names.js';
import { ASIDE_LABEL, STAGING_LABEL } from '../volumes/aside.js';
import { listContainers, removeContainer } from '../containers/containers.js';
import { HELPER_LABEL } from '../volumes/helper.js';
import type { Engine } from '../engine/engine.js';
import { parseAnswer } from '../engine/engine.js';
import { listNetworks, removeNetwork } from '../engine/networks.js';
import { listVolumes, removeVolume } from '../volumes/volumes.js';

export interface FoundDrill {
  readonly drillId: string;
  readonly workflowId: string;
}

/** Drills of this root that have anything in the engine. */
export async function drillsInEngine(engine: Engine, root: string): Promise<FoundDrill[]> {
  const label = `${DRILL_ROOT_LABEL}=${root}`;
  const labels = [
    ...(await listContainers(engine, { label })).map((one) => one.labels),
    ...(await listVolumes(engine, label)).map((one) => one.labels),
    ...(await listNetworks(engine, label)).map((one) => one.labels),
  ];
  const found = new Map<string, FoundDrill>();
  for (const { [DRILL_LABEL]: drillId, [DRILL_WORKFLOW_LABEL]: workflowId } of labels) {
    if (drillId !== undefined && workflowId !== undefined) {
      found.set(drillId, { drillId, workflowId });
    }
  }
  return [...found.values()];
}

export interface Removed {
  readonly containers: number;
  readonly volumes: number;
  readonly networks: number;
}

/**
 * Removes one round of what the drill has. What a container still holds fails; a start that was under
 * way in the engine still takes effect: so it is called again until it finds nothing.
 */
export async function removeDrillLeft(engine: Engine, drillId: string): Promise<Removed> {
  const containers = await ownContainers(engine, drillId);
  for (const id of containers) {
    await removeContainer(engine, id, { force: true, anonymousVolumes: true });
  }
  const volumes = await ownVolumes(engine, drillId);
  for (const name of volumes) await removeVolume(engine, name);
  const networks = await ownNetworks(engine, drillId);
  for (const id of networks) await removeNetwork(engine, id);
  return { containers: containers.length, volumes: volumes.length, networks: networks.length };
}

const containersSchema = z.array(
  z.object({
    Id: z.string(),
    Names: z.array(z.string()).nullish(),
    Labels: z.record(z.string(), z.string()).nullish(),
    Mounts: z.array(z.object({ Name: z.string().nullish() })).nullish(),
  }),
);

/** Of the drill's label or name, and helpers of ours that work on one of its volumes. */
async function ownContainers(engine: Engine, drillId: string): Promise<string[]> {
  const prefix = drillPrefix(drillId);
  const action = 'list containers';
  const answer: unknown = await engine.call({ action }, (abortSignal) =>
    engine.docker.listContainers({ all: true, abortSignal }),
  );
  return parseAnswer(containersSchema, answer, action)
    .filter(({ Names, Labels, Mounts }) => {
      if (Labels?.[DRILL_LABEL] === drillId) return true;
      if (Names?.some((name) => name.startsWith(`/${prefix}`)) === true) return true;
      if (Labels?.[HELPER_LABEL] === undefined) return false;
      return Mounts?.some(({ Name }) => Name?.startsWith(prefix) === true) ?? false;
    })
    .map(({ Id }) => Id);
}

async function ownVolumes(engine: Engine, drillId: string): Promise<string[]> {
  const prefix = drillPrefix(drillId);
  const found = new Set<string>();
  for (const { name } of await listVolumes(engine, `${DRILL_LABEL}=${drillId}`)) found.add(name);
  // What a swap makes on its way carries the swap's own labels.
  for (const mark of [STAGING_LABEL, ASIDE_LABEL]) {
    for (const { name } of await listVolumes(engine, `${mark}=${drillId}`)) {
      if (name.startsWith(prefix)) found.add(name);
    }
  }
  return [...found];
}

async function ownNetworks(engine: Engine, drillId: string): Promise<string[]> {
  const prefix = drillPrefix(drillId);
  return (await listNetworks(engine))
    .filter(({ name, labels }) => labels[DRILL_LABEL] === drillId || name.startsWith(prefix))
    .map(({ id }) => id);
}

/** Is it only not yet free: something that was being removed or started meanwhile holds it? */
export function isStillHeld(error: unknown): boolean {
  return isHoldfastError(error) && ['VOLUME_IN_USE', 'DOCKER_FAILED'].includes(error.code);
}
