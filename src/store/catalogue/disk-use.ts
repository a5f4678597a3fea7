/** What sets take on disk: sets share files, so that what one has is not what its removal frees. */
import type { FileIdentity, StoredFile } from '../write/artifact-files.js';
import { inspectSets, type Inspection } from './inspect.js';
import type { SetFile } from '../../format/manifest.js';

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
 * From what an inspection saw of every file of every artifact. Sizes are lengths of files, not blocks;
 * an artifact that is missing takes nothing.
 */
export function diskUseOf(sets: readonly SetFile[], inspection: Inspection): DiskUse {
  const unmeasured = new Map<string, string>();
  const artifacts = new Map(
    sets.flatMap((set) => set.artifacts.map((artifact) => [artifact.path, artifact] as const)),
  );
  const filesOf = new Map<string, readonly StoredFile[]>();
  for (const [path, artifact] of artifacts) {
    const files = inspection.filesOf(artifact);
    if (files === undefined) unmeasured.set(path, `${path} can't be measured`);
    filesOf.set(path, files ?? []);
  }
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

/** {@link diskUseOf} for whoever has not looked yet. */
export async function measureDiskUse(root: string, sets: readonly SetFile[]): Promise<DiskUse> {
  return diskUseOf(sets, await inspectSets(root, sets));
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
