/** Does the server that a restore starts have the libraries its saved settings load? */
import { randomBytes } from 'node:crypto';
import { findContainer } from '../../src/docker/containers/containers.js';
import { runHelper } from '../../src/docker/volumes/helper.js';
import { imageId, imagesOf } from '../../src/docker/engine/images.js';
import { HoldfastError, isHoldfastError } from '../../src/base/errors.js';
import type {
  RestoreServicePlan,
  RestoreSourceStep,
} from '../../src/plan/restore/restore-types.js';
import { settingsIn } from '../../src/postgres/settings/apply-settings.js';
import { containerExec } from '../../src/postgres/client/container.js';
import {
  findLibraries,
  preloaded,
  readFound,
  type FoundLibraries,
} from '../../src/postgres/inspect/find-libraries.js';
import { openSettings } from '../../src/postgres/settings/save-settings.js';
import type { Work } from '../../src/base/progress.js';
import { readArtifact } from '../../src/store/write/artifact.js';
import { resolveInside } from '../../src/store/layout.js';
import { isOldFile } from '../../src/legacy/old-records.js';
import { restoredComposeFiles } from '../restore/restored-compose.js';
import { serviceOf, type ActivityDependencies } from '../shared/runtime.js';

type Named = Pick<ActivityDependencies, 'config' | 'engine'>;

/** Looking into an image takes a moment; one that hangs tells nothing. */
const LIMIT_MS = 30_000;

/**
 * Without one of them the server would not start, with the service down already. What can't be looked
 * at is left to the server.
 * @throws HoldfastError RESTORE_FAILED naming them (facts: libraries)
 */
export async function checkLibraries(
  named: Named,
  plan: RestoreServicePlan,
  work: Work,
): Promise<void> {
  const service = serviceOf(named.config, plan.service);
  for (const step of plan.sources) {
    const source = service.sources[step.source];
    if (source?.kind !== 'postgres' || step.databases !== undefined) continue;
    if (!source.serverSettings || step.serverSettings === false) continue;
    const wanted = await savedLibraries(named, step, work);
    if (wanted.length === 0) continue;
    const texts = await restoredComposeFiles(named.config, plan, work);
    // Given on the command line, it is not the files' that counts.
    if (texts.some((text) => text.includes('shared_preload_libraries'))) continue;
    const image = imagesOf(texts).find((one) => one.containerName === source.container)?.image;
    const found = await lookFor(named, { container: source.container, image, wanted }, work);
    if (found === undefined || found.missing.length === 0) continue;
    // The compose files bring some of it from outside the image.
    if (found.directories.some((one) => texts.some((text) => text.includes(one)))) continue;
    const names = found.missing.join(', ');
    throw new HoldfastError(
      'RESTORE_FAILED',
      `${plan.service}/${step.source}: the server had ${names} in shared_preload_libraries, and ${image ?? source.container} has no such library: it would not start with the settings of the backup`,
      {
        facts: { libraries: found.missing, container: source.container },
        hint: 'restore with an image that has it, or without the settings (--without-server-settings); nothing was touched',
      },
    );
  }
}

async function savedLibraries(
  { config }: Named,
  { artifact }: RestoreSourceStep,
  work: Work,
): Promise<string[]> {
  if (await isOldFile(config.backups.root, artifact.path)) return [];
  const directory = await resolveInside(config.backups.root, artifact.path);
  const settings = (await readArtifact(directory)).postgres?.settings;
  if (settings === undefined || settings.libraries.length === 0) return [];
  const files = await openSettings(directory, settings, work.signal).catch(() => {
    work.signal.throwIfAborted();
    return []; // what is wrong with the file is told by the check of the artifact
  });
  const contents = new Map(files.map(({ path, content }) => [path, content]));
  return preloaded(settingsIn(contents, 'postgresql.conf', '/'));
}

interface Search {
  readonly container: string;
  /** Of the compose file that will be there. */
  readonly image: string | undefined;
  readonly wanted: readonly string[];
}

async function lookFor(
  { engine }: Named,
  { container, image, wanted }: Search,
  work: Work,
): Promise<FoundLibraries | undefined> {
  const argv = findLibraries(wanted);
  const signal = AbortSignal.any([work.signal, AbortSignal.timeout(LIMIT_MS)]);
  try {
    const now = await findContainer(engine, container);
    const wantedId = image === undefined ? undefined : await imageId(engine, image);
    if (now?.state === 'running' && (image === undefined || wantedId === now.imageId)) {
      const { exitCode, stdout } = await containerExec(engine, container).capture(argv, { signal });
      return exitCode === 0 ? readFound(stdout) : undefined;
    }
    const from = image ?? now?.imageId;
    if (from === undefined || (image !== undefined && wantedId === undefined)) return undefined;
    const name = `holdfast-look-${randomBytes(6).toString('hex')}`;
    const result = await runHelper(engine, { name, image: from, argv, mounts: [], signal });
    return result.exitCode === 0 ? readFound(result.stdout) : undefined;
  } catch (error) {
    work.signal.throwIfAborted();
    if (isHoldfastError(error) && error.code === 'DOCKER_UNREACHABLE') throw error;
    return undefined;
  }
}
