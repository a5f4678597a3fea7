/**
 * Cutting the sorted entries of a tree into parts. Boundaries are chosen by the entries themselves,
 * so that a new file moves only its neighbours' boundary and the other parts stay what they were.
 *
 * Directories are not cut: they make the first part, all of them. A file that comes or goes changes
 * the times of its directory, and would take all that is in the same part along.
 */
import type { Entry } from '../index/entry.js';
import type { BytePath } from '../../base/files/byte-paths.js';

const MIB = 1024 * 1024;
/**
 * What a part comes to on average. A change costs a part, and a part costs three processes: so a tree
 * is cut into some hundred of them. In steps, so that one that grows keeps its boundaries.
 */
const SMALLEST_TARGET_BYTES = 8 * MIB;
const LARGEST_USUAL_TARGET_BYTES = 128 * MIB;
const ENOUGH_PARTS = 128;
/** Beyond about this many parts they become larger than usual. */
const MANY_PARTS = 4096;
/**
 * What an entry weighs beside its content: a header and its share of the time. What it costs in memory
 * is bounded apart.
 */
const ENTRY_OVERHEAD_BYTES = 1024;
/** More entries than this are never held for one part. */
const MOST_ENTRIES = 65_536;

export interface CutPart {
  readonly entries: readonly Entry[];
  /** Bytes of files in it, a hard-linked file once. */
  readonly contentBytes: number;
}

/**
 * Parts in the order of the entries. All names of a hard-linked file are in one part, at the place of
 * the first of them: that is what keeps the link, since each part is a tar of its own.
 */
export class Cutter {
  readonly #placed = new Set<BytePath>();
  #current: Entry[] = [];
  #contentBytes = 0;
  #weight = 0;

  /** @param hardLinks first path of each file with several names → all its entries */
  constructor(
    readonly hardLinks: ReadonlyMap<BytePath, readonly Entry[]>,
    readonly targetBytes: number,
  ) {}

  /** Takes the next entry. @returns the parts that ended with it: none, one, or two */
  push(entry: Entry): readonly CutPart[] {
    if (entry.type === 'directory') return [];
    if (entry.linkCount > 1 && this.#placed.delete(entry.path)) return [];
    const members = this.hardLinks.get(entry.path) ?? [entry];
    for (const member of members.slice(1)) this.#placed.add(member.path);
    const ended: CutPart[] = [];
    // A large file is a part of its own: what lies before it need not be read when it changes.
    const isLarge = entry.sizeBytes >= this.targetBytes;
    if (isLarge && this.#current.length > 0) ended.push(this.#take());
    this.#current.push(...members);
    this.#contentBytes += entry.sizeBytes;
    const added = entry.sizeBytes + members.length * ENTRY_OVERHEAD_BYTES;
    this.#weight += added;
    if (isLarge || this.#isBoundary(entry.path, added)) ended.push(this.#take());
    return ended;
  }

  /** What is left after the last entry. */
  end(): readonly CutPart[] {
    return this.#current.length === 0 ? [] : [this.#take()];
  }

  /**
   * An entry ends a part with a probability proportional to its own weight, decided by the hash of its
   * path: whatever comes before or after it, an unchanged entry decides the same.
   */
  #isBoundary(path: BytePath, added: number): boolean {
    if (this.#weight < this.targetBytes / 8) return false;
    if (this.#weight >= this.targetBytes * 4 || this.#current.length >= MOST_ENTRIES) return true;
    return pathHash(path) / 0x1_0000_0000 < added / this.targetBytes;
  }

  #take(): CutPart {
    const part = { entries: this.#current, contentBytes: this.#contentBytes };
    this.#current = [];
    this.#contentBytes = 0;
    this.#weight = 0;
    return part;
  }
}

/** FNV-1a with the finish of MurmurHash3, so that the high bits are as good as the low ones. */
function pathHash(path: BytePath): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < path.length; index += 1) {
    hash = Math.imul(hash ^ path.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** How large parts are for a tree of this size, bytes. */
export function partTarget(totalBytes: number): number {
  let target = SMALLEST_TARGET_BYTES;
  while (target < LARGEST_USUAL_TARGET_BYTES && totalBytes / target > ENOUGH_PARTS) target *= 4;
  while (totalBytes / target > MANY_PARTS) target *= 4;
  return target;
}

/** First path of each hard-linked file → all entries of that file within the tree. */
export function hardLinkGroups(entries: readonly Entry[]): ReadonlyMap<BytePath, readonly Entry[]> {
  const byInode = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (entry.linkCount < 2 || entry.type === 'directory') continue;
    const key = `${entry.device}:${entry.inode}`;
    const group = byInode.get(key);
    if (group === undefined) byInode.set(key, [entry]);
    else group.push(entry);
  }
  const groups = new Map<BytePath, readonly Entry[]>();
  for (const group of byInode.values()) {
    const first = group[0];
    if (first !== undefined && group.length > 1) groups.set(first.path, group);
  }
  return groups;
}

/** Every further name of a hard-linked file → its first name. */
export function furtherNames(
  groups: ReadonlyMap<BytePath, readonly Entry[]>,
): ReadonlyMap<BytePath, BytePath> {
  const names = new Map<BytePath, BytePath>();
  for (const [first, group] of groups) {
    for (const member of group.slice(1)) names.set(member.path, first);
  }
  return names;
}
