/** What is on this host, for checking a configuration against it. */
import { pathExists } from '../../src/base/files/durable.js';
import { lookUpId } from '../../src/base/files/ownership.js';
import type { HostProbe } from '../../src/config/check/check-host.js';
import type { Inventory } from '../../src/docker/engine/inventory.js';

/** Ids may be cut to this many digits, as `docker ps` does. */
const SHORT_ID = 12;

/** @param inventory read once: a configuration may name hundreds of volumes and containers */
export function hostProbe({ containers, volumes }: Inventory): HostProbe {
  const volumeNames = new Set(volumes.map(({ name }) => name));
  return {
    pathExists,
    volumeExists: (name) => Promise.resolve(volumeNames.has(name)),
    containerExists: (name) =>
      Promise.resolve(
        containers.some(
          (one) => one.name === name || (name.length >= SHORT_ID && one.id.startsWith(name)),
        ),
      ),
    userExists: async (name) => (await lookUpId('passwd', name)) !== undefined,
    groupExists: async (name) => (await lookUpId('group', name)) !== undefined,
    volumeNames: () => Promise.resolve([...volumeNames]),
    containerNames: () => Promise.resolve(containers.map(({ name }) => name)),
  };
}
