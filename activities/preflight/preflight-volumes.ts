/** Can the volumes of a restore be filled as they are to be? Asked before anything is touched. */
import { volumeTrouble } from '../../src/docker/volumes/volume-needs.js';
import { assertReplaceable } from '../../src/docker/volumes/swap.js';
import { findVolume } from '../../src/docker/volumes/volumes.js';
import { HoldfastError } from '../../src/base/errors.js';
import type { RestoreServicePlan } from '../../src/plan/restore/restore-types.js';
import { readArtifact } from '../../src/store/write/artifact.js';
import { resolveInside } from '../../src/store/layout.js';
import type { VolumeInfo } from '../../src/format/manifest.js';
import { isOldFile } from '../../src/legacy/old-records.js';
import { serviceOf, type ActivityDependencies } from '../shared/runtime.js';

/**
 * @throws HoldfastError RESTORE_FAILED naming all volumes of the service that can't (facts: problems);
 *   VOLUME_IN_USE for one that would have to be made anew and can't be
 */
export async function checkVolumes(
  { config, engine }: Pick<ActivityDependencies, 'config' | 'engine'>,
  plan: RestoreServicePlan,
): Promise<void> {
  const problems: { readonly message: string; readonly fix: string }[] = [];
  for (const { source: name, artifact } of plan.sources) {
    const source = serviceOf(config, plan.service).sources[name];
    if (source?.kind !== 'volume') continue;
    const found = await findVolume(engine, source.volume);
    const saved = await savedVolume(config.backups.root, artifact.path);
    if (found !== undefined && saved !== undefined) {
      await assertReplaceable(engine, found, { ...saved, name: source.volume });
    }
    const { driver = 'local', options = {} } = saved ?? found ?? {};
    const wanted = { name: source.volume, driver, options };
    const trouble = await volumeTrouble(engine, wanted, { mount: true });
    if (trouble !== undefined) problems.push(trouble);
  }
  const [first] = problems;
  if (first === undefined) return;
  const messages = problems.map(({ message }) => message);
  throw new HoldfastError('RESTORE_FAILED', messages.join('; '), {
    facts: { problems: messages },
    hint: `${first.fix}; nothing was touched`,
  });
}

/** Of the old script's backups nothing is known but the content: those come into what is there. */
async function savedVolume(root: string, artifact: string): Promise<VolumeInfo | undefined> {
  if (await isOldFile(root, artifact)) return undefined;
  const manifest = await readArtifact(await resolveInside(root, artifact));
  return manifest.importedFrom === undefined ? manifest.volume : undefined;
}
