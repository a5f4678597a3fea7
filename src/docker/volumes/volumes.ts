/** Volumes: what they are, who uses them, and making and removing them the same as they were. */
import { access, constants, lstat } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { HoldfastError, isHoldfastError, systemCodeOf } from '../../base/errors.js';
import type { VolumeInfo } from '../../format/manifest.js';
import type { ContainerInfo } from '../containers/containers.js';
import { listContainers } from '../containers/containers.js';
import type { AbortableCalls, Engine } from '../engine/engine.js';
import { assertPlainName, parseAnswer, statusOf } from '../engine/engine.js';
import { own } from '../../base/own.js';

export interface InspectedVolume extends VolumeInfo {
  /** Path on the engine's host; where options name a device, it is only mounted while in use. */
  readonly mountpoint: string;
}

const volumeSchema = z.object({
  Name: z.string(),
  Driver: z.string(),
  Mountpoint: z.string().default(''),
  Options: z.record(z.string(), z.string()).nullish(),
  Labels: z.record(z.string(), z.string()).nullish(),
});

/** @throws HoldfastError VOLUME_NOT_FOUND */
export async function inspectVolume(engine: Engine, name: string): Promise<InspectedVolume> {
  const volume = engine.docker.getVolume(assertPlainName(name, 'volume'));
  const action = `inspect volume ${name}`;
  const answer: unknown = await engine.call({ action, volume: name }, (abortSignal) =>
    volume.inspect({ abortSignal }),
  );
  return toVolume(parseAnswer(volumeSchema, answer, action));
}

