/** A report as text: a table for the terminal, the same one for the documentation. */
import { formatBytes } from '../src/base/words.js';
import type { Report } from './report.js';
import { spread, summarise, type Row, type Spread } from './summary.js';
import { judge } from './targets.js';

const HEADER = [
  'time',
  'min–max',
  '× restic',
  '× borg',
  'then flush',
  'CPU',
  'memory',
  'stored',
] as const;

export function renderForTerminal(report: Report): string {
  const rows = summarise(report);
  const lines: string[] = [];
  const cells = rows.map((row) => [`  ${row.label}`, ...columns(row)]);
  const widths = columnWidths([['', ...HEADER], ...cells]);
  rows.forEach((row, index) => {
    if (row.scenario !== rows[index - 1]?.scenario) {
      lines.push('', row.title);
      if (index === 0) lines.push(aligned(['', ...HEADER], widths));
    }
    lines.push(aligned(cells[index]!, widths));
  });
  lines.push('', ...notes(report, rows), '');
  for (const { target, measured, met } of judge(rows)) {
    const mark = met === undefined ? '·' : met ? '✔' : '✖';
    lines.push(`  ${mark} ${target}: ${measured ?? 'not measured'}`);
  }
  for (const { scenario, tool, round, message } of report.failures) {
    lines.push(`  ✖ ${tool} failed in round ${round} at ${scenario}: ${message}`);
  }
  return `${lines.join('\n').trimStart()}\n`;
}

export function renderForDocs(report: Report): string {
  const rows = summarise(report);
  const table = markdownTable(
    ['', 'tool', ...HEADER],
    rows.map((row, index) => [
      row.scenario === rows[index - 1]?.scenario ? '' : row.title,
      row.label,
      ...columns(row),
    ]),
  );
  const verdicts = markdownTable(
    ['target', 'measured', ''],
    judge(rows).map(({ target, measured, met }) => [
      target,
      measured ?? 'not measured',
      met === undefined ? '' : met ? 'met' : 'missed',
    ]),
  );
  return [
    describeRun(report),
    '',
    table,
    '',
    ...notes(report, rows).map((note) => `- ${note}`),
    '',
    verdicts,
  ].join('\n');
}

function describeRun({ host, settings, startedAt }: Report): string {
  return (
    `Measured on ${startedAt.slice(0, 10)}: ${host.processors} × ${host.processor}, ` +
    `${formatBytes(host.memoryBytes)} of memory, ${host.fileSystem}, ${host.system}, ` +
    `Linux ${host.kernel}; ${settings.rounds} rounds, ` +
    `${settings.cold ? 'file cache dropped before each command' : 'files in the cache'}.`
  );
}

function columns(row: Row): string[] {
  return [
    `${seconds(row.seconds.median)} s`,
    row.seconds.count === 1
      ? 'one round'
      : `${seconds(row.seconds.min)}–${seconds(row.seconds.max)}`,
    ratio(row.tool === 'restic' ? undefined : row.toRestic),
    ratio(row.tool === 'borg' ? undefined : row.toBorg),
    `${seconds(row.flushSeconds)} s`,
    `${seconds(row.cpuSeconds)} s`,
    // Nothing is seen of what ends before it is looked at.
    row.peakBytes === 0 ? '–' : formatBytes(row.peakBytes),
    row.addedBytes === undefined ? '–' : signedBytes(row.addedBytes),
  ];
}

/** With its own spread where there is more than one round: it is what the noise does to the verdict. */
function ratio(value: Spread | undefined): string {
  if (value === undefined) return '–';
  const median = value.median.toFixed(2);
  if (value.count === 1) return median;
  return `${median} (${value.min.toFixed(2)}–${value.max.toFixed(2)})`;
}

function seconds(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1);
}

function signedBytes(bytes: number): string {
  return bytes < 0 ? `-${formatBytes(-bytes)}` : formatBytes(bytes);
}

function notes(report: Report, rows: readonly Row[]): string[] {
  const trees = report.trees.map(({ kind, files, bytes }) =>
    kind === 'mixed'
      ? `Mixed tree: ${files} files, ${formatBytes(bytes)}.`
      : `Tree of tiny files: ${files} files, ${formatBytes(bytes)}.`,
  );
  const tools = report.tools.map(({ label, version, how }) => `${label} (${version}): ${how}.`);
  const start = spread(rows.flatMap(({ startSeconds }) => startSeconds ?? []))?.median;
  return [
    ...trees,
    ...tools,
    ...(start === undefined
      ? []
      : [`Of each time of Holdfast, ${seconds(start)} s are the start of its process.`]),
    'Time: the median of the rounds. Ratio: the median of the ratios within each round, with the lowest and the highest.',
    'Then flush: what it took afterwards until all of it was on disk; not in the time.',
    `Memory: the most that all its processes had resident together${report.settings.memoryKind === 'rss' ? ', shared pages counted once a process' : ''}.`,
    'Stored: bytes the repository grew by.',
  ];
}

function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const count = Math.max(...rows.map((row) => row.length));
  return Array.from({ length: count }, (_, column) =>
    Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)),
  );
}

function aligned(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    })
    .join('  ')
    .trimEnd();
}

/** Padded as the formatter would pad it. */
function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columnWidths([header, ...rows]);
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join(
    '\n',
  );
}
