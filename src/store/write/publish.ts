/**
 * Publishing a set: a journal with the decision first, then every artifact by one rename, the set's
 * file last. Whoever is killed in between, the journal says how to go on, and readers – who look at
 * set files only – see the whole set or nothing of it.
 */
import path from 'node:path';
import { HoldfastError, messageOf } from '../../base/errors.js';
import {
  mkdirDurably,
  readTextIfExists,
  removeTree,
  renameDurably,
  writeFileDurably,
} from '../../base/files/durable.js';
import { readManifest } from './artifact.js';
import {
  INCOMING_DIRECTORY,
  kindOf,
  makeDirectoriesInside,
  own,
  resolveInside,
  setFileName,
  SETS_DIRECTORY,
  type StoreOwnership,
} from '../layout.js';
import { setFileSchema, type SetArtifact, type SetFile } from '../../format/manifest.js';
import { isSetId } from '../../format/set-id.js';

const JOURNAL_FILE = 'publish.json';

export interface PublishOptions {
  readonly ownership?: StoreOwnership | undefined;
  /** For tests: called before each step, may throw to stop there. */
  readonly beforeStep?: ((step: string) => void) | undefined;
}

/**
 * Publishes a set whose artifacts are whole under `.incoming/<id>/`. Called again, after whatever
 * end, it finishes what was begun: once the journal is written its content is what is published.
 * @returns the set as published
 * @throws HoldfastError INTEGRITY when an artifact is missing or not the one the set names,
 *   STORE_UNSAFE when something else lies at its place
 */
export async function publishSet(
  root: string,
  set: SetFile,
  options: PublishOptions = {},
): Promise<SetFile> {
  const done = await readPublished(root, set);
  const journal = await readJournal(root, set.id);
  if (done !== undefined && journal === undefined) {
    await removeTree(path.join(root, INCOMING_DIRECTORY, done.id));
    return done;
  }
  if (journal === undefined) {
    const checked = setFileSchema.parse(set);
    for (const artifact of checked.artifacts) await requireArtifact(root, checked, artifact);
    options.beforeStep?.('journal');
    await writeFileDurably(
      path.join(root, INCOMING_DIRECTORY, checked.id, JOURNAL_FILE),
      serialize(checked),
    );
  }
  return publishJournal(root, set.id, options.ownership, options.beforeStep);
}

/** Carries out what the journal of a set says. */
export async function publishJournal(
  root: string,
  setId: string,
  ownership?: StoreOwnership,
  beforeStep?: (step: string) => void,
): Promise<SetFile> {
  const set = await readJournal(root, setId);
  if (set === undefined) {
    throw new HoldfastError('INTERNAL', `the set ${setId} has no journal`, { facts: { setId } });
  }
  for (const artifact of set.artifacts) {
    beforeStep?.(`artifact ${artifact.path}`);
    await moveIntoPlace(root, set, artifact, ownership);
  }
  beforeStep?.('set file');
  await writeSetFile(root, set, ownership);
  beforeStep?.('remove incoming');
  // The journal first: it must not be found again when the set has long been removed.
  await removeTree(path.join(root, INCOMING_DIRECTORY, setId, JOURNAL_FILE));
  await removeTree(path.join(root, INCOMING_DIRECTORY, setId));
  return set;
}

/** Where the decision to publish a set is kept. @throws HoldfastError STORE_UNSAFE for what is no set id */
export function journalFile(root: string, setId: string): string {
  if (!isSetId(setId)) {
    throw new HoldfastError('STORE_UNSAFE', `"${setId}" is not a set id`, { facts: { setId } });
  }
  return path.join(root, INCOMING_DIRECTORY, setId, JOURNAL_FILE);
}

/**
 * The journal of a set, undefined when there is none.
 * @throws HoldfastError MANIFEST_INVALID when it cannot be read
 */
