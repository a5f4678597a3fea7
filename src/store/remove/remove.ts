/**
 * Removing a set is the mirror of publishing it: a journal, then the set's file goes, then its
 * artifacts move to `.trash/`, then they are deleted. Only what the catalogue names, only below the
 * root, never through a symlink, and never what another set still names.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import {
  parseJsonIfWhole,
  readTextIfExists,
  removeTree,
  renameDurably,
  writeFileDurably,
} from '../../base/files/durable.js';
import { readCatalogue } from '../catalogue/catalogue.js';
import {
  kindOf,
  makeDirectoriesInside,
  resolveInside,
  setFileName,
  SETS_DIRECTORY,
  TRASH_DIRECTORY,
} from '../layout.js';
import { setFileSchema, type SetFile } from '../../format/manifest.js';
import { dropVerification } from '../verify/verification.js';
import { dropDrills } from '../records/drills.js';

export const REMOVAL_JOURNAL_FILE = 'remove.json';
const journalSchema = z.object({ set: setFileSchema, keepPaths: z.array(z.string()) });
export type RemovalJournal = z.output<typeof journalSchema>;

export interface RemoveOptions {
  /** For tests: called before each step, may throw to stop there. */
  readonly beforeStep?: ((step: string) => void) | undefined;
}

/**
 * Removes a set of the catalogue with its artifacts, except those in `keepPaths` (relative to the
 * root) or named by another set. Killed in between, {@link emptyTrash} finishes it.
 * @throws HoldfastError SET_NOT_FOUND when the catalogue does not have it, STORE_UNSAFE
 */
export async function removeSet(
  root: string,
  set: SetFile,
  keepPaths: ReadonlySet<string>,
  options: RemoveOptions = {},
): Promise<void> {
  const catalogue = await readCatalogue(root);
  const name = setFileName(set);
  const listed = catalogue.sets.find((candidate) => setFileName(candidate) === name);
  if (listed === undefined) {
    throw new HoldfastError('SET_NOT_FOUND', `the catalogue has no set ${name}`, {
      facts: { id: set.id, tier: set.tier },
    });
  }
  // By what is on disk, not by what the caller remembers of it.
  for (const artifact of listed.artifacts) await requireOwnArtifact(root, listed, artifact.path);
  const trash = await makeDirectoriesInside(root, `${TRASH_DIRECTORY}/${trashName(listed)}`);
  const journal: RemovalJournal = { set: listed, keepPaths: [...keepPaths] };
  options.beforeStep?.('journal');
  await writeFileDurably(
    path.join(trash, REMOVAL_JOURNAL_FILE),
    `${JSON.stringify(journal, null, 2)}\n`,
  );
  options.beforeStep?.('set file');
  await renameDurably(
    await resolveInside(root, `${SETS_DIRECTORY}/${name}`),
    path.join(trash, 'set.json'),
  );
  await finishRemoval(root, trash, journal, options);
}

/**
 * Finishes removals that were cut short. @returns the names (`<id>-<tier>`) of what was cleared
 */
export async function emptyTrash(root: string): Promise<readonly string[]> {
  const trashRoot = await resolveInside(root, TRASH_DIRECTORY);
  if ((await kindOf(trashRoot)) !== 'directory') return [];
  const cleared: string[] = [];
  for (const entry of await readdir(trashRoot, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const trash = path.join(trashRoot, entry.name);
    const journal = await readJournal(trash);
    if (journal !== undefined) await finishRemoval(root, trash, journal, {});
    else if (await isEmpty(trash)) await removeTree(trash);
    else continue;
    cleared.push(entry.name);
  }
  return cleared;
}

/**
 * Moves the artifacts of a journal into the trash and deletes them – those that no set names any more:
 * a removal that was cut short before the set file had gone is so taken back.
 */
export async function finishRemoval(
  root: string,
  trash: string,
  { set, keepPaths }: RemovalJournal,
  options: RemoveOptions,
): Promise<void> {
  const { sets, damaged } = await readCatalogue(root);
  const keep = new Set([
    ...keepPaths,
    ...sets.flatMap(({ artifacts }) => artifacts.map((artifact) => artifact.path)),
  ]);
  for (const [index, artifact] of set.artifacts.entries()) {
    if (keep.has(artifact.path)) continue;
    // A set that cannot be read may name a shared artifact too; those of a tier are its own.
    if (damaged.some(({ file }) => path.basename(file).startsWith(`${set.id}-`))) continue;
    options.beforeStep?.(`artifact ${artifact.path}`);
    const from = await requireOwnArtifact(root, set, artifact.path);
    if ((await kindOf(from)) !== 'directory') continue;
    await renameDurably(from, path.join(trash, `artifact-${index}`));
  }
  // A set that was only trimmed is still there, and so is what is known of it.
  if (!sets.some((other) => setFileName(other) === setFileName(set))) {
    await dropVerification(root, set);
    await dropDrills(root, set);
  }
  options.beforeStep?.('delete');
  // The set's file last: it is what says that this removal has begun.
  for (const name of await readdir(trash)) {
    if (name.startsWith('artifact-')) await removeTree(path.join(trash, name));
  }
  await removeTree(trash);
}

/**
 * Where an artifact of this set lies. Its directory carries the set's id in its name; whatever a
 * damaged or forged set file names besides is left alone.
 */
async function requireOwnArtifact(root: string, set: SetFile, relative: string): Promise<string> {
  const target = await resolveInside(root, relative);
  if (relative.endsWith(`_${set.id}`) && !relative.startsWith('.')) return target;
  throw new HoldfastError('STORE_UNSAFE', `${relative} is not an artifact of the set ${set.id}`, {
    facts: { path: relative, setId: set.id },
    hint: 'the set file was changed by hand or is damaged: look at it before removing it yourself',
  });
}

async function readJournal(trash: string): Promise<RemovalJournal | undefined> {
  const text = await readTextIfExists(path.join(trash, REMOVAL_JOURNAL_FILE));
  if (text === undefined) return undefined;
  const parsed = journalSchema.safeParse(parseJsonIfWhole(text));
  return parsed.success ? parsed.data : undefined;
}

async function isEmpty(directory: string): Promise<boolean> {
  return (await readdir(directory)).length === 0;
}

function trashName(set: SetFile): string {
  return `${set.id}-${set.tier}`;
}
