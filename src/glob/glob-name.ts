/** One name of a glob: literal characters, `?`, `*` and classes. */

export interface NamePattern {
  readonly matches: (name: string) => boolean;
  /** The name itself, unescaped, where there is no wildcard in it. */
  readonly literal: string | undefined;
}

type Token =
  | { readonly type: 'character'; readonly character: string }
  | { readonly type: 'class'; readonly accepts: (character: string) => boolean }
  | { readonly type: 'any' }
  | { readonly type: 'many' };

/** @returns undefined for a class that is not closed */
export function parseName(text: string): NamePattern | undefined {
  // By code points, so that `?` is a character and not half of one.
  const characters = Array.from(text);
  const tokens: Token[] = [];
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at] ?? '';
    if (character === '*') {
      if (tokens.at(-1)?.type !== 'many') tokens.push({ type: 'many' });
    } else if (character === '?') {
      tokens.push({ type: 'any' });
    } else if (character === '[') {
      const end = endOfClass(characters, at);
      if (end === -1) return undefined;
      tokens.push({ type: 'class', accepts: parseClass(characters.slice(at + 1, end)) });
      at = end;
    } else if (character === '\\' && at + 1 < characters.length) {
      at += 1;
      tokens.push({ type: 'character', character: characters[at] ?? '' });
    } else {
      tokens.push({ type: 'character', character });
    }
  }
  const literal = literalOf(tokens);
  return {
    literal,
    matches:
      literal === undefined
        ? (name) =>
            matchesSequence(
              tokens,
              Array.from(name),
              (token) => token.type === 'many',
              matchesToken,
            )
        : (name) => name === literal,
  };
}

function literalOf(tokens: readonly Token[]): string | undefined {
  let text = '';
  for (const token of tokens) {
    if (token.type !== 'character') return undefined;
    text += token.character;
  }
  return text;
}

function matchesToken(token: Token, character: string): boolean {
  switch (token.type) {
    case 'character':
      return token.character === character;
    case 'class':
      return token.accepts(character);
    case 'any':
    case 'many':
      return true;
  }
}

function endOfClass(characters: readonly string[], start: number): number {
  // "]" right after the opening bracket (or its negation) is a member of the class.
  const first = characters[start + 1] === '!' || characters[start + 1] === '^' ? 2 : 1;
  for (let at = start + first + 1; at < characters.length; at += 1) {
    if (characters[at - 1] === '\\' && characters[at - 2] !== '\\') continue;
    if (characters[at] === ']') return at;
  }
  return -1;
}

function parseClass(body: readonly string[]): (character: string) => boolean {
  const negated = body[0] === '!' || body[0] === '^';
  const ranges: (readonly [number, number])[] = [];
  for (let at = negated ? 1 : 0; at < body.length; at += 1) {
    if (body[at] === '\\' && at + 1 < body.length) at += 1;
    const from = codeOf(body[at]);
    const isRange = body[at + 1] === '-' && at + 2 < body.length;
    ranges.push([from, isRange ? codeOf(body[at + 2]) : from]);
    if (isRange) at += 2;
  }
  return (character) => {
    const code = codeOf(character);
    return ranges.some(([from, to]) => code >= from && code <= to) !== negated;
  };
}

function codeOf(character: string | undefined): number {
  return character?.codePointAt(0) ?? -1;
}

/**
 * Matches a sequence of patterns, some of which stand for any number of items, against all items. It
 * goes back only to the last of those: that is enough, and bounds the work by patterns × items.
 */
export function matchesSequence<Pattern, Item>(
  patterns: readonly Pattern[],
  items: readonly Item[],
  isMany: (pattern: Pattern) => boolean,
  matchesOne: (pattern: Pattern, item: Item) => boolean,
): boolean {
  let at = 0;
  let item = 0;
  let lastMany = -1;
  let resumeItem = 0;
  for (;;) {
    const pattern = patterns[at];
    const current = items[item];
    if (pattern !== undefined && isMany(pattern)) {
      lastMany = at;
      resumeItem = item;
      at += 1;
    } else if (pattern !== undefined && current !== undefined && matchesOne(pattern, current)) {
      at += 1;
      item += 1;
    } else if (pattern === undefined && current === undefined) {
      return true;
    } else {
      // Let the last "many" take one item more.
      if (lastMany === -1 || resumeItem >= items.length) return false;
      resumeItem += 1;
      item = resumeItem;
      at = lastMany + 1;
    }
  }
}
