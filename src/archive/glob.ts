/**
 * Globs relative to a tree's root: `*` and `?` within a name, `**` over any number of directories,
 * `[abc]`, `[!a-z]`, `{a,b}`, and `\` before a character meant as itself. A pattern that matches a
 * directory means all below it; names that begin with a dot are names like any other.
 *
 * Written here rather than taken from a library for two reasons: a name may hold a newline or bytes
 * that are not UTF-8, and a walk must know the fixed beginning of a pattern to leave the rest of a
 * large disk unread.
 */
import { HoldfastError } from '../errors.js';

export interface Glob {
  readonly source: string;
  /** Does the pattern match this path itself? (`a/**` matches what is below `a`, not `a`.) */
  readonly matches: (text: string) => boolean;
  /** The names before the first wildcard, unescaped: nothing outside of them can match. */
  readonly fixedPrefix: string;
  /** The pattern has no wildcard: `fixedPrefix` is the one path it names. */
  readonly literal: boolean;
}

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
  const segments = plain.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.includes('..')) throw invalid(source, 'must stay below its base directory ("..")');
  if (segments.length === 0) return compilePlain('**', source);
  const fixed: string[] = [];
  for (const segment of segments) {
    const name = literalSegment(segment);
    if (name === undefined) break;
    fixed.push(name);
  }
  const expression = new RegExp(`^${segmentsToRegExp(segments, source)}$`, 'su');
  return {
    source,
    matches: (text) => expression.test(text),
    fixedPrefix: fixed.join('/'),
    literal: fixed.length === segments.length,
  };
}

function segmentsToRegExp(segments: readonly string[], source: string): string {
  let result = '';
  segments.forEach((segment, index) => {
    const last = index === segments.length - 1;
    if (segment === '**') result += last ? '.+' : '(?:[^/]+/)*';
    else result += segmentToRegExp(segment, source) + (last ? '' : '/');
  });
  return result;
}

function segmentToRegExp(segment: string, source: string): string {
  const characters = Array.from(segment);
  let result = '';
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at] ?? '';
    if (character === '*') {
      while (characters[at + 1] === '*') at += 1;
      result += '[^/]*';
    } else if (character === '?') {
      result += '[^/]';
    } else if (character === '[') {
      const end = endOfClass(characters, at);
      if (end === -1) throw invalid(source, 'has a "[" that is not closed');
      result += classToRegExp(characters.slice(at + 1, end));
      at = end;
    } else if (character === '\\' && at + 1 < characters.length) {
      at += 1;
      result += escapeRegExp(characters[at] ?? '');
    } else {
      result += escapeRegExp(character);
    }
  }
  return result;
}

function endOfClass(characters: readonly string[], start: number): number {
  // "]" right after the opening bracket (or its negation) is a member of the class.
  let at = start + 1;
  if (characters[at] === '!' || characters[at] === '^') at += 1;
  return characters.indexOf(']', at + 1);
}

function classToRegExp(members: readonly string[]): string {
  const negated = members[0] === '!' || members[0] === '^';
  const body = (negated ? members.slice(1) : members)
    .map((member) => (member === '-' ? '-' : /[\\\]^[]/.test(member) ? `\\${member}` : member))
    .join('');
  // A slash never matches a class, whatever it lists.
  return negated ? `[^/${body}]` : `(?!/)[${body}]`;
}

function literalSegment(segment: string): string | undefined {
  let result = '';
  for (let at = 0; at < segment.length; at += 1) {
    const character = segment.charAt(at);
    if (character === '*' || character === '?' || character === '[') return undefined;
    if (character === '\\' && at + 1 < segment.length) {
      at += 1;
      result += segment.charAt(at);
    } else result += character;
  }
  return result;
}

/** `a{b,c}d` → `abd`, `acd`; nested braces too. Braces without a comma are plain characters. */
function expandBraces(pattern: string): readonly string[] {
  let depth = 0;
  let open = -1;
  const cuts: number[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern.charAt(at);
    if (character === '\\') at += 1;
    else if (character === '{') {
      if (depth === 0) open = at;
      depth += 1;
    } else if (character === ',' && depth === 1) cuts.push(at);
    else if (character === '}' && depth > 0) {
      depth -= 1;
      if (depth > 0) continue;
      if (cuts.length === 0) continue;
      const bounds = [open, ...cuts, at];
      const before = pattern.slice(0, open);
      const after = pattern.slice(at + 1);
      return bounds
        .slice(0, -1)
        .flatMap((bound, index) =>
          expandBraces(before + pattern.slice(bound + 1, bounds[index + 1]) + after),
        );
    }
  }
  return [pattern];
}

function escapeRegExp(character: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}

function invalid(pattern: string, problem: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `the pattern "${pattern}" ${problem}`, {
    facts: { pattern },
  });
}
