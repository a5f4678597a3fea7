/** Which entries of a tree a few globs name: those that match, and all below a directory that does. */
import { compileGlobs, type Glob } from './glob.js';
import { pathToText, type BytePath } from '../base/files/byte-paths.js';

/** How many directories' answers are remembered: a walk asks for few at a time, over and over. */
const REMEMBERED_DIRECTORIES = 10_000;

export class PathSelector {
  readonly #globs: readonly Glob[];
  readonly #matched = new Set<string>();
  readonly #directories = new Map<BytePath, boolean>();

  /** @throws HoldfastError CONFIG_INVALID for what is no pattern */
  constructor(readonly patterns: readonly string[]) {
    this.#globs = compileGlobs(patterns);
  }

  /** The root itself is never selected: it is above everything. */
  selects(path: BytePath): boolean {
    if (path === '') return false;
    const below = this.#directorySelected(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
    return this.#matches(path, below);
  }

  /** Patterns that nothing asked about so far has matched. */
  get unmatched(): readonly string[] {
    return this.patterns.filter((pattern) => !this.#matched.has(pattern));
  }

  #directorySelected(path: BytePath): boolean {
    if (path === '') return false;
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const selected = this.selects(path);
    if (this.#directories.size >= REMEMBERED_DIRECTORIES) this.#directories.clear();
    this.#directories.set(path, selected);
    return selected;
  }

  /** Looks on where something above matched already, for patterns that name what lies within it. */
  #matches(path: BytePath, below: boolean): boolean {
    let selected = below;
    let text: string | undefined;
    for (const glob of this.#globs) {
      if (selected && this.#matched.has(glob.source)) continue;
      text ??= pathToText(path);
      if (!glob.matches(text)) continue;
      selected = true;
      this.#matched.add(glob.source);
    }
    return selected;
  }
}
