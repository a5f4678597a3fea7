/** As much of a terminal as the live block uses: a grid, a cursor, and a handful of sequences. */
import { PassThrough } from 'node:stream';
import type { Output } from '../../../src/cli/output/output.js';

export class FakeTerminal implements Output {
  readonly isTerminal = true;
  readonly stream = new PassThrough();
  cursorVisible = true;
  #columns: number;
  readonly #rows: number;
  #grid: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.#rows = rows;
  }

  columns(): number {
    return this.#columns;
  }

  rows(): number {
    return this.#rows;
  }

  /** Wraps longer lines anew, as terminals do; the cursor stays after the last line. */
  resize(columns: number): void {
    this.#columns = columns;
    this.#grid = this.#grid.flatMap((line) => {
      const parts: string[] = [];
      for (let at = 0; at < Math.max(1, line.trimEnd().length); at += columns) {
        parts.push(line.slice(at, at + columns));
      }
      return parts;
    });
    this.#row = this.#grid.length - 1;
  }

  write(text: string): void {
    // eslint-disable-next-line no-control-regex -- escape sequences are what is interpreted
    for (const token of text.match(/\u001b\[[0-9;?]*[A-Za-z]|[\s\S]/gu) ?? []) this.#token(token);
  }

  /** Lines with something on them. */
  screen(): string[] {
    return this.#grid.map((line) => line.trimEnd()).filter((line) => line !== '');
  }

  #token(token: string): void {
    switch (token) {
      case '\n':
        this.#row += 1;
        this.#column = 0;
        while (this.#grid.length <= this.#row) this.#grid.push('');
        return;
      case '\r':
        this.#column = 0;
        return;
      case '\u001b[K':
        this.#set(this.#line().slice(0, this.#column));
        return;
      case '\u001b[J':
        this.#set(this.#line().slice(0, this.#column));
        this.#grid.length = this.#row + 1;
        return;
      case '\u001b[?25l':
        this.cursorVisible = false;
        return;
      case '\u001b[?25h':
        this.cursorVisible = true;
        return;
      default:
        this.#other(token);
    }
  }

  #other(token: string): void {
    // eslint-disable-next-line no-control-regex -- escape sequences are what is interpreted
    const up = /^\u001b\[(\d+)A$/.exec(token);
    if (up !== null) {
      this.#row = Math.max(0, this.#row - Number(up[1]));
      return;
    }
    if (token.startsWith('\u001b')) return;
    if (this.#column >= this.#columns) this.#token('\n');
    const line = this.#line().padEnd(this.#column);
    this.#set(line.slice(0, this.#column) + token + line.slice(this.#column + 1));
    this.#column += 1;
  }

  #line(): string {
    return this.#grid[this.#row] ?? '';
  }

  #set(line: string): void {
    this.#grid[this.#row] = line;
  }
}