async function readJournal(root: string, setId: string): Promise<SetFile | undefined> {
  const file = await resolveInside(root, path.relative(root, journalFile(root, setId)));
  const text = await readTextIfExists(file);
  return text === undefined ? undefined : parseSet(file, text);
}

async function readPublished(root: string, set: SetFile): Promise<SetFile | undefined> {
  const file = await resolveInside(root, `${SETS_DIRECTORY}/${setFileName(set)}`);
  const text = await readTextIfExists(file);
  if (text === undefined) return undefined;
  const published = parseSet(file, text);
  if (published.workflowId === set.workflowId) return published;
  throw new HoldfastError('STORE_UNSAFE', `${file} is another run's set`, {
    facts: { path: file, workflowId: published.workflowId },
  });
}

function parseSet(file: string, text: string): SetFile {
  try {
    return setFileSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new HoldfastError('MANIFEST_INVALID', `${file} cannot be read: ${messageOf(error)}`, {
      facts: { path: file },
      cause: error,
    });
  }
}

async function requireArtifact(root: string, set: SetFile, artifact: SetArtifact): Promise<void> {
  const { waiting, published } = await places(root, set, artifact);
  if ((await kindOf(waiting)) === 'directory') {
    if ((await kindOf(published)) !== 'missing') throw occupied(published);
    await requireManifest(waiting, artifact);
    return;
  }
  // Large artifacts know no tier: another set of the same moment may have brought it.
  if ((await kindOf(published)) !== 'directory') throw missing(artifact);
  await requireManifest(published, artifact);
}

async function moveIntoPlace(
  root: string,
  set: SetFile,
  artifact: SetArtifact,
  ownership: StoreOwnership | undefined,
): Promise<void> {
  const { waiting, published } = await places(root, set, artifact);
  if ((await kindOf(waiting)) === 'directory') {
    if ((await kindOf(published)) !== 'missing') throw occupied(published);
    await makeDirectoriesInside(root, path.dirname(artifact.path), ownership);
    await renameDurably(waiting, published);
  } else if ((await kindOf(published)) !== 'directory') {
    throw missing(artifact);
  }
  await requireManifest(published, artifact);
}

async function places(
  root: string,
  set: SetFile,
  artifact: SetArtifact,
): Promise<{ waiting: string; published: string }> {
  return {
    waiting: await resolveInside(root, `${INCOMING_DIRECTORY}/${set.id}/whole/${artifact.path}`),
    published: await resolveInside(root, artifact.path),
  };
}

async function requireManifest(directory: string, artifact: SetArtifact): Promise<void> {
  const { manifestSha256 } = await readManifest(directory);
  if (manifestSha256 === artifact.manifestSha256) return;
  throw new HoldfastError('INTEGRITY', `${directory} is not the artifact the set names`, {
    facts: { path: directory, expected: artifact.manifestSha256, actual: manifestSha256 },
  });
}

async function writeSetFile(
  root: string,
  set: SetFile,
  ownership: StoreOwnership | undefined,
): Promise<void> {
  const directory = await makeDirectoriesInside(root, SETS_DIRECTORY, ownership);
  await mkdirDurably(directory);
  // Owned before it is named: a set that can be seen can be read by whom it is for.
  const waiting = path.join(root, INCOMING_DIRECTORY, set.id, 'set.json');
  await writeFileDurably(waiting, serialize(set));
  if (ownership !== undefined) await own(waiting, ownership, ownership.fileMode);
  await renameDurably(waiting, path.join(directory, setFileName(set)));
}

function serialize(set: SetFile): string {
  return `${JSON.stringify(set, null, 2)}\n`;
}

function occupied(target: string): HoldfastError {
  return new HoldfastError('STORE_UNSAFE', `${target} is there already`, {
    facts: { path: target },
    hint: 'it was not put there by this run: move it away and run the backup again',
  });
}

function missing(artifact: SetArtifact): HoldfastError {
  return new HoldfastError('INTEGRITY', `the artifact ${artifact.path} is missing`, {
    facts: { path: artifact.path },
  });
}
