/**
 * What a volume needs to be read or filled from here: a helper image where its directory can't be seen,
 * the directory it is bound to, the file server it is mounted from. Asked before anything is held still or
 * stopped; the engine itself would say it only when a container starts, and then for minutes of retries.
 */
import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, isHoldfastError, messageOf, systemCodeOf } from '../../base/errors.js';
import type { VolumeInfo } from '../../format/manifest.js';
import type { Engine } from '../engine/engine.js';
import { helperImage, runHelper } from './helper.js';
import { createVolume, findVolume, removeVolume, sharesVolumes, volumeUsers } from './volumes.js';

/** A mount that takes longer is one that nobody answers. */
const MOUNT_LIMIT_MS = 15_000;
/** Tried over and over for these: not worth a mount, and tmpfs can't fail. */
const NEVER_FAILS = new Set(['tmpfs']);

export interface VolumeTrouble {
  readonly code: 'device' | 'helper-image' | 'mount';
  readonly message: string;
  readonly fix: string;
}

type Asked = Pick<VolumeInfo, 'name' | 'driver' | 'options'>;

/**
 * Why the volume can't be read or filled now; undefined where it can, or where that can't be known.
 * One that is not there yet is tried under another name, with the same options.
 * @throws HoldfastError DOCKER_UNREACHABLE
 */
export async function volumeTrouble(
  engine: Engine,
  volume: Asked,
  options: { readonly mount: boolean },
): Promise<VolumeTrouble | undefined> {
  const here = await sharesVolumes(engine);
  const device = boundDirectory(volume);
  if (here && device !== undefined) {
    const problem = await notADirectory(device);
    if (problem !== undefined) {
      return {
        code: 'device',
        message: `the directory of the volume ${volume.name}, ${device}, ${problem}`,
        fix: 'mount its disk, or make the directory',
      };
    }
  }
  const isPlain = volume.driver === 'local' && Object.keys(volume.options).length === 0;
  if (here && isPlain) return undefined;
  try {
    await helperImage(engine);
  } catch (error) {
    if (!isHoldfastError(error) || error.code === 'DOCKER_UNREACHABLE') throw error;
    return {
      code: 'helper-image',
      message: `the volume ${volume.name} can only be read and filled through a helper container, and ${error.message}`,
      fix: error.hint ?? '',
    };
  }
  if (!options.mount || isPlain || (here && device !== undefined)) return undefined;
  if (NEVER_FAILS.has(volume.options['type'] ?? '')) return undefined;
  return mountTrouble(engine, volume);
}

/** @throws HoldfastError SOURCE_MISSING or DOCKER_FAILED, permanent both, with a hint */
export async function requireVolume(engine: Engine, volume: Asked): Promise<void> {
  const trouble = await volumeTrouble(engine, volume, { mount: false });
  if (trouble === undefined) return;
  throw new HoldfastError(
    trouble.code === 'device' ? 'SOURCE_MISSING' : 'DOCKER_FAILED',
    trouble.message,
    { facts: { volume: volume.name }, hint: trouble.fix, permanent: true },
  );
}

/** The directory a volume of the driver `local` stands for, as its options name it. Pure. */
export function boundDirectory({ driver, options }: Omit<Asked, 'name'>): string | undefined {
  const { device, o } = options;
  const isBound = driver === 'local' && /(^|,)r?bind(,|$)/.test(o ?? '');
  return isBound && device?.startsWith('/') === true ? device : undefined;
}

async function notADirectory(target: string): Promise<string | undefined> {
  try {
    return (await stat(target)).isDirectory() ? undefined : 'is not a directory';
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'is not there';
    return `can't be looked at: ${code ?? messageOf(error)}`;
  }
}

async function mountTrouble(engine: Engine, volume: Asked): Promise<VolumeTrouble | undefined> {
  const found = await findVolume(engine, volume.name);
  // One of a plugin is storage that somebody pays for: none is made to try.
  if (found === undefined && volume.driver !== 'local') return undefined;
  if (found !== undefined) {
    const users = await volumeUsers(engine, volume.name);
    // Mounted already.
    if (users.some(({ state }) => state === 'running' || state === 'paused')) return undefined;
  }
  const late = Symbol('late');
  const attempt = tryMount(engine, volume, found !== undefined);
  attempt.catch(() => undefined); // it cleans up after itself, also when it comes too late
  try {
    if ((await Promise.race([attempt, delay(MOUNT_LIMIT_MS, late, { ref: false })])) !== late) {
      return undefined;
    }
  } catch (error) {
    if (!isHoldfastError(error) || error.code === 'DOCKER_UNREACHABLE') throw error;
    return mountRefused(volume, error.message);
  }
  return mountRefused(volume, `no answer within ${MOUNT_LIMIT_MS / 1000} s`);
}

function mountRefused({ name }: Asked, reason: string): VolumeTrouble {
  return {
    code: 'mount',
    message: `the volume ${name} can't be mounted: ${reason}`,
    fix: 'see that what its options name is there and answers (docker volume inspect shows them)',
  };
}

async function tryMount(engine: Engine, volume: Asked, exists: boolean): Promise<void> {
  const name = `holdfast-probe-${randomBytes(8).toString('hex')}`;
  const labels = { 'dev.holdfast.probe': '1' };
  if (!exists) {
    await createVolume(engine, { name, driver: volume.driver, options: volume.options, labels });
  }
  try {
    await runHelper(engine, {
      name,
      argv: ['tar', '--version'],
      mounts: [
        {
          type: 'volume',
          source: exists ? volume.name : name,
          target: '/volume',
          readOnly: true,
        },
      ],
      signal: new AbortController().signal,
    });
  } finally {
    if (!exists) await removeVolume(engine, name);
  }
}
