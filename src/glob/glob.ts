/**
 * Globs relative to a tree's root: `*` and `?` within a name, `**` over any number of directories,
 * `[abc]`, `[!a-z]`, `{a,b}`, and `\` before a character meant as itself. A pattern that matches a
 * directory means all below it; names that begin with a dot are names like any other.
 *
 * Written here rather than taken from a library for three reasons: a name may hold a newline or bytes
 * that are not UTF-8; a walk must know the fixed beginning of a pattern to leave the rest of a large
 * disk unread; and no pattern may take more than names × pattern steps, as regular expressions can.
 */
import { HoldfastError } from '../base/errors.js';
import { expandBraces } from './glob-braces.js';
import { matchesSequence, parseName, type NamePattern } from './glob-name.js';

export interface Glob {
  /** The pattern as configured. */
  readonly source: string;
  /** Does the pattern match this path itself? (`a/**` matches what is below `a`, not `a`.) */
  readonly matches: (text: string) => boolean;
  /** Could something below this directory match, which itself need not? */
  readonly mayMatchBelow: (directory: string) => boolean;
  /** The names before the first wildcard, unescaped: nothing outside of them can match. */
  readonly fixedPrefix: string;
  /** The pattern has no wildcard: `fixedPrefix` is the one path it names. */
  readonly literal: boolean;
}

/** A name of the path, or any number of them. */
type Segment = NamePattern | 'directories';

/**
 * Compiles one pattern; braces may make several of it.
 * @throws HoldfastError CONFIG_INVALID for a pattern that leaves the root or is not closed.
 */
export function compileGlob(pattern: string): readonly Glob[] {
  return expandBraces(pattern).map((plain) => compilePlain(plain, pattern));
}

export function compileGlobs(patterns: readonly string[]): readonly Glob[] {
  return patterns.flatMap((pattern) => compileGlob(pattern));
}

function compilePlain(plain: string, source: string): Glob {
  const names = plain.split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..')) throw invalid(source, 'must stay below its base directory ("..")');
  // At the end `**` means at least one name: everything in a directory, but not the directory.
  if (names.length === 0 || names.at(-1) === '**') names.splice(-1, 1, '**', '*');
  const segments = names.map((name): Segment => {
    if (name === '**') return 'directories';
    const parsed = parseName(name);
    if (parsed === undefined) throw invalid(source, 'has a "[" that is not closed');
    return parsed;
  });
  const fixed: string[] = [];
  for (const segment of segments) {
    if (segment === 'directories' || segment.literal === undefined) break;
    fixed.push(segment.literal);
  }
  return {
    source,
    matches: (text) =>
      matchesSequence(segments, text.split('/'), isDirectories, (segment, name) =>
        matchesName(segment, name),
      ),
    mayMatchBelow: (directory) => mayMatchBelow(segments, directory),
    fixedPrefix: fixed.join('/'),
    literal: fixed.length === segments.length,
  };
}

function isDirectories(segment: Segment): boolean {
  return segment === 'directories';
}

function matchesName(segment: Segment, name: string): boolean {
  return segment !== 'directories' && segment.matches(name);
}

function mayMatchBelow(segments: readonly Segment[], directory: string): boolean {
  const names = directory === '' ? [] : directory.split('/');
  for (const [index, name] of names.entries()) {
    const segment = segments[index];
    if (segment === 'directories') return true;
    if (segment === undefined || !segment.matches(name)) return false;
  }
  return segments.length > names.length;
}

function invalid(pattern: string, problem: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `the pattern "${pattern}" ${problem}`, {
    facts: { pattern },
  });
}
