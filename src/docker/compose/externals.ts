/**
 * Networks and volumes that compose files name as external: compose does not make them, and a bare
 * machine has none.
 */
import type { ComposeModel } from './compose-model.js';
import type { Engine } from '../engine/engine.js';
import { createNetwork, listNetworks } from '../engine/networks.js';
import { createVolume, findVolume } from '../volumes/volumes.js';

/**
 * Makes what a project needs from outside and is missing: plain bridges, and empty volumes for those
 * that no backup holds. @returns what was made, in words
 * @throws HoldfastError DOCKER_FAILED
 */
export async function ensureExternals(
  engine: Engine,
  { externalNetworks, externalVolumes }: ComposeModel,
): Promise<string[]> {
  const made: string[] = [];
  const there =
    externalNetworks.length === 0
      ? []
      : (await listNetworks(engine)).map((network) => network.name);
  for (const name of externalNetworks.filter((wanted) => !there.includes(wanted))) {
    // Without labels: another service of the stack may be faster, which is as good.
    await createNetwork(engine, { name, labels: {}, internal: false });
    made.push(`network ${name}`);
  }
  for (const name of externalVolumes) {
    if ((await findVolume(engine, name)) !== undefined) continue;
    await createVolume(engine, { name, driver: 'local', options: {}, labels: {} });
    made.push(`volume ${name}, empty`);
  }
  return made;
}
