/** What of an artifact a few patterns mean, by its index: entries, their parents, and their parts. */
import type { Work } from '../../base/progress.js';
import type { ArtifactManifest } from '../../format/manifest.js';
import { readIndex } from '../index/index-reader.js';
import { pathFromJson, type BytePath } from '../../base/files/byte-paths.js';
import { PathSelector } from '../../glob/path-selector.js';

export interface Selection {
  /** Does a pattern mean this path, or a directory above it? */
  readonly selects: (path: BytePath) => boolean;
  /** Directories above what is selected, the root (`''`) among them, where the patterns do not mean them. */
  readonly parents: ReadonlySet<BytePath>;
  /**
   * First name of a hard-linked file that is not selected → the first of its names that is: the one
   * that gets the content.
   */
  readonly heirs: ReadonlyMap<BytePath, BytePath>;
  /** Names of the parts that hold any of it. */
  readonly parts: ReadonlySet<string>;
  /** Entries selected, without parents. */
  readonly entries: number;
  /** Bytes of their content, a hard-linked file once. */
  readonly bytes: number;
  /** Patterns that match nothing. */
  readonly unmatched: readonly string[];
}

/**
 * Reads the whole index, so that what is found can be relied upon.
 * @throws HoldfastError CONFIG_INVALID for what is no pattern, and as {@link readIndex}
 */
export async function selectEntries(
  directory: string,
  manifest: ArtifactManifest,
  patterns: readonly string[],
  work: Work,
): Promise<Selection> {
  const selector = new PathSelector(patterns);
  const directories = new Map<BytePath, string>();
  const parents = new Set<BytePath>();
  const heirs = new Map<BytePath, BytePath>();
  const parts = new Set<string>();
  let entries = 0;
  let bytes = 0;
  for await (const entry of readIndex(directory, work, manifest)) {
    const path = entry.path === '.' ? '' : pathFromJson(entry.path);
    if (entry.type === 'directory') directories.set(path, entry.part);
    if (!selector.selects(path)) continue;
    entries += 1;
    parts.add(entry.part);
    let first = true;
    if (entry.hardLinkOf !== undefined) {
      const firstName = pathFromJson(entry.hardLinkOf);
      first = !selector.selects(firstName) && !heirs.has(firstName);
      if (first) heirs.set(firstName, path);
    }
    if (first) bytes += entry.sizeBytes;
    for (let at = path; at !== '';) {
      at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
      // What is above a selected directory is added when its own entry comes.
      if (parents.has(at) || selector.selects(at)) break;
      parents.add(at);
    }
  }
  for (const parent of parents) {
    const part = directories.get(parent);
    if (part !== undefined) parts.add(part);
  }
  return {
    selects: (path) => selector.selects(path),
    parents: new Set([...parents].filter((path) => directories.has(path))),
    heirs,
    parts,
    entries,
    bytes,
    unmatched: selector.unmatched,
  };
}
