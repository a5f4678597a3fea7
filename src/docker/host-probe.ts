/** What is on this host, for checking a configuration against it. */
import { pathExists } from '../system/durable.js';
import { lookUpId } from '../system/ownership.js';
import { findContainer } from './containers.js';
import type { Engine } from './engine.js';
import { findVolume } from './volumes.js';
import type { HostProbe } from '../config/check-host.js';

/** @throws HoldfastError DOCKER_UNREACHABLE from the volume and container questions */
export function hostProbe(engine: Engine): HostProbe {
  return {
    pathExists,
    volumeExists: async (name) => (await findVolume(engine, name)) !== undefined,
    containerExists: async (name) => (await findContainer(engine, name)) !== undefined,
    userExists: async (name) => (await lookUpId('passwd', name)) !== undefined,
    groupExists: async (name) => (await lookUpId('group', name)) !== undefined,
  };
}
