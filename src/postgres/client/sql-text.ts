/**
 * Reads SQL scripts as pg_dump and pg_dumpall write them, line by line, knowing which lines are
 * statements and which are the inside of a string, a function body or COPY data. Only on a statement
 * line does `CREATE ROLE`, `\connect` or `\restrict` mean what it says.
 */

type Inside =
  | { readonly kind: 'nothing' }
  /** `'…'`; escapes: backslash is one, as in E'…' */
  | { readonly kind: 'string'; readonly escapes: boolean }
  | { readonly kind: 'identifier' }
  | { readonly kind: 'dollar'; readonly tag: string }
  | { readonly kind: 'comment'; readonly depth: number };

const NOTHING: Inside = { kind: 'nothing' };

/** Follows quoting across lines. Lines are latin1: all that counts here is ASCII in every encoding of a server. */
export class SqlQuoting {
  #inside: Inside = NOTHING;

  /** Is the next line's first character outside of every quote and comment? */
  get atStatementLevel(): boolean {
    return this.#inside.kind === 'nothing';
  }

  /** Takes one line, without its newline. */
  push(line: string): void {
    let at = 0;
    while (at < line.length) at = this.#step(line, at);
  }

  #step(line: string, at: number): number {
    const inside = this.#inside;
    switch (inside.kind) {
      case 'nothing':
        return this.#open(line, at);
      case 'string': {
        if (inside.escapes && line[at] === '\\') return at + 2;
        if (line[at] === "'") this.#inside = NOTHING; // '' opens again at once: the same in effect
        return at + 1;
      }
      case 'identifier': {
        const end = line.indexOf('"', at);
        if (end === -1) return line.length;
        this.#inside = NOTHING;
        return end + 1;
      }
      case 'dollar': {
        const end = line.indexOf(inside.tag, at);
        if (end === -1) return line.length;
        this.#inside = NOTHING;
        return end + inside.tag.length;
      }
      case 'comment': {
        const pair = line.slice(at, at + 2);
        if (pair === '/*') this.#inside = { kind: 'comment', depth: inside.depth + 1 };
        else if (pair === '*/') {
          this.#inside =
            inside.depth === 1 ? NOTHING : { kind: 'comment', depth: inside.depth - 1 };
        } else return at + 1;
        return at + 2;
      }
    }
  }

  #open(line: string, at: number): number {
    const character = line[at];
    const before = at === 0 ? '' : (line[at - 1] ?? '');
    if (character === "'") {
      const escapes = /[eE]/.test(before) && !isWord(line[at - 2] ?? '');
      this.#inside = { kind: 'string', escapes };
    } else if (character === '"') {
      this.#inside = { kind: 'identifier' };
    } else if (character === '$' && !isWord(before)) {
      const tag = /^\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$/.exec(line.slice(at))?.[0];
      if (tag !== undefined) {
        this.#inside = { kind: 'dollar', tag };
        return at + tag.length;
      }
    } else if (character === '-' && line[at + 1] === '-') {
      return line.length;
    } else if (character === '/' && line[at + 1] === '*') {
      this.#inside = { kind: 'comment', depth: 1 };
      return at + 2;
    }
    return at + 1;
  }
}

function isWord(character: string): boolean {
  return /[\w\x80-\xff$]/.test(character);
}

/** An SQL identifier at the beginning of `text`, unquoted, and what follows it. */
export function readIdentifier(text: string): { name: string; rest: string } | undefined {
  const quoted = /^"((?:[^"]|"")*)"/.exec(text);
  if (quoted !== null) {
    return { name: (quoted[1] ?? '').replaceAll('""', '"'), rest: text.slice(quoted[0].length) };
  }
  const plain = /^[A-Za-z_\x80-\xff][\w\x80-\xff$]*/.exec(text);
  return plain === null ? undefined : { name: plain[0], rest: text.slice(plain[0].length) };
}

/** `"…"` around any name. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Text read as latin1 back to what it says in UTF-8. */
export function fromLatin1(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}

/** Text as the latin1 reading of its UTF-8 bytes. */
export function toLatin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The database a `\connect` line of pg_dump leads to, or undefined for another line. */
export function connectedDatabase(line: string): string | undefined {
  if (!line.startsWith('\\connect ')) return undefined;
  // Odd names: \connect -reuse-previous=on "dbname='it\'s'", quoted for SQL around quoted for libpq.
  const odd = /^\\connect -reuse-previous=on ("(?:[^"]|"")*")/.exec(line)?.[1];
  if (odd !== undefined) {
    const value = /^dbname='((?:[^'\\]|\\.)*)'$/.exec(readIdentifier(odd)?.name ?? '')?.[1];
    return value?.replace(/\\(.)/g, '$1');
  }
  return readIdentifier(line.slice('\\connect '.length))?.name;
}