/** The volume, or undefined when there is none of that name. */
export async function findVolume(
  engine: Engine,
  name: string,
): Promise<InspectedVolume | undefined> {
  try {
    return await inspectVolume(engine, name);
  } catch (error) {
    if (isHoldfastError(error) && error.code === 'VOLUME_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Volumes that carry a label (`name` or `name=value`). */
export async function listVolumes(engine: Engine, label: string): Promise<InspectedVolume[]> {
  const answer: unknown = await engine.call({ action: 'list volumes' }, (abortSignal) =>
    engine.docker.listVolumes({ filters: { label: [label] }, abortSignal }),
  );
  const schema = z.object({ Volumes: z.array(volumeSchema).nullish() });
  return (parseAnswer(schema, answer, 'list volumes').Volumes ?? []).map(toVolume);
}

/**
 * Makes a volume with this driver, options and labels. One that is exactly so already is fine.
 * @throws HoldfastError VOLUME_IN_USE when one of that name exists and differs (facts: volume, differences).
 */
export async function createVolume(engine: Engine, info: VolumeInfo): Promise<InspectedVolume> {
  const existing = await findVolume(engine, info.name);
  if (existing === undefined) {
    await engine.call({ action: `create volume ${info.name}`, volume: info.name }, (abortSignal) =>
      engine.docker.createVolume({
        Name: assertPlainName(info.name, 'volume'),
        Driver: info.driver,
        DriverOpts: { ...info.options },
        Labels: { ...info.labels },
        abortSignal,
      }),
    );
  }
  // Looked at again in either case: the engine gives an existing volume back as if it had made it.
  const made = await inspectVolume(engine, info.name);
  const differences = volumeDifferences(made, info);
  if (differences.length === 0) return made;
  throw new HoldfastError(
    'VOLUME_IN_USE',
    `volume ${info.name} exists with other ${differences.join(' and ')}`,
    {
      facts: { volume: info.name, differences },
      hint: `remove it (docker volume rm ${info.name}) when nothing needs it any more`,
    },
  );
}

/** What differs between two volumes apart from their names: `driver`, `options`, `labels`. */
export function volumeDifferences(a: VolumeInfo, b: VolumeInfo): string[] {
  return [
    ...(a.driver === b.driver ? [] : ['driver']),
    ...(sameRecord(a.options, b.options) ? [] : ['options']),
    ...(sameRecord(a.labels, b.labels) ? [] : ['labels']),
  ];
}

/**
 * Removes a volume; a missing one is fine.
 * @throws HoldfastError VOLUME_IN_USE naming the containers that use it, stopped ones too.
 */
export async function removeVolume(engine: Engine, name: string): Promise<void> {
  const volume = engine.docker.getVolume(assertPlainName(name, 'volume'));
  try {
    await engine.call({ action: `remove volume ${name}`, volume: name }, (abortSignal) =>
      volume.remove({ abortSignal }),
    );
  } catch (error) {
    if (isHoldfastError(error) && error.code === 'VOLUME_NOT_FOUND') return;
    if (statusOf(error) !== 409) throw error;
    const users = (await volumeUsers(engine, name)).map((user) => user.name);
    throw new HoldfastError(
      'VOLUME_IN_USE',
      `volume ${name} is used by ${users.join(', ') || 'a container'}`,
      { facts: { volume: name, containers: users }, cause: error },
    );
  }
}

/** Containers in any state that mount the volume. */
export function volumeUsers(engine: Engine, name: string): Promise<ContainerInfo[]> {
  return listContainers(engine, { volume: assertPlainName(name, 'volume') });
}

/** @throws HoldfastError VOLUME_IN_USE naming containers that run (or are paused) with the volume. */
export async function assertNoRunningUsers(engine: Engine, name: string): Promise<void> {
  const running = (await volumeUsers(engine, name))
    .filter((user) => ['running', 'paused', 'restarting'].includes(user.state))
    .map((user) => user.name);
  if (running.length === 0) return;
  throw new HoldfastError('VOLUME_IN_USE', `volume ${name} is in use by ${running.join(', ')}`, {
    facts: { volume: name, containers: running },
    hint: 'these containers must be stopped first',
  });
}

const usageSchema = z.object({
  Volumes: z
    .array(z.object({ Name: z.string(), UsageData: z.object({ Size: z.number() }).nullish() }))
    .nullish(),
});

/**
 * Size of a volume as `docker system df -v` tells it, in bytes. The engine walks all its volumes
 * for that, so the wait is bounded; undefined where it takes longer or doesn't know.
 */
export async function volumeSizeBytes(
  engine: Engine,
  name: string,
  limitMs = 15_000,
): Promise<number | undefined> {
  const abortable: AbortableCalls = engine.docker;
  try {
    const answer: unknown = await engine.call(
      { action: 'measure volumes', timeoutMs: limitMs },
      (abortSignal) => abortable.df({ abortSignal }),
    );
    const { Volumes } = parseAnswer(usageSchema, answer, 'measure volumes');
    const size = Volumes?.find((volume) => volume.Name === name)?.UsageData?.Size;
    return size === undefined || size < 0 ? undefined : size;
  } catch (error) {
    if (isHoldfastError(error)) return undefined;
    throw error;
  }
}

/**
 * The volume's directory, if this process reads the very same one with the same owners in it.
 * Undefined whenever that isn't certain: then a helper container is the way.
 */
export async function readableMountpoint(
  engine: Engine,
  volume: string,
): Promise<string | undefined> {
  const { driver, options, mountpoint } = await inspectVolume(engine, volume);
  // With options (bind, nfs, tmpfs …) there is something at the mountpoint only while it is in use.
  if (driver !== 'local' || Object.keys(options).length > 0 || mountpoint === '') return undefined;
  if (!(await sharesVolumes(engine))) return undefined;
  return (await isPlainDirectory(mountpoint)) ? mountpoint : undefined;
}

const shared = new WeakMap<Engine, Promise<boolean>>();

/** Does the engine keep its volumes where this process sees them? Found out once per connection. */
export function sharesVolumes(engine: Engine): Promise<boolean> {
  const known = shared.get(engine);
  if (known !== undefined) return known;
  const answer = probeShared(engine).catch((error: unknown) => {
    shared.delete(engine);
    throw error;
  });
  shared.set(engine, answer);
  return answer;
}

/**
 * In a container there may be a /var/lib/docker of another engine, with volumes of the same names.
 * A new volume with a random name can only appear here if the directories are really the same.
 */
async function probeShared(engine: Engine): Promise<boolean> {
  if ((await engine.info()).remapsUsers) return false;
  const probe = await createVolume(engine, {
    name: `holdfast-probe-${randomBytes(8).toString('hex')}`,
    driver: 'local',
    options: {},
    labels: { 'dev.holdfast.probe': '1' },
  });
  try {
    return await isPlainDirectory(probe.mountpoint);
  } finally {
    await removeVolume(engine, probe.name);
  }
}

/** A directory, not a link to one, that may be listed. */
async function isPlainDirectory(directory: string): Promise<boolean> {
  try {
    if (!(await lstat(directory)).isDirectory()) return false;
    await access(directory, constants.R_OK | constants.X_OK);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    return false;
  }
}

function toVolume(answer: z.output<typeof volumeSchema>): InspectedVolume {
  return {
    name: answer.Name,
    driver: answer.Driver,
    options: answer.Options ?? {},
    labels: answer.Labels ?? {},
    mountpoint: answer.Mountpoint,
  };
}

function sameRecord(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => own(a, key) === own(b, key));
}
