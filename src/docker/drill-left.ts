/**
 * What drills have in Docker, found by label or by the drill's prefix together with our own label of a
 * swap: never by a name alone.
 */
import { z } from 'zod';
import { isHoldfastError } from '../errors.js';
import { DRILL_LABEL, DRILL_ROOT_LABEL, DRILL_WORKFLOW_LABEL, drillPrefix } from '../plan/drill.js';
import { ASIDE_LABEL, STAGING_LABEL } from './aside.js';
import { listContainers, removeContainer } from './containers.js';
import type { Engine } from './engine.js';
import { parseAnswer } from './engine.js';
import { listNetworks, removeNetwork } from './networks.js';
import { listVolumes, removeVolume } from './volumes.js';

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
  const label = `${DRILL_LABEL}=${drillId}`;
  const prefix = drillPrefix(drillId);
  const containers = await listContainers(engine, { label });
  for (const { id } of containers) {
    await removeContainer(engine, id, { force: true, anonymousVolumes: true });
  }
  const helpers = await helpersOf(engine, prefix);
  for (const id of helpers) await removeContainer(engine, id, { force: true });
  const volumes = new Set((await listVolumes(engine, label)).map(({ name }) => name));
  for (const mark of [STAGING_LABEL, ASIDE_LABEL]) {
    for (const { name } of await listVolumes(engine, `${mark}=${drillId}`)) {
      if (name.startsWith(prefix)) volumes.add(name);
    }
  }
  for (const name of volumes) await removeVolume(engine, name);
  const networks = await listNetworks(engine, label);
  for (const { id } of networks) await removeNetwork(engine, id);
  return {
    containers: containers.length + helpers.length,
    volumes: volumes.size,
    networks: networks.length,
  };
}

/** Helper containers of ours that work on a volume of the drill. */
async function helpersOf(engine: Engine, prefix: string): Promise<string[]> {
  const answer: unknown = await engine.call({ action: 'list helpers' }, (abortSignal) =>
    engine.docker.listContainers({
      all: true,
      filters: { label: ['dev.holdfast.helper=1'] },
      abortSignal,
    }),
  );
  const schema = z.array(
    z.object({ Id: z.string(), Mounts: z.array(z.object({ Name: z.string().optional() })) }),
  );
  return parseAnswer(schema, answer, 'list helpers')
    .filter(({ Mounts }) => Mounts.some(({ Name }) => Name?.startsWith(prefix) === true))
    .map(({ Id }) => Id);
}

/** Is it only not yet free: something that was being removed or started meanwhile holds it? */
export function isStillHeld(error: unknown): boolean {
  return isHoldfastError(error) && ['VOLUME_IN_USE', 'DOCKER_FAILED'].includes(error.code);
}
