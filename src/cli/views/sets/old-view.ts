/** The old script's backups, for people and for `--json`. Pure. */
import { formatBytes, count } from '../../../base/words.js';
import type { UnknownOldFile } from '../../../legacy/plan/old-backups.js';
import type { ImportedFile } from '../../../legacy/import-old.js';
import type { OldBackup, OldFileState } from '../../../legacy/old-sets.js';
import type { Style } from '../../render/style.js';
import { renderTable, type Column } from '../../render/table.js';
import { oneLine } from '../../render/text.js';
import { formatAge, formatCount, formatTime } from '../../render/words.js';
import { renderProblem } from '../problem-view.js';
import { setName, summarizeSet } from './set-rows.js';

const MOST_UNKNOWN = 5;

/** The table below that of the catalogue; newest first. Empty where there is nothing. */
export function renderOldList(
  backups: readonly OldBackup[],
  unknown: readonly UnknownOldFile[],
  columns: number,
  nowMs: number,
  style: Style,
): readonly string[] {
  const table: Column<OldBackup>[] = [
    { title: 'SET', cell: ({ id }) => id },
    { title: 'TIER', cell: ({ tier }) => tier },
    { title: 'STATUS', cell: () => style.paint('yellow', 'old script') },
    {
      title: 'AGE',
      cell: ({ set }) => formatAge(nowMs - Date.parse(set.finishedAt)),
      align: 'right',
    },
    {
      title: 'SERVICES',
      cell: ({ set }) => {
        const names = [...new Set(set.artifacts.map(({ service }) => service))].join(', ');
        return set.scope === 'all' ? `all: ${names}` : names;
      },
      shrinks: true,
    },
    { title: 'STORED', cell: ({ set }) => formatBytes(storedBytes(set)), align: 'right' },
    { title: 'VERIFIED', cell: (backup) => verified(backup, style) },
  ];
  const options = {
    columns,
    ellipsis: style.ellipsis,
    header: (text: string) => style.paint('bold', text),
  };
  const rest = unknown.length - MOST_UNKNOWN;
  return [
    ...(backups.length === 0
      ? []
      : [
          style.paint(
            'bold',
            'Made by the old script: not imported, kept and removed by nobody here',
          ),
          ...renderTable(table, [...backups].reverse(), options),
          '`holdfast import --all` checks them and makes them sets like the others',
        ]),
    ...(unknown.length === 0
      ? []
      : [
          ...(backups.length === 0 ? [] : ['']),
          style.paint('bold', 'Unknown: like the old script’s, and of no source'),
          ...unknown
            .slice(0, MOST_UNKNOWN)
            .map(({ path, reason }) => `  ${oneLine(path)}: ${reason}`),
          ...(rest > 0 ? [`  and ${rest} more (--json lists all)`] : []),
        ]),
  ];
}

function storedBytes({ artifacts }: OldBackup['set']): number {
  return artifacts.reduce((sum, artifact) => sum + artifact.storedBytes, 0);
}

/** Reading them once says that they can be read, not that they were ever restored. */
function verified({ files }: OldBackup, style: Style): string {
  if (files.some(({ record }) => record?.outcome.type === 'refused')) {
    return style.paint('red', 'damaged');
  }
  return style.paint('yellow', 'unverified');
}

export function oldBackupAsJson(backup: OldBackup, nowMs: number): Record<string, unknown> {
  return {
    ...summarizeSet(backup.set, nowMs),
    origin: 'old-script',
    imported: false,
    verification: null,
    files: backup.files.map((state) => ({
      path: state.file.path,
      service: state.service,
      source: state.source.source,
      kind: state.source.kind,
      sizeBytes: state.identity.sizeBytes,
      check: checkAsJson(state),
    })),
  };
}

function checkAsJson({ record }: OldFileState): Record<string, unknown> | null {
  if (record === undefined) return null;
  const { outcome, at } = record;
  if (outcome.type === 'refused') {
    return { at, ok: false, code: outcome.code, message: outcome.message };
  }
  const { entries, contentBytes } = outcome.manifest.totals;
  return { at, ok: true, entries, contentBytes, sha256: outcome.manifest.files[0]?.sha256 };
}

/** The whole page of one set. */
export function renderOldSet(
  { id, tier, files, set }: OldBackup,
  columns: number,
  nowMs: number,
  style: Style,
): readonly string[] {
  const name = setName({ id, tier });
  const table: Column<OldFileState>[] = [
    {
      title: 'SOURCE',
      cell: ({ service, source }) => `${service}/${source.source}`,
      shrinks: true,
    },
    { title: 'KIND', cell: ({ source }) => source.kind },
    { title: 'STORED', cell: ({ identity }) => formatBytes(identity.sizeBytes), align: 'right' },
    { title: 'READ', cell: (state) => checked(state, nowMs, style) },
  ];
  const options = {
    columns: columns - 2,
    ellipsis: style.ellipsis,
    header: (text: string) => style.paint('dim', text),
  };
  const [header = '', ...lines] = renderTable(table, files, options);
  return [
    style.paint('bold', `Set ${id} (${tier}), made by the old script`),
    `  ${style.paint('dim', 'status  ')}  ${style.paint('yellow', 'old script, unverified')}`,
    `  ${style.paint('dim', 'started ')}  ${formatTime(set.startedAt)}`,
    `  ${style.paint('dim', 'stored  ')}  ${formatBytes(storedBytes(set))} in ${count(files.length, 'file')}`,
    '',
    style.paint('bold', 'Files'),
    `  ${header}`,
    ...lines.flatMap((line, index) => [
      `  ${line}`,
      `    ${style.paint('dim', files[index]?.file.path ?? '')}`,
    ]),
    ...(set.problems.length === 0
      ? []
      : [
          '',
          style.paint('bold', 'Doubts'),
          ...set.problems.flatMap((problem) => renderProblem(problem, set.status, columns, style)),
        ]),
    '',
    style.paint(
      'bold',
      'Check it and make it a set like the others, or restore from it as it is, with',
    ),
    `  holdfast import ${name}`,
    `  holdfast restore ${name} --dry-run`,
  ];
}

function checked({ record }: OldFileState, nowMs: number, style: Style): string {
  if (record === undefined) return style.paint('yellow', 'never');
  const age = formatAge(nowMs - Date.parse(record.at));
  return record.outcome.type === 'whole'
    ? `whole ${age} ago`
    : style.paint('red', `refused ${age} ago`);
}

/** One file of an import, as soon as it is read. */
export function renderImportedFile(file: ImportedFile, style: Style): readonly string[] {
  const { outcome } = file;
  const what = `${file.service}/${file.source}`;
  if (outcome.type === 'refused') {
    return [
      `  ${style.paint('red', 'refused')}  ${what}  ${file.path}`,
      `    ${outcome.code}: ${oneLine(outcome.message)}`,
    ];
  }
  const size = `${formatCount(outcome.entries)} entries, ${formatBytes(outcome.contentBytes)}`;
  return [
    `  ${style.paint('green', 'whole')}    ${what}  ${file.path}  ${size}`,
    ...outcome.warnings.map((warning) => `    ${style.paint('yellow', warning)}`),
  ];
}
