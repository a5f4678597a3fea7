/**
 * What is in a tree: every entry with the facts that tell whether it changed. The walk is GNU find's
 * (a child can be stopped when a disk hangs, and runs in a helper container just the same); which
 * entries count is decided here.
 */
import { HoldfastError } from '../errors.js';
import type { Work } from '../progress.js';
import { compileGlobs, type Glob } from './glob.js';
import { isSameState, type Entry, type TreeSpec } from './entry.js';
import { comparePaths, pathFromText, pathToName, pathToText, type BytePath } from './paths.js';
import type { TreeReader } from './reader.js';
import { findArguments, parseFindOutput } from './scan-find.js';

export interface Scan {
  /** Depth-first, the root first, every directory before what is in it. */
  readonly entries: readonly Entry[];
  /** Sockets are left out, as GNU tar does: they mean nothing without their process. */
  readonly skippedSockets: number;
  /** Directories where another file system is mounted that was not entered. */
  readonly skippedMounts: readonly BytePath[];
  /** Includes that matched nothing. */
  readonly unmatchedIncludes: readonly string[];
}

/**
 * Lists the entries of a tree, with the parent directories of what is included.
 * @throws HoldfastError SOURCE_MISSING, ARCHIVE_FAILED when a part of it cannot be read.
 */
export async function scanTree(spec: TreeSpec, reader: TreeReader, work: Work): Promise<Scan> {
  const include = compileGlobs(spec.include);
  const exclude = compileGlobs(spec.exclude);
  await reader.check();
  const found = await walk(spec, { include, exclude }, reader, work);
  found.entries.sort((left, right) => comparePaths(left.path, right.path));
  const selection = select(found.entries, include, exclude, found.mounts);
  const skippedSockets = selection.entries.filter(({ type }) => type === 'socket').length;
  return {
    entries: selection.entries.filter(({ type }) => type !== 'socket'),
    skippedSockets,
    skippedMounts: selection.skippedMounts,
    unmatchedIncludes: spec.include.filter((pattern) => !selection.matched.has(pattern)),
  };
}

async function walk(
  spec: TreeSpec,
  globs: { include: readonly Glob[]; exclude: readonly Glob[] },
  reader: TreeReader,
  work: Work,
): Promise<{ entries: Entry[]; mounts: ReadonlySet<BytePath> }> {
  const entries: Entry[] = [];
  const mounts = new Set<BytePath>();
  const starts: BytePath[] = [''];
  for (let start = starts.shift(); start !== undefined; start = starts.shift()) {
    const args = findArguments(start, spec.oneFileSystem, globs);
    const running = reader.start('find', args, { signal: work.signal });
    let startDevice: bigint | undefined;
    let bytes = 0;
    try {
      for await (const entry of parseFindOutput(running.stdout)) {
        startDevice ??= entry.device;
        if (entry.path === start && start !== '') continue;
        entries.push(entry);
        bytes += entry.sizeBytes;
        if (entries.length % 1000 === 0) report(work, entries.length, bytes);
        const mounted =
          spec.oneFileSystem && entry.type === 'directory' && entry.device !== startDevice;
        if (!mounted) continue;
        if (isNamed(entry.path, globs.include)) starts.push(entry.path);
        else mounts.add(entry.path);
      }
      await running.done;
    } catch (error) {
      running.kill();
      throw await scanError(error, running.done, work.signal, spec.root);
    }
    report(work, entries.length, bytes);
  }
  return { entries, mounts };
}

/** An include that names a mount point, or something below it, means it – as an argument of tar would. */
function isNamed(path: BytePath, include: readonly Glob[]): boolean {
  return include.some(({ fixedPrefix }) => {
    const prefix = pathFromText(fixedPrefix);
    return prefix === path || prefix.startsWith(`${path}/`);
  });
}

function report(work: Work, entries: number, bytes: number): void {
  work.report({ phase: 'scan', bytes, entries, totalBytes: 0 });
}

async function scanError(
  error: unknown,
  done: Promise<unknown>,
  signal: AbortSignal,
  root: string,
): Promise<unknown> {
  const reason: unknown = await done.then(
    () => error,
    (failure: unknown) => failure,
  );
  if (signal.aborted) return signal.reason;
  if (!(reason instanceof HoldfastError) || reason.code !== 'COMMAND_FAILED') return reason;
  return new HoldfastError('ARCHIVE_FAILED', `${root} cannot be read in full: ${reason.message}`, {
    facts: { ...reason.facts, path: root },
    hint: 'run the worker with the rights to read all of it, or exclude what is not wanted',
    cause: reason,
  });
}

interface Ancestor {
  readonly entry: Entry;
  readonly included: boolean;
  readonly excluded: boolean;
  emitted: boolean;
}

/** Walks the sorted entries once, keeping the directories that lead to the current one. */
function select(
  sorted: readonly Entry[],
  include: readonly Glob[],
  exclude: readonly Glob[],
  mounts: ReadonlySet<BytePath>,
): { entries: Entry[]; matched: Set<string>; skippedMounts: BytePath[] } {
  const entries: Entry[] = [];
  const matched = new Set<string>();
  const skippedMounts: BytePath[] = [];
  const ancestors: Ancestor[] = [];
  for (const entry of sorted) {
    let parent = ancestors.at(-1);
    while (parent !== undefined && !isBelow(entry.path, parent.entry.path)) {
      ancestors.pop();
      parent = ancestors.at(-1);
    }
    const text = pathToText(entry.path);
    const isRoot = entry.path === '';
    const excluded =
      parent?.excluded === true || (!isRoot && exclude.some((glob) => glob.matches(text)));
    let included = false;
    if (!excluded && !isRoot) {
      for (const glob of include) {
        if (!glob.matches(text)) continue;
        included = true;
        matched.add(glob.source);
      }
      included ||= parent?.included === true;
    }
    if (included) {
      for (const ancestor of ancestors) {
        if (!ancestor.emitted) entries.push(ancestor.entry);
        ancestor.emitted = true;
      }
      entries.push(entry);
    } else if (isRoot) {
      entries.push(entry);
    }
    if (!excluded && mounts.has(entry.path)) {
      const wanted = included || include.some((glob) => glob.mayMatchBelow(text));
      if (wanted) skippedMounts.push(entry.path);
    }
    if (entry.type === 'directory') {
      ancestors.push({ entry, included, excluded, emitted: included || isRoot });
    }
  }
  return { entries, matched, skippedMounts };
}

function isBelow(path: BytePath, directory: BytePath): boolean {
  return directory === '' ? path !== '' : path.startsWith(`${directory}/`);
}

/** Paths of what differs between two scans of one tree, at most `limit` of them, and how many in all. */
export function changedBetween(
  before: readonly Entry[],
  after: readonly Entry[],
  limit = 1000,
): { names: string[]; count: number } {
  const names: string[] = [];
  let count = 0;
  const note = (path: BytePath): void => {
    count += 1;
    if (names.length < limit) names.push(path === '' ? '.' : pathToName(path));
  };
  let left = 0;
  let right = 0;
  while (left < before.length || right < after.length) {
    const old = before[left];
    const now = after[right];
    const order = old === undefined ? 1 : now === undefined ? -1 : comparePaths(old.path, now.path);
    if (old !== undefined && order < 0) {
      note(old.path);
      left += 1;
    } else if (now !== undefined && order > 0) {
      note(now.path);
      right += 1;
    } else if (old !== undefined && now !== undefined) {
      if (!isSameState(old, now)) note(now.path);
      left += 1;
      right += 1;
    }
  }
  return { names, count };
}
