/** Where a command writes: standard output or error, and what the receiver can show. */
import type { WriteStream } from 'node:tty';

export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Characters in a line now; where there is no terminal, more than any line has: nothing is cut. */
  columns(): number;
  rows(): number;
  /** Has the reader gone away? What is written then goes nowhere. */
  isGone?(): boolean;
  /** The stream itself, for a line editor. */
  readonly stream: NodeJS.WritableStream;
}

/** Of help, which is prose, where there is no terminal; and of a terminal that tells no width. */
export const DEFAULT_COLUMNS = 80;
/** A file or a program reads it: cutting would lose what it looks for. */
const UNCUT_COLUMNS = 100_000;
const DEFAULT_ROWS = 24;

/** Wraps a stream of the process. A reader that went away (`holdfast list | head`) is no error. */
export function streamOutput(
  stream: WriteStream | (NodeJS.WritableStream & { readonly isTTY?: boolean }),
): Output {
  let gone = false;
  stream.on('error', () => {
    gone = true;
  });
  return {
    write: (text) => {
      if (!gone) stream.write(text);
    },
    isGone: () => gone,
    stream,
    isTerminal: stream.isTTY === true,
    columns: () =>
      stream.isTTY === true ? (sizeOf(stream, 'columns') ?? DEFAULT_COLUMNS) : UNCUT_COLUMNS,
    rows: () => sizeOf(stream, 'rows') ?? DEFAULT_ROWS,
  };
}

function sizeOf(stream: object, side: 'columns' | 'rows'): number | undefined {
  const value: unknown = Reflect.get(stream, side);
  return typeof value === 'number' && value > 0 ? value : undefined;
}
