import type { DrillResult } from '../../../format/drill-result.js';
import { nameUncovered } from '../../../plan/backup/uncovered.js';
import { formatBytes, formatDuration, count } from '../../../base/words.js';
import { describeLack } from '../../../store/catalogue/inspect.js';
import type { Pin } from '../../../store/catalogue/pins.js';
import type { RecordedDamage } from '../../../store/verify/verification.js';
import type { ArtifactDetails } from '../../artifact-details.js';
import type { Style } from '../../render/style.js';
import { naturalWidth, renderTable, type Column } from '../../render/table.js';
import { oneLine, wrap } from '../../render/text.js';
import { formatAge, formatCount, formatTime } from '../../render/words.js';
import { describeDrill, renderDrill } from '../runs/drill-view.js';
import { renderProblem } from '../problem-view.js';
import { setName, type SetSummary, type StoreFacts } from './set-rows.js';
import { describeVerification } from '../runs/verify-view.js';

export interface ShownSet {
  readonly summary: SetSummary & StoreFacts;
  /** What verifications found of it. */
  readonly damage: readonly RecordedDamage[];
  readonly artifacts: readonly ArtifactDetails[];
  /** Newest first. */
  readonly drills: readonly DrillResult[];
  readonly root: string;
}

/** The whole page: the set, its artifacts, its problems, and how to restore it. */
export function renderSet(
  shown: ShownSet,
  columns: number,
  nowMs: number,
  style: Style,
): readonly string[] {
  const { summary, damage } = shown;
  const bad = new Set(damage.map(({ artifact }) => artifact));
  const lacking = new Set(summary.lacks.map(({ artifact }) => artifact));
  const artifacts = shown.artifacts.map((details) => ({
    ...details,
    damaged: bad.has(details.artifact.path),
    incomplete: lacking.has(details.artifact.path),
  }));
  return [
    ...heading(shown, nowMs, style),
    '',
    style.paint('bold', 'Artifacts'),
    ...(artifacts.length === 0 ? ['  none'] : artifactLines(artifacts, columns, nowMs, style)),
    ...lackLines(summary, columns, style),
    ...damageLines(shown, style),
    ...problemLines(summary, columns, style),
    ...uncoveredLines(summary, columns, style),
    ...renderDrill(shown.drills, nowMs, style),
    '',
    style.paint('bold', 'Restore it with'),
    `  holdfast restore ${setName(summary)} --dry-run`,
    `  holdfast restore ${setName(summary)}`,
  ];
}

function heading({ summary, root }: ShownSet, nowMs: number, style: Style): string[] {
  const { status, scope, pinned } = summary;
  const took = formatDuration(summary.durationMs);
  const lines: readonly (readonly [string, string])[] = [
    ['status', style.status(status, describeStatus(summary))],
    ...(summary.lacks.length === 0
      ? []
      : [['now', style.paint('red', 'not all there: see below')] as const]),
    ['stack', `${summary.stack} on ${summary.host}`],
    ['started', `${formatTime(summary.startedAt)}, took ${took}, ${formatAge(summary.ageMs)} ago`],
    ['services', `${scope === 'all' ? 'all: ' : ''}${summary.services.join(', ')}`],
    [
      'content',
      `${formatBytes(summary.contentBytes)} in ${formatCount(summary.entries)} entries, ` +
        `${formatBytes(summary.storedBytes)} stored`,
    ],
    [
      'disk',
      `${formatBytes(summary.sharedBytes)} shared with other sets, ` +
        `removing it frees ${formatBytes(summary.freedBytes)}`,
    ],
    ['verified', describeVerification(summary.verification, nowMs, style)],
    ['drilled', describeDrill(summary.drill, nowMs, style)],
    ...(pinned === null ? [] : [['pinned', describePin(pinned)] as const]),
    ['root', root],
    ['run', summary.workflowId],
  ];
  return [
    style.paint('bold', `Set ${summary.id} (${summary.tier})`),
    ...lines.map(([name, text]) => `  ${style.paint('dim', name.padEnd(8))}  ${text}`),
  ];
}

function describePin({ at, note }: Pin): string {
  const since = at === null ? [] : [formatTime(at)];
  return [...since, ...(note === '' ? [] : [oneLine(note)])].join(': ');
}

function describeStatus({ status, problems }: SetSummary): string {
  switch (status) {
    case 'success':
      return 'success';
    case 'degraded':
      return `degraded: complete, with ${count(problems.length, 'problem')}`;
    case 'failed':
      return `failed: parts are missing, ${count(problems.length, 'problem')}`;
  }
}

/** Details, and whether a verification found damage, and whether all files are there. */
type Row = ArtifactDetails & { readonly damaged: boolean; readonly incomplete: boolean };

