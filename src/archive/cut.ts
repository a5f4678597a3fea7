/**
 * Cutting the sorted entries of a tree into parts. Boundaries are chosen by the entries themselves,
 * so that a new file moves only its neighbours' boundary and the other parts stay what they were.
 */
import { createHash } from 'node:crypto';
import type { Entry } from './entry.js';
import type { BytePath } from './paths.js';

const MIB = 1024 * 1024;
/** What a part comes to on average. */
export const PART_TARGET_BYTES = 128 * MIB;
/** Beyond about this many parts they become larger instead. */
const MANY_PARTS = 4096;
/** What an entry costs beside its content: its headers in the archive. */
const ENTRY_OVERHEAD_BYTES = 1024;

export interface Part {
  readonly entries: readonly Entry[];
  /** Bytes of files in it, a hard-linked file once. */
  readonly contentBytes: number;
}

/**
 * Parts in the order of the entries. All names of a hard-linked file are in one part, at the place of
 * the first of them: that is what keeps the link, since each part is a tar of its own.
 */
export function cutIntoParts(
  entries: readonly Entry[],
  targetBytes: number = partTarget(entries),
): readonly Part[] {
  const groups = hardLinkGroups(entries);
  const placed = new Set<BytePath>();
  const parts: Part[] = [];
  let current: Entry[] = [];
  let contentBytes = 0;
  let weight = 0;
  for (const entry of entries) {
    if (placed.has(entry.path)) continue;
    const members = groups.get(entry.path) ?? [entry];
    for (const member of members.slice(1)) placed.add(member.path);
    current.push(...members);
    contentBytes += entry.sizeBytes;
    const added = entry.sizeBytes + members.length * ENTRY_OVERHEAD_BYTES;
    weight += added;
    if (isBoundary(entry.path, added, weight, targetBytes)) {
      parts.push({ entries: current, contentBytes });
      current = [];
      contentBytes = 0;
      weight = 0;
    }
  }
  if (current.length > 0) parts.push({ entries: current, contentBytes });
  return parts;
}

/**
 * An entry ends a part with a probability proportional to its own weight, decided by the hash of its
 * path: whatever comes before or after it, an unchanged entry decides the same.
 */
function isBoundary(path: BytePath, added: number, weight: number, targetBytes: number): boolean {
  if (weight < targetBytes / 8) return false;
  if (weight >= targetBytes * 4) return true;
  const hash = createHash('md5').update(path, 'latin1').digest().readUInt32BE(0);
  return hash / 0x1_0000_0000 < added / targetBytes;
}

function partTarget(entries: readonly Entry[]): number {
  const total = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let target = PART_TARGET_BYTES;
  // In steps, so that a tree that grows a little keeps its boundaries.
  while (total / target > MANY_PARTS) target *= 4;
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
