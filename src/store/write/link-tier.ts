/**
 * A set in a further tier: weekly and monthly runs that are due together with a daily one read nothing
 * again. Every artifact gets a directory of its own in that tier, with the same files by hard links, so
 * that either set can be removed without the other.
 */
import { cp, link, lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { cannotLink } from '../../format/known-parts.js';
import { systemCodeOf } from '../../base/errors.js';
import type { RunIdentity } from '../../format/run-identity.js';
import { fsyncTree, pathExists } from '../../base/files/durable.js';
import { beginFurtherTier } from './incoming.js';
import {
  INCOMING_DIRECTORY,
  makeDirectoriesInside,
  own,
  resolveInside,
  setFileName,
  SETS_DIRECTORY,
  type StoreOwnership,
} from '../layout.js';
import type { SetArtifact, SetFile, Tier } from '../../format/manifest.js';
import { publishSet, type PublishOptions } from './publish.js';

/**
 * Publishes a published set once more in another tier. Called again it gives the same result.
 * @returns the set as it is in that tier
 * Where the file system can't link, the files are copied.
 * @throws HoldfastError as publishSet
 */
export async function linkIntoTier(
  root: string,
  set: SetFile,
  tier: Tier,
  { runId, ...options }: PublishOptions & Pick<RunIdentity, 'runId'> = {},
): Promise<SetFile> {
  const further: SetFile = {
    ...set,
    tier,
    artifacts: set.artifacts.map((artifact) => ({
      ...artifact,
      path: pathInTier(artifact, set.tier, tier),
    })),
  };
  const published = await resolveInside(root, `${SETS_DIRECTORY}/${setFileName(further)}`);
  if (!(await pathExists(published))) {
    await beginFurtherTier(root, { setId: set.id, workflowId: set.workflowId, runId });
    for (const [index, artifact] of set.artifacts.entries()) {
      const to = further.artifacts[index]?.path ?? artifact.path;
      // What is kept outside of the tiers is the same directory for all of them.
      if (to !== artifact.path)
        await linkArtifact(root, set.id, artifact.path, to, options.ownership);
    }
  }
  return publishSet(root, further, options);
}

/** `<service>/<tier>/…` in another tier; anything else stays where it is. */
function pathInTier({ service, path: at }: SetArtifact, from: Tier, to: Tier): string {
  const prefix = `${service}/${from}/`;
  return at.startsWith(prefix) ? `${service}/${to}/${at.slice(prefix.length)}` : at;
}

async function linkOrCopy(file: string, target: string): Promise<void> {
  try {
    await link(file, target);
  } catch (error) {
    // Linked by an attempt before this one.
    if (systemCodeOf(error) === 'EEXIST') return;
    if (!cannotLink(error)) throw error;
    await cp(file, target, { preserveTimestamps: true });
  }
}

async function linkArtifact(
  root: string,
  setId: string,
  from: string,
  to: string,
  ownership: StoreOwnership | undefined,
): Promise<void> {
  if (await pathExists(await resolveInside(root, to))) return;
  const source = await resolveInside(root, from);
  const target = await makeDirectoriesInside(root, `${INCOMING_DIRECTORY}/${setId}/whole/${to}`);
  for (const name of await readdir(source)) {
    const file = path.join(source, name);
    if (!(await lstat(file)).isFile()) continue;
    await linkOrCopy(file, path.join(target, name));
  }
  await fsyncTree(target);
  if (ownership !== undefined) await own(target, ownership, ownership.directoryMode);
}
