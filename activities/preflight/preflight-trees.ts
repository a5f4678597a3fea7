/** Whether what a restore brings can take the place of what is there: mounts, flags, read-only disks. */
import { compileGlobs } from '../../src/glob/glob.js';
import { pathToText, type BytePath } from '../../src/base/files/byte-paths.js';
import { mountsIn } from '../../src/base/files/places.js';
import { requireReplaceable } from '../../src/tree/swap/place.js';
import { isNamed } from '../../src/tree/scan/select.js';
import { filesBase } from '../../src/format/config/artifacts.js';
import type { FilesSource } from '../../src/format/config/sources.js';
import { findVolume, sharesVolumes } from '../../src/docker/volumes/volumes.js';
import { HoldfastError } from '../../src/base/errors.js';
import type { RestoreServicePlan } from '../../src/plan/restore/restore-types.js';
import { serviceOf, type ActivityDependencies } from '../shared/runtime.js';
import { own } from '../../src/base/own.js';

/** @throws HoldfastError RESTORE_FAILED (facts: path) for the first place that can't be replaced */
export async function checkTrees(
  { config, engine }: Pick<ActivityDependencies, 'config' | 'engine'>,
  plan: RestoreServicePlan,
): Promise<void> {
  const service = serviceOf(config, plan.service);
  for (const { source: name } of plan.sources) {
    const source = own(service.sources, name);
    if (source?.kind === 'files') {
      const base = filesBase(service, source);
      const whole = source.include.length === 1 && source.include[0] === '**';
      if (base !== undefined) await requireReplaceable(base, whole, enteredBy(source));
    } else if (source?.kind === 'volume' && (await sharesVolumes(engine))) {
      const found = await findVolume(engine, source.volume);
      if (found !== undefined && found.mountpoint !== '') {
        await requireNothingMounted(source.volume, found.mountpoint);
      }
    }
  }
}

/** Has a backup of this source what is in a mount point? */
export function enteredBy(
  source: Pick<FilesSource, 'include' | 'exclude' | 'oneFileSystem'>,
): (mount: BytePath) => boolean {
  const include = compileGlobs(source.include);
  const exclude = compileGlobs(source.exclude);
  return (mount) => {
    const names = pathToText(mount).split('/');
    const above = names.map((_, index) => names.slice(0, index + 1).join('/'));
    if (exclude.some((glob) => above.some((path) => glob.matches(path)))) return false;
    if (isNamed(mount, include)) return true;
    return !source.oneFileSystem && include.some((glob) => above.some((at) => glob.matches(at)));
  };
}

async function requireNothingMounted(volume: string, mountpoint: string): Promise<void> {
  const [inner] = await mountsIn(mountpoint);
  if (inner === undefined) return;
  const point = `${mountpoint}/${pathToText(inner)}`;
  throw new HoldfastError(
    'RESTORE_FAILED',
    `the content of volume ${volume} can't be replaced: something is mounted on ${point}`,
    {
      facts: { volume, path: point },
      hint: `unmount it (umount ${point}) and restore again; nothing was touched`,
    },
  );
}
