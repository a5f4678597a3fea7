/** Networks: making, finding and removing them. */
import { z } from 'zod';
import { HoldfastError, isHoldfastError } from '../../base/errors.js';
import type { Engine } from './engine.js';
import { assertPlainName, parseAnswer, statusOf } from './engine.js';

export interface NetworkInfo {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface NewNetwork {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Its containers reach one another and nothing else. */
  readonly internal: boolean;
}

const networkSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  Labels: z.record(z.string(), z.string()).nullish(),
});

/** Networks that carry a label (`name` or `name=value`); all without one. */
export async function listNetworks(engine: Engine, label?: string): Promise<NetworkInfo[]> {
  const answer: unknown = await engine.call({ action: 'list networks' }, (abortSignal) =>
    engine.docker.listNetworks({
      ...(label === undefined ? {} : { filters: { label: [label] } }),
      abortSignal,
    }),
  );
  return parseAnswer(z.array(networkSchema), answer, 'list networks').map(
    ({ Id, Name, Labels }) => ({ id: Id, name: Name, labels: Labels ?? {} }),
  );
}

/**
 * Makes a bridge network, or finds it made with the same labels.
 * @throws HoldfastError DOCKER_FAILED when one of that name exists and is somebody else's
 */
export async function createNetwork(engine: Engine, wanted: NewNetwork): Promise<void> {
  const name = assertPlainName(wanted.name, 'network');
  const action = `create network ${name}`;
  try {
    await engine.call({ action }, (abortSignal) =>
      engine.docker.createNetwork({
        Name: name,
        Driver: 'bridge',
        Internal: wanted.internal,
        // Names of networks are not unique by themselves: the engine must refuse the second.
        CheckDuplicate: true,
        Labels: { ...wanted.labels },
        abortSignal,
      }),
    );
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
    for (const [label, value] of Object.entries(wanted.labels)) {
      const found = await listNetworks(engine, `${label}=${value}`);
      if (found.some((network) => network.name === name)) continue;
      throw new HoldfastError('DOCKER_FAILED', `there is a network ${name} of somebody else`, {
        facts: { network: name },
        cause: error,
      });
    }
  }
}

/** Removes a network by its id; a missing one is fine. */
export async function removeNetwork(engine: Engine, id: string): Promise<void> {
  const network = engine.docker.getNetwork(id);
  try {
    await engine.call({ action: `remove network ${id}` }, (abortSignal) =>
      network.remove({ abortSignal }),
    );
  } catch (error) {
    if (isHoldfastError(error) && statusOf(error) === 404) return;
    throw error;
  }
}

const endpointsSchema = z.object({
  NetworkSettings: z.object({
    Networks: z.record(z.string(), z.object({ IPAddress: z.string().nullish() })).nullish(),
  }),
});

/** Addresses of a container on its networks, none while it does not run. */
export async function containerAddresses(engine: Engine, nameOrId: string): Promise<string[]> {
  const container = engine.docker.getContainer(assertPlainName(nameOrId, 'container'));
  const action = `inspect container ${nameOrId}`;
  const answer: unknown = await engine.call({ action, container: nameOrId }, (abortSignal) =>
    container.inspect({ abortSignal }),
  );
  const { NetworkSettings } = parseAnswer(endpointsSchema, answer, action);
  return Object.values(NetworkSettings.Networks ?? {}).flatMap(({ IPAddress }) =>
    IPAddress === null || IPAddress === undefined || IPAddress === '' ? [] : [IPAddress],
  );
}
