/** What retention does to each set, for people. Pure. */
import type { PruneDecisions, SetDecision } from '../../../plan/retention/prune-types.js';
import type { Style } from '../../render/style.js';
import { renderTable } from '../../render/table.js';
import { oneLine } from '../../render/text.js';

export function renderDecisions(
  { decisions, held }: PruneDecisions,
  columns: number,
  style: Style,
): readonly string[] {
  const table = renderTable<SetDecision>(
    [
      { title: 'SET', cell: ({ set }) => set },
      { title: 'STATUS', cell: ({ status }) => style.status(status) },
      { title: '', cell: ({ action }) => paintAction(action, style) },
      {
        title: 'WHY',
        cell: ({ reason, loses }) => oneLine(withLosses(reason, loses)),
        shrinks: true,
      },
    ],
    decisions,
    { columns, ellipsis: style.ellipsis, header: (text) => style.paint('bold', text) },
  );
  return [
    ...table,
    ...held.map((text) => style.paint('yellow', `nothing is removed: ${oneLine(text)}`)),
    ...(held.length === 0
      ? []
      : ['if that is right: holdfast prune --accept-shrink; if not, look at the source first']),
  ];
}

function withLosses(reason: string, loses: readonly string[]): string {
  return loses.length === 0 ? reason : `${reason}; loses ${loses.join(', ')}`;
}

function paintAction(action: SetDecision['action'], style: Style): string {
  switch (action) {
    case 'keep':
      return style.paint('green', 'stays');
    case 'remove':
      return style.paint('red', 'goes');
    case 'later':
      return style.paint('yellow', 'later');
  }
}
