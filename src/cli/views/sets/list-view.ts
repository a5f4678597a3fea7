/** `holdfast list` for people. Pure. */
import { formatBytes } from '../../../base/words.js';
import type { Style } from '../../render/style.js';
import { renderTable, type Column } from '../../render/table.js';
import { formatAge } from '../../render/words.js';
import { shortDrill } from '../runs/drill-view.js';
import type { SetSummary, StoreFacts } from './set-rows.js';
import { shortVerification } from '../runs/verify-view.js';

/** Room the names of the services need to say more than their number does. */
const LEAST_NAMES_WIDTH = 12;
/** Everything but the services, with all columns and with those a narrow terminal has room for. */
const WIDE_WIDTH = 104;
const NARROW_WIDTH = 72;
const COUNT_WIDTH = 8;
/** From here on there is room for how long a restore took in a drill. */
const DRILLED_FROM = 94;
const DRILLED_WIDTH = 12;

export type ListRow = SetSummary & StoreFacts;

/** Newest first, as given. */
export function renderList(
  sets: readonly ListRow[],
  columns: number,
  nowMs: number,
  style: Style,
): readonly string[] {
  const wide = columns >= WIDE_WIDTH + COUNT_WIDTH;
  const drilled = columns >= DRILLED_FROM;
  const others = wide ? WIDE_WIDTH : NARROW_WIDTH + (drilled ? DRILLED_WIDTH : 0);
  const names = columns - others >= LEAST_NAMES_WIDTH;
  const ifWide = (column: Column<ListRow>): Column<ListRow>[] => (wide ? [column] : []);
  const table: Column<ListRow>[] = [
    { title: 'SET', cell: ({ id }) => id },
    { title: 'TIER', cell: ({ tier, pinned }) => (pinned === null ? tier : `${tier}*`) },
    { title: 'STATUS', cell: (set) => shownStatus(set, style) },
    { title: 'AGE', cell: ({ ageMs }) => formatAge(ageMs), align: 'right' },
    {
      title: 'SERVICES',
      cell: (set) => (names ? serviceNames(set) : serviceCount(set)),
      shrinks: true,
    },
    ...ifWide({
      title: 'CONTENT',
      cell: ({ contentBytes }) => formatBytes(contentBytes),
      align: 'right',
    }),
    { title: 'STORED', cell: ({ storedBytes }) => formatBytes(storedBytes), align: 'right' },
    { title: 'FREES', cell: ({ freedBytes }) => formatBytes(freedBytes), align: 'right' },
    {
      title: 'VERIFIED',
      cell: ({ verification }) => shortVerification(verification, nowMs, style),
    },
    ...(drilled
      ? [{ title: 'DRILLED', cell: ({ drill }: ListRow) => shortDrill(drill, style) }]
      : []),
    ...ifWide({
      title: 'PROBLEMS',
      cell: ({ status, problems }) =>
        problems.length === 0 ? '0' : style.status(status, String(problems.length)),
      align: 'right',
    }),
  ];
  return renderTable(table, sets, {
    columns,
    ellipsis: style.ellipsis,
    header: (text) => style.paint('bold', text),
  });
}

/** What the run said, or that it is no longer so. */
function shownStatus({ status, lacks }: ListRow, style: Style): string {
  if (lacks.length === 0) return style.status(status);
  return style.paint('red', lacks.every(({ unknown }) => unknown) ? 'unreadable' : 'incomplete');
}

function serviceNames({ scope, services }: SetSummary): string {
  const names = services.join(', ');
  if (scope === 'all') return `all: ${names}`;
  // Asked for, but nothing of it was saved.
  const missing = scope.filter((name) => !services.includes(name));
  return [names, ...missing.map((name) => `(${name})`)].filter((part) => part !== '').join(', ');
}

function serviceCount({ scope, services }: SetSummary): string {
  return scope === 'all' ? `all (${services.length})` : `${services.length} of ${scope.length}`;
}
