/** A step of a run as one line of text. Pure. */
import { formatBytes } from '../../base/words.js';
import type { RunPicture, StepRow } from '../progress/tracker.js';
import type { Style } from './style.js';
import { displayWidth, oneLine, padEnd, truncate } from './text.js';
import { formatClock, formatCount, formatPercent, formatRate } from './words.js';

/** `pgdb/main`, or `host` for a step of no service. */
export function rowName(row: Pick<StepRow, 'service' | 'step'>): string {
  return row.service === '' ? row.step : `${row.service}/${row.step}`;
}

/**
 * What there is to tell about a row, most important first; a narrow terminal shows the beginning.
 * Pieces are plain text.
 */
export function rowPieces(row: StepRow): string[] {
  const elapsed = row.elapsedMs === undefined ? [] : [formatClock(row.elapsedMs)];
  const detail = row.detail === undefined ? [] : [oneLine(row.detail)];
  switch (row.state) {
    case 'pending':
      return detail;
    case 'running':
      return [...runningPieces(row), ...detail, ...elapsed];
    case 'done':
    case 'failed':
    case 'skipped':
      return [...(detail.length === 0 ? [row.state] : detail), ...elapsed];
  }
}

function runningPieces({ step, progress, retry }: StepRow): string[] {
  const pieces: string[] = [];
  if (retry !== undefined) {
    const reason = retry.reason === undefined ? '' : ` after: ${oneLine(retry.reason)}`;
    pieces.push(`try ${retry.attempt}${reason}`);
  }
  if (progress === undefined) return pieces;
  const { bytes, totalBytes, entries, bytesPerSecond, remainingMs } = progress;
  if (progress.phase !== '' && progress.phase !== step) pieces.push(progress.phase);
  if (totalBytes > 0) {
    const done = Math.min(bytes, totalBytes);
    pieces.push(
      `${formatBytes(done)} of ${formatBytes(totalBytes)}`,
      formatPercent(done, totalBytes),
    );
  } else if (bytes > 0) {
    pieces.push(formatBytes(bytes));
  } else if (entries > 0) {
    pieces.push(
      isWaiting(progress.phase)
        ? `attempt ${formatCount(entries)}`
        : `${formatCount(entries)} entries`,
    );
  }
  if (bytesPerSecond !== undefined) pieces.push(formatRate(bytesPerSecond));
  if (remainingMs !== undefined) pieces.push(`${formatClock(remainingMs)} left`);
  return pieces;
}

/** Phases that count how often was looked, not what was read. */
function isWaiting(phase: string): boolean {
  return phase === 'wait' || phase === 'health';
}

/** One line of the live block, no wider than the terminal. */
export function renderRow(row: StepRow, nameWidth: number, columns: number, style: Style): string {
  const head = `${style.mark(row.state)} ${padEnd(truncate(rowName(row), nameWidth, style.ellipsis), nameWidth)}`;
  const room = columns - displayWidth(head) - 2;
  const pieces = rowPieces(row);
  const fitting: string[] = [];
  let used = 0;
  for (const piece of pieces) {
    const gap = fitting.length === 0 ? 0 : 2;
    if (used + gap + displayWidth(piece) > room) break;
    fitting.push(piece);
    used += gap + displayWidth(piece);
  }
  // A reason that is too long is cut rather than left out.
  const [first] = pieces;
  const text =
    fitting.length === 0 && first !== undefined && room > 8
      ? truncate(first, room, style.ellipsis)
      : fitting.join('  ');
  if (text === '') return head.trimEnd();
  return `${head}  ${paintText(row, text, style)}`;
}

function paintText(row: StepRow, text: string, style: Style): string {
  switch (row.state) {
    case 'failed':
      return style.paint('red', text);
    case 'running':
      return row.retry === undefined ? text : style.paint('yellow', text);
    case 'pending':
    case 'done':
    case 'skipped':
      return style.paint('dim', text);
  }
}

/** `3 of 9 done, 45.2 GiB read, 310 MiB/s`: the run as a whole. */
export function summarize(picture: RunPicture): string {
  const { rows } = picture;
  if (rows.length === 0) return '';
  const done = rows.filter(({ state }) => state === 'done').length;
  const failed = rows.filter(({ state }) => state === 'failed').length;
  const rate = rows.reduce((sum, { progress }) => sum + (progress?.bytesPerSecond ?? 0), 0);
  return [
    `${done} of ${rows.length} steps done`,
    ...(failed === 0 ? [] : [`${failed} failed`]),
    ...(rate > 0 ? [formatRate(rate)] : []),
  ].join(', ');
}
