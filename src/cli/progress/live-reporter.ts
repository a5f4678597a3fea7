/** On a terminal: a block redrawn in place, one line per step. */
import type { Output } from '../output/output.js';
import { LiveBlock } from '../render/live-block.js';
import { renderRow, rowName, summarize } from '../render/rows.js';
import { formatClock } from '../render/words.js';
import type { Style } from '../render/style.js';
import { displayWidth, oneLine, truncate } from '../render/text.js';
import type { Reporter, RunTitle } from './reporter-contract.js';
import type { RunPicture, StepRow } from './tracker.js';

/** Lines of the block that are not steps, and one for the cursor. */
const OTHER_LINES = 4;
const LEAST_ROWS = 3;
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

export class LiveReporter implements Reporter {
  readonly #block: LiveBlock;
  #title = '';
  #paused = false;
  #frame = 0;

  constructor(
    readonly output: Output,
    readonly style: Style,
    /** Does Ctrl-C ask what to do? */
    readonly asks: boolean,
  ) {
    this.#block = new LiveBlock(output);
  }

  begin(run: RunTitle): void {
    this.#title = run.title;
    this.output.write(`${this.style.paint('dim', run.workflowId)}\n`);
  }

  show(picture: RunPicture): void {
    if (this.#paused) return;
    this.#frame += 1;
    this.#block.draw(this.#lines(picture, false));
  }

  note(text: string): void {
    this.#block.writeAbove(`${this.style.paint('yellow', 'note:')} ${oneLine(text)}\n`);
  }

  pause(): void {
    this.#paused = true;
    this.#block.release();
  }

  resume(): void {
    this.#paused = false;
  }

  end(picture: RunPicture): void {
    this.#paused = false;
    this.#block.draw(this.#lines(picture, true));
    this.#block.release();
  }

  #lines(picture: RunPicture, over: boolean): string[] {
    const columns = Math.max(20, this.output.columns());
    const { style } = this;
    const nameWidth = Math.min(
      Math.max(8, ...picture.rows.map((row) => displayWidth(rowName(row)))),
      Math.floor(columns * 0.4),
    );
    const summary = summarize(picture);
    const hint = this.asks && !over ? 'Ctrl-C: cancel, detach or keep watching' : '';
    return [
      ...this.#header(picture, over),
      ...this.#visible(picture.rows).map((row) =>
        typeof row === 'string' ? row : renderRow(row, nameWidth, columns - 1, style),
      ),
      ...(summary === '' && hint === ''
        ? []
        : [style.paint('dim', [summary, hint].filter((part) => part !== '').join('   '))]),
    ].map((line) => truncate(line, columns - 1, style.ellipsis));
  }

  #header(picture: RunPicture, over: boolean): string[] {
    const { style } = this;
    const spin = over || !style.options.unicode ? '' : `${SPINNER[this.#frame % SPINNER.length]} `;
    const elapsed = formatClock(picture.elapsedMs);
    const head = `${spin}${style.paint('bold', this.#title)}  ${elapsed}  ${oneLine(picture.phase)}`;
    if (picture.waitingFor === undefined) return [head];
    return [head, style.paint('yellow', `  for ${oneLine(picture.waitingFor)} to finish`)];
  }

  /** All steps if they fit; else those that run or failed first, and a line that counts the rest. */
  #visible(rows: readonly StepRow[]): readonly (StepRow | string)[] {
    const room = Math.max(LEAST_ROWS, this.output.rows() - OTHER_LINES);
    if (rows.length <= room) return rows;
    const byInterest = [...rows].sort((left, right) => interest(left) - interest(right));
    const kept = new Set(byInterest.slice(0, room - 1));
    const shown = rows.filter((row) => kept.has(row));
    const rest = rows.filter((row) => !kept.has(row));
    const done = rest.filter(({ state }) => state === 'done').length;
    const counted = `${this.style.ellipsis} ${rest.length} more, ${done} of them done`;
    return [...shown, this.style.paint('dim', counted)];
  }
}

function interest({ state }: StepRow): number {
  switch (state) {
    case 'running':
      return 0;
    case 'failed':
      return 1;
    case 'pending':
      return 2;
    case 'done':
    case 'skipped':
      return 3;
  }
}