function artifactLines(
  artifacts: readonly Row[],
  columns: number,
  nowMs: number,
  style: Style,
): string[] {
  const common: Column<Row>[] = [
    {
      title: 'ARTIFACT',
      cell: ({ artifact }) => `${artifact.service}/${artifact.source}`,
      shrinks: true,
    },
    { title: 'KIND', cell: ({ artifact }) => artifact.kind },
    { title: 'CONTENT', cell: (row) => formatBytes(row.artifact.contentBytes), align: 'right' },
    { title: 'STORED', cell: (row) => formatBytes(row.artifact.storedBytes), align: 'right' },
    { title: 'ENTRIES', cell: (row) => formatCount(row.artifact.entries), align: 'right' },
    { title: 'VERIFIED', cell: (row) => verification(row, nowMs, style) },
  ];
  const wide: Column<Row>[] = [
    ...common,
    { title: 'STATE', cell: (row) => consistency(row, style) },
    { title: 'PATH', cell: ({ artifact }) => artifact.path },
  ];
  const options = {
    columns: columns - 2,
    ellipsis: style.ellipsis,
    header: (text: string) => style.paint('dim', text),
  };
  if (naturalWidth(wide, artifacts) <= options.columns) {
    return renderTable(wide, artifacts, options).map((line) => `  ${line}`);
  }
  const [header = '', ...lines] = renderTable(common, artifacts, options);
  return [
    `  ${header}`,
    ...lines.flatMap((line, index) => [`  ${line}`, ...below(artifacts[index], style)]),
  ];
}

/** What found no column. A path is there to be copied, so it is never cut. */
function below(details: ArtifactDetails | undefined, style: Style): string[] {
  if (details === undefined) return [];
  return [
    `    ${style.paint('dim', details.artifact.path)}`,
    ...(details.artifact.consistent ? [] : [`    ${consistency(details, style)}`]),
  ];
}

function consistency({ artifact, manifest }: ArtifactDetails, style: Style): string {
  if (artifact.consistent) return 'consistent';
  const expected = manifest?.consistency.policy === 'expected';
  return expected ? 'changed while read, as expected' : style.paint('yellow', 'changed while read');
}

function verification(details: Row, nowMs: number, style: Style): string {
  switch (details.manifestState) {
    case 'missing':
      return style.paint('red', 'missing on disk');
    case 'changed':
      return style.paint('red', 'manifest altered');
    case 'unreadable':
      return style.paint('red', 'unreadable');
    case 'ok': {
      if (details.incomplete) return style.paint('red', 'incomplete');
      if (details.damaged) return style.paint('red', 'damaged');
      const last = lastVerification(details);
      // No artifact gets into a set before its files were read again and their hashes compared.
      if (last === undefined) return 'when written';
      const age = formatAge(nowMs - Date.parse(last.at));
      return last.ok ? `${last.level} ${age} ago` : style.paint('red', `failed ${age} ago`);
    }
  }
}

/** The newest check; a manifest lists them in no promised order. */
export function lastVerification({
  manifest,
}: ArtifactDetails): NonNullable<ArtifactDetails['manifest']>['verification'][number] | undefined {
  const newestFirst = [...(manifest?.verification ?? [])].sort(
    (left, right) => Date.parse(right.at) - Date.parse(left.at),
  );
  return newestFirst[0];
}

/** A set of which nothing is left has thousands of these. */
const MOST_LACKS = 20;

function lackLines({ lacks }: StoreFacts, columns: number, style: Style): string[] {
  if (lacks.length === 0) return [];
  const left = lacks.length - MOST_LACKS;
  return [
    '',
    style.paint('bold', 'Not all there'),
    ...lacks
      .slice(0, MOST_LACKS)
      .flatMap((lack) => wrap(oneLine(describeLack(lack)), columns - 4))
      .map((line) => `  ${style.paint('red', line)}`),
    ...(left > 0 ? [`  and ${left} more (--json has them all)`] : []),
  ];
}

/** Hundreds of volumes of others' services would hide the rest. */
const MOST_UNCOVERED = 20;

function uncoveredLines({ uncovered }: SetSummary, columns: number, style: Style): string[] {
  if (uncovered === null || uncovered.length === 0) return [];
  const left = uncovered.length - MOST_UNCOVERED;
  return [
    '',
    style.paint('bold', 'Not in it, since no source covers it'),
    ...uncovered
      .slice(0, MOST_UNCOVERED)
      .flatMap((one) => wrap(oneLine(`${one.service}: ${nameUncovered(one)}`), columns - 4))
      .map((line) => `  ${line}`),
    ...(left > 0 ? [`  and ${left} more (--json has them all)`] : []),
  ];
}

function damageLines({ damage, summary }: ShownSet, style: Style): string[] {
  if (damage.length === 0) return [];
  const own = setName(summary);
  return [
    '',
    style.paint('bold', 'Damaged or missing'),
    ...damage.flatMap(({ artifact, file, at, sets }) => {
      const others = sets.filter((name) => name !== own);
      return [
        `  ${artifact}${file === '.' ? '' : `/${oneLine(file)}`}`,
        `    found ${formatTime(at)}${others.length === 0 ? '' : `, also in ${others.join(', ')}`}`,
      ];
    }),
  ];
}

function problemLines({ problems, status }: SetSummary, columns: number, style: Style): string[] {
  if (problems.length === 0) return [];
  return [
    '',
    style.paint('bold', 'Problems'),
    ...problems.flatMap((problem) => renderProblem(problem, status, columns, style)),
  ];
}
