/** Into a pipe or a file: a line when a step changes, and now and then how far it is. */
import { progressOf } from './merge.js';
import { formatDuration } from '../../base/words.js';
import { rowName, rowPieces } from '../render/rows.js';
import type { Style } from '../render/style.js';
import { oneLine } from '../render/text.js';
import type { Reporter, RunTitle } from './reporter-contract.js';
import type { RunPicture, StepRow } from './tracker.js';

const PROGRESS_EVERY_MS = 15_000;

export class LineReporter implements Reporter {
  readonly #states = new Map<string, StepRow['state']>();
  readonly #retries = new Map<string, number>();
  #phase: string | undefined;
  #lastProgressMs: number | undefined;
  #lastProgress = '';

  constructor(
    readonly writeLine: (line: string) => void,
    readonly style: Style,
  ) {}

  begin(run: RunTitle): void {
    this.writeLine(`${run.title}: ${run.workflowId}`);
  }

  show(picture: RunPicture, nowMs: number): void {
    this.#showPhase(picture);
    for (const row of picture.rows) this.#showChange(row);
    this.#lastProgressMs ??= nowMs;
    if (nowMs - this.#lastProgressMs < PROGRESS_EVERY_MS) return;
    this.#lastProgressMs = nowMs;
    const lines = picture.rows.filter(({ progress }) => progress !== undefined).map(describe);
    // Work that tells nothing new needs no new line.
    const text = lines.join('\n');
    if (text !== '' && text !== this.#lastProgress) this.writeLine(text);
    this.#lastProgress = text;
  }

  note(text: string): void {
    this.writeLine(`note: ${oneLine(text)}`);
  }

  pause(): void {
    // There is nobody to ask.
  }

  resume(): void {
    // There was nothing paused.
  }

  end(picture: RunPicture): void {
    for (const row of picture.rows) this.#showChange(row);
  }

  #showPhase({ phase, waitingFor }: RunPicture): void {
    const text =
      waitingFor === undefined ? oneLine(phase) : `waiting for ${oneLine(waitingFor)} to finish`;
    if (text === this.#phase) return;
    this.#phase = text;
    if (text !== 'starting') this.writeLine(waitingFor === undefined ? `phase: ${text}` : text);
  }

  #showChange(row: StepRow): void {
    const name = rowName(row);
    const before = this.#states.get(name);
    // What has ended has ended: a look that is older than the last, or work behind a step, says "running" again.
    if (before !== undefined && progressOf(row.state) < progressOf(before)) return;
    if (row.state !== before) {
      this.#states.set(name, row.state);
      if (row.state !== 'pending') this.writeLine(describe(row));
    } else if (row.retry !== undefined && row.retry.attempt !== this.#retries.get(name)) {
      this.#retries.set(name, row.retry.attempt);
      this.writeLine(describe(row));
    }
  }
}

/** `pgdb/main: done, 1.2 GiB → 300 MiB, 32s`. */
function describe(row: StepRow): string {
  const name = rowName(row);
  const pieces = rowPieces({ ...row, elapsedMs: undefined });
  switch (row.state) {
    case 'running':
      return `${name}: ${pieces.length === 0 ? 'started' : pieces.join(', ')}`;
    case 'done':
    case 'failed':
    case 'skipped': {
      const took = row.elapsedMs === undefined ? '' : ` (${formatDuration(row.elapsedMs)})`;
      const detail = row.detail === undefined ? '' : `: ${oneLine(row.detail)}`;
      return `${name}: ${row.state}${detail}${took}`;
    }
    case 'pending':
      return `${name}: pending`;
  }
}
