/**
 * Which directories stand before the paths of an archive that another program made. `tar czf x /data`
 * keeps `data/`, a tar of absolute names keeps all of them without the first slash, `tar -C` keeps
 * nothing. It is told from the names alone, and where they allow two readings nothing is guessed.
 */
import { HoldfastError } from '../base/errors.js';
import { normalize } from '../tar/hostile.js';
import { PathSelector } from '../glob/path-selector.js';
import { pathFromText, pathToName, pathToText, type BytePath } from '../base/files/byte-paths.js';
import { pathBelow } from '../tree/unpack/foreign.js';

export interface StripTarget {
  readonly kind: 'files' | 'volume';
  /** files: the absolute base directory · volume: the volume's name. */
  readonly target: string;
  /** Globs below it; exactly `**` for all of it. */
  readonly include: readonly string[];
}

/** How many different first names are told apart; more say no more than two. */
const ENOUGH_NAMES = 3;
/** Where the old script mounted a volume it read. */
const VOLUME_MOUNT = 'data';

interface Candidate {
  readonly prefix: BytePath;
  readonly selector: PathSelector;
  inside: number;
  outside: number;
}

export interface StripDecision {
  readonly prefix: string;
  /** Entries, directories aside, that the source's configuration does not include. */
  readonly outside: number;
}

export class StripPrefixFinder {
  readonly #target: StripTarget;
  readonly #whole: boolean;
  readonly #topNames = new Set<BytePath>();
  #candidates: Candidate[] = [];
  /** What the paths of all members begin with, directory by directory. */
  #common: readonly BytePath[] | undefined;
  #hasRoot = false;
  #members = 0;

  constructor(target: StripTarget) {
    this.#target = target;
    this.#whole = target.include.length === 1 && target.include[0] === '**';
  }

  /** Takes each member's name in turn. */
  push(name: BytePath, isDirectory: boolean): void {
    const path = normalize(name);
    if (path === '') {
      this.#hasRoot = true;
      return;
    }
    this.#members += 1;
    const parts = path.split('/');
    // What is not a directory can't be stripped off.
    const directories = isDirectory ? parts : parts.slice(0, -1);
    if (this.#common === undefined) {
      this.#common = directories;
      this.#candidates = ['', ...this.#prefixesOf(directories)].map((prefix) => ({
        prefix,
        selector: new PathSelector(this.#target.include),
        inside: 0,
        outside: 0,
      }));
    } else {
      this.#common = shared(this.#common, directories);
    }
    if (this.#topNames.size < ENOUGH_NAMES) this.#topNames.add(parts[0] ?? '');
    if (this.#whole) return;
    for (const candidate of this.#candidates) {
      const below = pathBelow(path, candidate.prefix);
      if (below === undefined || below === '') continue;
      if (candidate.selector.selects(below)) candidate.inside += 1;
      else if (!isDirectory) candidate.outside += 1;
    }
  }

  /**
   * What to take off the names.
   * @throws HoldfastError RESTORE_FAILED when the names do not tell, or nothing fits the source
   */
  decide(): StripDecision {
    const common = (this.#common ?? []).join('/');
    const applies = (prefix: BytePath): boolean =>
      prefix !== '' && (common === prefix || common.startsWith(`${prefix}/`));
    const fits = (candidate: Candidate): boolean => this.#whole || candidate.inside > 0;
    const found = this.#candidates.filter((each) => applies(each.prefix) && fits(each));
    const [first] = found;
    const bare = this.#candidates.find(({ prefix }) => prefix === '');
    if (this.#members === 0) return { prefix: '', outside: 0 };
    if (bare !== undefined && this.#hasRoot && fits(bare)) {
      // A volume's own root is what is archived as `.`; the parent of a directory may be as well.
      if (first === undefined || this.#target.kind === 'volume') return decision(bare);
      throw undecided(
        `all of it lies in "${pathToName(first.prefix)}", which may be the directory itself or one in it`,
        this.#target,
      );
    }
    if (first !== undefined) return decision(first);
    const severalNames = this.#topNames.size > 1;
    if (bare !== undefined && fits(bare) && (!this.#whole || severalNames)) return decision(bare);
    const begins = [...this.#topNames].map(pathToName).join(', ');
    throw undecided(
      this.#whole
        ? `its names begin with "${pathToName(common)}", which is neither that place nor below it for sure`
        : `nothing in it (${begins}) is what the source includes`,
      this.#target,
    );
  }

  /** Leading directories of a path that may be the source's own place, the likeliest first. */
  #prefixesOf(directories: readonly BytePath[]): BytePath[] {
    const leading = directories.map((_, index) => directories.slice(0, index + 1).join('/'));
    const { kind, target } = this.#target;
    if (kind === 'volume') {
      const name = pathFromText(target);
      const engines = leading.filter(
        (prefix) => prefix === '_data' || `/${prefix}`.endsWith(`/${name}/_data`),
      );
      return leading
        .filter((prefix): boolean => prefix === VOLUME_MOUNT)
        .concat(
          engines,
          leading.filter((prefix) => prefix === name),
        );
    }
    const base = normalize(pathFromText(target));
    const last = base.split('/').at(-1) ?? '';
    if (last === '') return [];
    const named = leading.filter((prefix) => prefix.split('/').at(-1) === last);
    // As it is called here: all of its path, or the end of it. Else a place of the same name elsewhere.
    const same = named.filter((prefix) => base === prefix || base.endsWith(`/${prefix}`)).reverse();
    return [...same, ...named.filter((prefix) => !same.includes(prefix))];
  }
}

function decision({ prefix, outside }: Candidate): StripDecision {
  return { prefix: pathToText(prefix), outside };
}

function shared(left: readonly BytePath[], right: readonly BytePath[]): readonly BytePath[] {
  let length = 0;
  while (length < left.length && left[length] === right[length]) length += 1;
  return length === left.length ? left : left.slice(0, length);
}

function undecided(reason: string, { kind, target }: StripTarget): HoldfastError {
  const place = kind === 'volume' ? `the volume ${target}` : target;
  return new HoldfastError(
    'RESTORE_FAILED',
    `where its paths belong in ${place} can't be told: ${reason}`,
    {
      facts: { target, reason },
      hint: 'look at it with `tar tzf`; unpack it by hand, or correct base and include of the source',
    },
  );
}
