/** A few lines at the bottom of the terminal that are drawn again and again in place. */
import type { Output } from '../output/output.js';
import { displayWidth } from './text.js';

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_LINE_END = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

export class LiveBlock {
  #drawn: readonly string[] = [];
  #hidden = false;
  /** Also when the process ends by an error nobody foresaw. */
  readonly #atExit = (): void => this.#showCursor();

  constructor(readonly output: Output) {}

  /** Replaces what was drawn before. Lines must not be wider than the terminal. */
  draw(lines: readonly string[]): void {
    this.#hideCursor();
    const body = lines.map((line) => `${line}${CLEAR_LINE_END}\n`).join('');
    this.output.write(`${this.#toTop()}${body}${CLEAR_BELOW}`);
    this.#drawn = lines;
  }

  /** Writes lines above the block, which must be drawn again afterwards. */
  writeAbove(text: string): void {
    this.output.write(`${this.#toTop()}${CLEAR_BELOW}${text}`);
    this.#drawn = [];
  }

  /** Leaves what is drawn where it is; the next draw begins below. */
  release(): void {
    this.#drawn = [];
    this.#showCursor();
  }

  /** Rows the drawn lines take now: a terminal made narrower has wrapped them. */
  #toTop(): string {
    const columns = Math.max(1, this.output.columns());
    const rows = this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / columns)),
      0,
    );
    return rows === 0 ? '\r' : `\u001b[${rows}A\r`;
  }

  #hideCursor(): void {
    if (this.#hidden) return;
    this.#hidden = true;
    process.on('exit', this.#atExit);
    this.output.write(HIDE_CURSOR);
  }

  #showCursor(): void {
    if (!this.#hidden) return;
    this.#hidden = false;
    process.off('exit', this.#atExit);
    this.output.write(SHOW_CURSOR);
  }
}
