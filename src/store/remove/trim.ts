/** Taking single artifacts out of a set: sources that keep fewer versions than their tier. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError } from '../../base/errors.js';
import { renameDurably, writeFileDurably } from '../../base/files/durable.js';
import { readSet } from '../catalogue/catalogue.js';
import {
  makeDirectoriesInside,
  own,
  resolveInside,
  setFileName,
  SETS_DIRECTORY,
  TRASH_DIRECTORY,
} from '../layout.js';
import type { SetArtifact, SetFile } from '../../format/manifest.js';
import {
  finishRemoval,
  REMOVAL_JOURNAL_FILE,
  type RemovalJournal,
  type RemoveOptions,
} from './remove.js';

/**
 * Removes artifacts from a set of the catalogue: the set's file is replaced by one that does not name
 * them, then they go the way of {@link file://./remove.ts}. One that another set names stays on disk.
 * @returns the set as it is now
 * @throws HoldfastError SET_NOT_FOUND, STORE_UNSAFE; USAGE when nothing of the set would be left
 */
export async function trimSet(
  root: string,
  set: SetFile,
  artifacts: readonly Pick<SetArtifact, 'path'>[],
  options: RemoveOptions = {},
): Promise<SetFile> {
  const listed = await readSet(root, set.id, set.tier);
  const paths = new Set(artifacts.map((artifact) => artifact.path));
  const gone = listed.artifacts.filter((artifact) => paths.has(artifact.path));
  if (gone.length === 0) return listed;
  const kept = listed.artifacts.filter((artifact) => !paths.has(artifact.path));
  if (kept.length === 0) {
    throw new HoldfastError('USAGE', `the set ${set.id} would be empty: remove it instead`, {
      facts: { id: set.id, tier: set.tier },
    });
  }
  const trimmed: SetFile = { ...listed, artifacts: kept };
  const trash = await makeDirectoriesInside(root, `${TRASH_DIRECTORY}/${set.id}-${set.tier}-trim`);
  const journal: RemovalJournal = { set: { ...listed, artifacts: gone }, keepPaths: [] };
  options.beforeStep?.('journal');
  await writeFileDurably(path.join(trash, REMOVAL_JOURNAL_FILE), JSON.stringify(journal, null, 2));
  options.beforeStep?.('set file');
  await replaceSetFile(root, trash, trimmed);
  await finishRemoval(root, trash, journal, options);
  return trimmed;
}

/** With the owner and mode of the file it replaces. */
async function replaceSetFile(root: string, trash: string, set: SetFile): Promise<void> {
  const file = await resolveInside(root, `${SETS_DIRECTORY}/${setFileName(set)}`);
  const { uid, gid, mode } = await stat(file);
  const fresh = path.join(trash, 'set.json');
  await writeFileDurably(fresh, `${JSON.stringify(set, null, 2)}\n`);
  await own(fresh, { uid, gid, fileMode: mode, directoryMode: mode }, mode & 0o7777);
  await renameDurably(fresh, file);
}
