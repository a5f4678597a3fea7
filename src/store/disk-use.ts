/** What sets take on disk: sets share files, so that what one has is not what its removal frees. */
import { inParallel } from '../archive/parallel.js';
import { messageOf } from '../errors.js';
import { listFiles, type FileIdentity, type StoredFile } from './artifact-files.js';
import type { SetFile } from './manifest.js';

const ARTIFACTS_AT_ONCE = 8;

export interface SetDiskUse {
  /** Bytes of all files of the set's artifacts. */
  readonly storedBytes: number;
  /** Of these, in files that another set of the catalogue has too. */
  readonly sharedBytes: number;
  /** What removing the set would free: the rest. */
  readonly freedBytes: number;
}

export interface DiskUse {
  /** By `<id>-<tier>`; without those that have an artifact that could not be looked at. */
  readonly sets: ReadonlyMap<string, SetDiskUse>;
  /** Bytes of all files of all sets, each counted once however many names it has. */
  readonly diskBytes: number;
  /** Artifacts that could not be looked at, one sentence each. */
  readonly unmeasured: readonly string[];
}

interface Owned {
  readonly sizeBytes: number;
  readonly sets: Set<string>;
}

/**
 * Looks at every file of every artifact, some at a time. Sizes are lengths of files, not blocks; an
 * artifact that is missing takes nothing.
 */
export async function measureDiskUse(root: string, sets: readonly SetFile[]): Promise<DiskUse> {
  const unmeasured = new Map<string, string>();
  const paths = [...new Set(sets.flatMap(({ artifacts }) => artifacts.map(({ path }) => path)))];
  const listed = await inParallel(
    paths,
    ARTIFACTS_AT_ONCE,
    (path) =>
      listFiles(root, path).catch((error: unknown): readonly StoredFile[] => {
        unmeasured.set(path, `${path} can't be measured: ${messageOf(error)}`);
        return [];
      }),
    new AbortController().signal,
  );
  const filesOf = new Map(paths.map((path, index) => [path, listed[index] ?? []]));
  const owned = ownersOf(sets, filesOf);
  const uses = new Map(
    sets
      .filter(({ artifacts }) => !artifacts.some(({ path }) => unmeasured.has(path)))
      .map((set) => [setName(set), { storedBytes: 0, sharedBytes: 0, freedBytes: 0 }]),
  );
  let diskBytes = 0;
  for (const { sizeBytes, sets: owners } of owned.values()) {
    diskBytes += sizeBytes;
    for (const name of owners) {
      const use = uses.get(name);
      if (use === undefined) continue;
      use.storedBytes += sizeBytes;
      if (owners.size > 1) use.sharedBytes += sizeBytes;
      else use.freedBytes += sizeBytes;
    }
  }
  return { sets: uses, diskBytes, unmeasured: [...unmeasured.values()] };
}

/** Each file with the sets that have it, by whatever names. */
function ownersOf(
  sets: readonly SetFile[],
  filesOf: ReadonlyMap<string, readonly StoredFile[]>,
): ReadonlyMap<FileIdentity, Owned> {
  const owned = new Map<FileIdentity, Owned>();
  for (const set of sets) {
    for (const { path } of set.artifacts) {
      for (const { identity, sizeBytes } of filesOf.get(path) ?? []) {
        const owner = owned.get(identity);
        if (owner === undefined) owned.set(identity, { sizeBytes, sets: new Set([setName(set)]) });
        else owner.sets.add(setName(set));
      }
    }
  }
  return owned;
}

function setName({ id, tier }: SetFile): string {
  return `${id}-${tier}`;
}
