/**
 * Two trees, entry by entry: the proof of a restore. Everything an archive keeps is looked at; what
 * cannot be kept (inode, ctime, atime, sparseness) is not.
 */
import { lstat } from 'node:fs/promises';
import { HoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import { hardLinkGroups } from '../pack/cut.js';
import type { Entry, TreeSpec } from '../index/entry.js';
import { sameContent } from './content.js';
import { inParallel } from '../../base/parallel.js';
import {
  absoluteBytes,
  comparePaths,
  pathToName,
  type BytePath,
} from '../../base/files/byte-paths.js';
import { directReader } from '../scan/reader.js';
import { scanTree } from '../scan/scan.js';
import { readXattrs } from '../scan/xattrs.js';

export interface Difference {
  /** Relative to the roots; `.` is the root itself. */
  readonly path: string;
  readonly what:
    | 'missing'
    | 'extra'
    | 'type'
    | 'mode'
    | 'owner'
    | 'size'
    | 'content'
    | 'mtime'
    | 'target'
    | 'device'
    | 'hardLinks'
    | 'xattrs';
  /** Of the expected tree, as text. */
  readonly expected: string;
  readonly actual: string;
}

export interface TreeComparison {
  /** In the order of the tree, at most {@link MAX_DIFFERENCES}. */
  readonly differences: Difference[];
  /** All differences, also those beyond the limit. */
  readonly count: number;
  /** Entries and bytes of the expected tree. */
  readonly entries: number;
  readonly bytes: number;
}

export const MAX_DIFFERENCES = 1000;

/** Which entries count; all of them by default. The root of the spec is not used. */
export type CompareScope = Partial<Omit<TreeSpec, 'root'>>;

/**
 * Differences between two trees, none when they are equal; bounded, see {@link compareTreesInDetail}.
 * @throws HoldfastError SOURCE_MISSING, ARCHIVE_FAILED when one of them cannot be read
 */
export async function compareTrees(
  expectedRoot: string,
  actualRoot: string,
  work: Work,
  scope: CompareScope = {},
): Promise<Difference[]> {
  return (await compareTreesInDetail(expectedRoot, actualRoot, work, scope)).differences;
}

/** As {@link compareTrees}, with what was looked at and how many differences there are in all. */
export async function compareTreesInDetail(
  expectedRoot: string,
  actualRoot: string,
  work: Work,
  scope: CompareScope = {},
): Promise<TreeComparison> {
  const all = { include: ['**'], exclude: [], oneFileSystem: false, ...scope };
  const roots = { expected: expectedRoot, actual: actualRoot };
  const [expected, actual] = await Promise.all([
    loadTree(expectedRoot, { ...all, root: expectedRoot }, work),
    loadTree(actualRoot, { ...all, root: actualRoot }, work),
  ]);
  const found = new Findings();
  const files: [Entry, Entry][] = [];
  const actualByPath = new Map(actual.entries.map((entry) => [entry.path, entry]));
  for (const left of expected.entries) {
    const right = actualByPath.get(left.path);
    if (right === undefined) {
      found.add(left.path, 'missing', left.type, 'nothing');
      continue;
    }
    actualByPath.delete(left.path);
    if (left.type !== right.type) {
      found.add(left.path, 'type', left.type, right.type);
      continue;
    }
    compareFacts(left, right, found);
    found.compare(
      left.path,
      'hardLinks',
      linkedNames(expected.links.get(left.path), left.path),
      linkedNames(actual.links.get(left.path), left.path),
    );
    found.compare(
      left.path,
      'xattrs',
      expected.xattrs.get(left.path) ?? '',
      actual.xattrs.get(left.path) ?? '',
    );
    if (left.type === 'file' && left.sizeBytes === right.sizeBytes) files.push([left, right]);
    if (left.type === 'character' || left.type === 'block') {
      await compareDevices(left.path, roots, found);
    }
  }
  for (const right of actualByPath.values()) {
    found.add(right.path, 'extra', 'nothing', right.type);
  }
  await compareContents(files, roots, found, work);
  return {
    differences: found.sorted(),
    count: found.count,
    entries: expected.entries.length,
    bytes: expected.entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}

/** Differences as they are found, bounded. */
export class Findings {
  count = 0;
  readonly #list: { readonly at: BytePath; readonly difference: Difference }[] = [];

  add(path: BytePath, what: Difference['what'], expected: string, actual: string): void {
    this.count += 1;
    if (this.#list.length >= MAX_DIFFERENCES) return;
    const name = path === '' ? '.' : pathToName(path);
    this.#list.push({ at: path, difference: { path: name, what, expected, actual } });
  }

  compare(path: BytePath, what: Difference['what'], expected: string, actual: string): void {
    if (expected !== actual) this.add(path, what, expected, actual);
  }

  sorted(): Difference[] {
    return this.#list
      .sort((left, right) => comparePaths(left.at, right.at))
      .map(({ difference }) => difference);
  }
}

interface Tree {
  readonly entries: readonly Entry[];
  /** All names of a hard-linked file, by each of them. */
  readonly links: ReadonlyMap<BytePath, readonly BytePath[]>;
  readonly xattrs: ReadonlyMap<BytePath, string>;
}

async function loadTree(root: string, spec: TreeSpec, work: Work): Promise<Tree> {
  const { entries } = await scanTree(spec, directReader(root), work);
  const links = new Map<BytePath, readonly BytePath[]>();
  for (const group of hardLinkGroups(entries).values()) {
    const names = group.map(({ path }) => path).sort();
    for (const name of names) links.set(name, names);
  }
  const xattrs = await readXattrs(root, work.signal);
  return { entries, links, xattrs };
}

function linkedNames(names: readonly BytePath[] | undefined, self: BytePath): string {
  return (names ?? [])
    .filter((name) => name !== self)
    .map(pathToName)
    .join(', ');
}

function compareFacts(left: Entry, right: Entry, found: Findings): void {
  const { path } = left;
  found.compare(path, 'mode', left.mode.toString(8), right.mode.toString(8));
  found.compare(path, 'owner', `${left.uid}:${left.gid}`, `${right.uid}:${right.gid}`);
  found.compare(path, 'size', String(left.sizeBytes), String(right.sizeBytes));
  found.compare(path, 'mtime', String(left.mtimeNs), String(right.mtimeNs));
  found.compare(path, 'target', pathToName(left.linkTarget), pathToName(right.linkTarget));
}

interface Roots {
  readonly expected: string;
  readonly actual: string;
}

async function compareDevices(path: BytePath, roots: Roots, found: Findings): Promise<void> {
  const [left, right] = await Promise.all([
    lstat(absoluteBytes(roots.expected, path)),
    lstat(absoluteBytes(roots.actual, path)),
  ]);
  found.compare(path, 'device', String(left.rdev), String(right.rdev));
}

async function compareContents(
  files: readonly (readonly [Entry, Entry])[],
  roots: Roots,
  found: Findings,
  work: Work,
): Promise<void> {
  const totalBytes = files.reduce((sum, [{ sizeBytes }]) => sum + sizeBytes, 0);
  const progress = { bytes: 0, entries: 0 };
  // A hard-linked file needs to be read under one of its names only, if both sides link it alike.
  const seen = new Set<string>();
  await inParallel(
    files,
    8,
    async ([left, right], _index, signal) => {
      const key = `${left.device}:${left.inode}=${right.device}:${right.inode}`;
      const known = left.linkCount > 1 && seen.has(key);
      seen.add(key);
      if (!known) {
        const same = await sameContent(
          absoluteBytes(roots.expected, left.path),
          absoluteBytes(roots.actual, right.path),
          signal,
        );
        if (!same) found.add(left.path, 'content', `${left.sizeBytes} bytes`, 'other bytes');
      }
      progress.bytes += left.sizeBytes;
      progress.entries += 1;
      work.report({ phase: 'compare', ...progress, totalBytes });
    },
    work.signal,
  );
}

/** @throws HoldfastError RESTORE_MISMATCH naming the first differences, if there are any */
export function requireEqual(comparison: TreeComparison): void {
  if (comparison.count === 0) return;
  const first = comparison.differences.slice(0, 5).map(({ path, what }) => `${path} (${what})`);
  throw new HoldfastError(
    'RESTORE_MISMATCH',
    `${comparison.count} differences to what was backed up: ${first.join(', ')}`,
    { facts: { count: comparison.count, first } },
  );
}
