/** The catalogue: the sets on disk, read from their files in `sets/`. There is no other database. */
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError, messageOf, systemCodeOf } from '../../base/errors.js';
import { kindOf, resolveInside, setFileName, SETS_DIRECTORY } from '../layout.js';
import { setFileSchema, type SetFile } from '../../format/manifest.js';

export interface DamagedSet {
  /** Relative to the root. */
  readonly file: string;
  readonly reason: string;
}

export interface MissingArtifact {
  readonly set: SetFile;
  /** Relative to the root. */
  readonly path: string;
  readonly reason: string;
}

export interface Catalogue {
  /** By id, then tier; oldest first. */
  readonly sets: readonly SetFile[];
  /** Files in `sets/` that are not readable sets. */
  readonly damaged: readonly DamagedSet[];
  /** Artifacts that sets name but that are not there. */
  readonly missing: readonly MissingArtifact[];
  /** {@link damaged} and {@link missing} in words, one sentence each. */
  readonly unreadable: readonly string[];
}

/**
 * Reads all sets. A file that cannot be read never hides the others.
 * @throws HoldfastError STORE_UNSAFE when `sets` is a symlink
 */
export async function readCatalogue(root: string): Promise<Catalogue> {
  const sets: SetFile[] = [];
  const damaged: DamagedSet[] = [];
  const missing: MissingArtifact[] = [];
  for (const name of await setFileNames(root)) {
    const file = `${SETS_DIRECTORY}/${name}`;
    try {
      const set = await readSetFile(path.join(root, file));
      if (setFileName(set) !== name) throw new Error(`it says it is ${setFileName(set)}`);
      sets.push(set);
    } catch (error) {
      damaged.push({ file, reason: messageOf(error) });
    }
  }
  for (const set of sets) {
    for (const artifact of set.artifacts) {
      const reason = await missingReason(root, artifact.path);
      if (reason !== undefined) missing.push({ set, path: artifact.path, reason });
    }
  }
  return {
    sets: sets.sort((left, right) => (setFileName(left) < setFileName(right) ? -1 : 1)),
    damaged,
    missing,
    unreadable: [
      ...damaged.map(({ file, reason }) => `${file} cannot be read: ${reason}`),
      ...missing.map(({ set, path: at, reason }) => `${at} of ${set.id} (${set.tier}) ${reason}`),
    ],
  };
}

/**
 * One set by its id, and by its tier where several tiers have that id.
 * @throws HoldfastError SET_NOT_FOUND, MANIFEST_INVALID
 */
export async function readSet(root: string, id: string, tier?: string): Promise<SetFile> {
  const names = (await setFileNames(root)).filter((name) =>
    tier === undefined ? name.startsWith(`${id}-`) : name === setFileName({ id, tier }),
  );
  const [name] = names;
  if (name === undefined) {
    throw new HoldfastError(
      'SET_NOT_FOUND',
      `there is no set ${id}${tier === undefined ? '' : ` (${tier})`}`,
      {
        facts: { id, tier: tier ?? null },
        hint: 'holdfast list shows the sets there are',
      },
    );
  }
  const file = path.join(root, SETS_DIRECTORY, name);
  try {
    return await readSetFile(file);
  } catch (error) {
    throw new HoldfastError('MANIFEST_INVALID', `${file} cannot be read: ${messageOf(error)}`, {
      facts: { path: file },
      cause: error,
    });
  }
}

async function setFileNames(root: string): Promise<readonly string[]> {
  const directory = await resolveInside(root, SETS_DIRECTORY);
  try {
    // A name that begins with a dot is a file that is being written.
    return (await readdir(directory))
      .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
      .sort();
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function readSetFile(file: string): Promise<SetFile> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await handle.stat()).isFile()) throw new Error('it is not a regular file');
    return setFileSchema.parse(JSON.parse(await handle.readFile('utf8')));
  } finally {
    await handle.close();
  }
}

async function missingReason(root: string, relative: string): Promise<string | undefined> {
  try {
    const directory = await resolveInside(root, relative);
    return (await kindOf(directory)) === 'directory' ? undefined : 'is missing';
  } catch (error) {
    return messageOf(error);
  }
}
