/** Which entries of a tree count: globs and mount points, decided while the sorted entries pass. */
import type { Entry, TreeSpec } from '../index/entry.js';
import { compileGlobs, type Glob } from '../../glob/glob.js';
import { pathFromText, pathToText, type BytePath } from '../../base/files/byte-paths.js';

export interface Globs {
  readonly include: readonly Glob[];
  readonly exclude: readonly Glob[];
}

export function globsOf(spec: TreeSpec): Globs {
  return { include: compileGlobs(spec.include), exclude: compileGlobs(spec.exclude) };
}

interface Ancestor {
  readonly entry: Entry;
  readonly included: boolean;
  readonly excluded: boolean;
  emitted: boolean;
}

/** Bytes of a path below the root, which tar is given with `./` before it: PATH_MAX of Linux. */
const LONGEST_PATH = 4093;

/** Takes the entries in the order of a depth-first walk and passes on those that count. */
export class Selector {
  /** Directories where another file system is mounted that was not entered. */
  readonly skippedMounts: BytePath[] = [];
  /** Sockets are left out, as GNU tar does: they mean nothing without their process. */
  skippedSockets = 0;
  /** Entries that no program can open by their path: how many, and the first of them. */
  readonly tooLong: { count: number; first?: BytePath } = { count: 0 };
  readonly #matched = new Set<string>();
  readonly #ancestors: Ancestor[] = [];

  /** @param emit is given each entry that counts, directories before what is in them */
  constructor(
    readonly spec: TreeSpec,
    readonly globs: Globs,
    readonly emit: (entry: Entry) => void,
  ) {}

  /** Includes that matched nothing so far. */
  get unmatchedIncludes(): readonly string[] {
    return this.spec.include.filter((pattern) => !this.#matched.has(pattern));
  }

  push(entry: Entry): void {
    const ancestors = this.#ancestors;
    let parent = ancestors.at(-1);
    while (parent !== undefined && !isBelow(entry.path, parent.entry.path)) {
      ancestors.pop();
      parent = ancestors.at(-1);
    }
    const isRoot = entry.path === '';
    const text = pathToText(entry.path);
    const excluded =
      parent?.excluded === true ||
      (!isRoot && this.globs.exclude.some((glob) => glob.matches(text)));
    const included = !excluded && !isRoot && this.#includes(text, parent);
    if (included) {
      for (const ancestor of ancestors) {
        if (!ancestor.emitted) this.emit(ancestor.entry);
        ancestor.emitted = true;
      }
      if (entry.type === 'socket') this.skippedSockets += 1;
      else if (entry.path.length > LONGEST_PATH) {
        this.tooLong.count += 1;
        this.tooLong.first ??= entry.path;
      } else this.emit(entry);
    } else if (isRoot) {
      this.emit(entry);
    }
    if (entry.type !== 'directory') return;
    if (!excluded && this.#isUnenteredMount(entry, parent)) {
      const wanted = included || this.globs.include.some((glob) => glob.mayMatchBelow(text));
      if (wanted) this.skippedMounts.push(entry.path);
    }
    ancestors.push({ entry, included, excluded, emitted: included || isRoot });
  }

  #includes(text: string, parent: Ancestor | undefined): boolean {
    let included = parent?.included === true;
    for (const glob of this.globs.include) {
      // What is in an included directory is asked only of patterns that are still to be matched.
      if (included && this.#matched.has(glob.source)) continue;
      if (!glob.matches(text)) continue;
      included = true;
      this.#matched.add(glob.source);
    }
    return included;
  }

  #isUnenteredMount(entry: Entry, parent: Ancestor | undefined): boolean {
    return (
      this.spec.oneFileSystem &&
      parent !== undefined &&
      (parent.entry.device !== entry.device || this.spec.mounts?.includes(entry.path) === true) &&
      !isNamed(entry.path, this.globs.include)
    );
  }
}

/** An include that names a mount point, or something below it, means it – as an argument of tar would. */
export function isNamed(path: BytePath, include: readonly Glob[]): boolean {
  return include.some(({ fixedPrefix }) => {
    const prefix = pathFromText(fixedPrefix);
    return prefix === path || prefix.startsWith(`${path}/`);
  });
}

function isBelow(path: BytePath, directory: BytePath): boolean {
  return directory === '' ? path !== '' : path.startsWith(`${directory}/`);
}
