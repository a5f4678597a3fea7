/** Plain tables: columns two spaces apart, one of which may give way when the terminal is narrow. */
import { displayWidth, padEnd, padStart, truncate } from './text.js';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'left' | 'right';
  /** This column is cut when the table is too wide. The first such column gives way first. */
  readonly shrinks?: boolean;
}

const GAP = '  ';
const LEAST_WIDTH = 6;

export interface TableOptions {
  readonly columns: number;
  readonly ellipsis?: string;
  /** How the header line is painted. */
  readonly header?: (text: string) => string;
}

/** Width the table takes when nothing is cut. */
export function naturalWidth<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): number {
  return sum(widthsOf(columns, rows)) + GAP.length * Math.max(0, columns.length - 1);
}

/** The table's lines, header first, without trailing spaces. */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  options: TableOptions,
): string[] {
  const widths = fit(columns, widthsOf(columns, rows), options.columns);
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        const shown = truncate(cell, width, options.ellipsis);
        return columns[index]?.align === 'right' ? padStart(shown, width) : padEnd(shown, width);
      })
      .join(GAP)
      .trimEnd();
  const paint = options.header ?? ((text: string) => text);
  return [
    paint(line(columns.map(({ title }) => title))),
    ...rows.map((row) => line(columns.map(({ cell }) => cell(row)))),
  ];
}

function widthsOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): number[] {
  return columns.map(({ title, cell }) =>
    Math.max(displayWidth(title), ...rows.map((row) => displayWidth(cell(row)))),
  );
}

function fit<Row>(
  columns: readonly Column<Row>[],
  widths: readonly number[],
  available: number,
): number[] {
  const fitted = [...widths];
  let excess = sum(fitted) + GAP.length * (columns.length - 1) - available;
  for (const [index, { shrinks }] of columns.entries()) {
    if (excess <= 0) break;
    if (shrinks !== true) continue;
    const now = fitted[index] ?? 0;
    const next = Math.max(Math.min(LEAST_WIDTH, now), now - excess);
    fitted[index] = next;
    excess -= now - next;
  }
  return fitted;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
