/** Past restores and undo plans for people. Pure. */
import { formatBytes, count } from '../../../base/words.js';
import type { PastRestore, UndoPlan } from '../../../plan/rollback/undo-plan.js';
import type { RestoreListing } from '../../host/ports.js';
import type { Style } from '../../render/style.js';
import { renderTable, type Column } from '../../render/table.js';
import { oneLine } from '../../render/text.js';
import { formatAge } from '../../render/words.js';

/** Newest first, as given. */
export function renderRestores(
  restores: readonly RestoreListing[],
  columns: number,
  nowMs: number,
  style: Style,
): readonly string[] {
  const table: Column<RestoreListing>[] = [
    { title: 'RESTORE', cell: ({ restoreId }) => restoreId },
    { title: 'SET', cell: ({ setId }) => setId },
    { title: 'STATE', cell: describeState },
    {
      title: 'AGE',
      cell: ({ startedAt }) => formatAge(nowMs - Date.parse(startedAt)),
      align: 'right',
    },
    {
      title: 'SERVICES',
      cell: ({ replaced }) =>
        [...new Set(replaced.map(({ service }) => service))].join(', ') || '-',
      shrinks: true,
    },
    {
      title: 'SAFETY COPIES',
      cell: ({ state, sizeBytes }) =>
        state !== 'finished' && state !== 'discarding'
          ? '-'
          : sizeBytes === undefined
            ? 'unknown'
            : formatBytes(sizeBytes),
      align: 'right',
    },
  ];
  return renderTable(table, restores, {
    columns,
    ellipsis: style.ellipsis,
    header: (text) => style.paint('bold', text),
  });
}

function describeState({ state, supersededBy }: PastRestore): string {
  switch (state) {
    case 'running':
      return 'running';
    case 'finished':
      return supersededBy === undefined ? 'can be undone' : 'ended half way, left';
    case 'rolled-back':
      return 'failed, taken back';
    case 'undoing':
      return 'being undone';
    case 'undone':
      return 'undone';
    case 'discarded':
      return 'discarded';
    case 'discarding':
      return 'being discarded';
    case 'unreadable':
      return 'record unreadable';
  }
}

export function renderUndoPlan(plan: UndoPlan, style: Style): readonly string[] {
  return [
    style.paint('bold', `Undo of restore ${plan.restoreId} from set ${plan.setId}`),
    ...(plan.stopOrder.length === 0
      ? []
      : [`  stop        ${plan.stopOrder.join(` ${style.arrow} `)}`]),
    `  put back    ${count(plan.replaced.length, 'source')}`,
    ...plan.replaced.map(
      ({ service, source, target, aside }) =>
        `    ${service}/${source}  ${oneLine(target)}` +
        (aside === undefined ? ', which was not there before: it goes' : ''),
    ),
    ...plan.stages.map(
      (stage, index) => `  ${index === 0 ? 'start again' : '           '} ${stage.join(', ')}`,
    ),
    'What was restored is thrown away; its set stays.',
  ];
}
