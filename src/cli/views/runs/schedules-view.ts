/** `holdfast schedules` for people. Pure. */
import type { ScheduleChange } from '../../../plan/schedule/schedule-changes.js';
import { formatWall } from '../../../plan/schedule/scheduled-backup.js';
import type { ScheduledRunView, ScheduleView } from '../../../plan/schedule/schedule-view.js';
import { formatDuration, count } from '../../../base/words.js';
import type { Colour, Style } from '../../render/style.js';
import { renderTable, type Column } from '../../render/table.js';
import { oneLine } from '../../render/text.js';
import { formatAge } from '../../render/words.js';

/** Later than this is worth a word: below it are jitter and a busy server. */
const LATE_MS = 5 * 60_000;

/** Does the schedule not do what the configuration says? */
export function needsCare({ state }: ScheduleView): boolean {
  switch (state) {
    case 'missing':
    case 'differs':
    case 'foreign':
      return true;
    case 'applied':
    case 'left over':
      return false;
  }
}

export function renderSchedules(
  schedules: readonly ScheduleView[],
  columns: number,
  nowMs: number,
  style: Style,
): readonly string[] {
  const table: Column<ScheduleView>[] = [
    { title: 'SCHEDULE', cell: ({ name }) => name },
    { title: 'STATE', cell: (schedule) => stateWord(schedule, style) },
    { title: 'NEXT', cell: (schedule) => nextTime(schedule) },
    { title: 'LAST', cell: ({ last }) => lastAge(last, nowMs), align: 'right' },
    { title: 'OUTCOME', cell: (schedule) => outcome(schedule, style) },
    { title: 'RUNS', cell: ({ runs }) => String(runs), align: 'right' },
    {
      title: 'SKIPPED',
      cell: ({ skippedByOverlap }) => String(skippedByOverlap),
      align: 'right',
    },
    { title: 'MISSED', cell: ({ missedCatchUp }) => String(missedCatchUp), align: 'right' },
    { title: 'TIMES', cell: ({ times }) => times.join('; '), shrinks: true },
  ];
  const zones = [...new Set(schedules.map(({ timezone }) => timezone))];
  const remarks = schedules.flatMap((schedule) => remarksOf(schedule));
  return [
    ...renderTable(table, schedules, {
      columns,
      ellipsis: style.ellipsis,
      header: (text) => style.paint('bold', text),
    }),
    '',
    `times are those of ${zones.join(', ')}; SKIPPED fell while a run was going on, MISSED came too late to catch up`,
    ...remarks,
  ];
}

function stateWord({ state, paused }: ScheduleView, style: Style): string {
  const paint = (colour: Colour, text: string): string => style.paint(colour, text);
  switch (state) {
    case 'applied':
      return paused ? paint('yellow', 'paused') : paint('green', 'on');
    case 'differs':
      return paint('yellow', paused ? 'paused, differs' : 'differs');
    case 'missing':
    case 'foreign':
      return paint('red', state);
    case 'left over':
      return paint('yellow', state);
  }
}

function nextTime({ next, timezone, paused }: ScheduleView): string {
  const [first] = next;
  if (first === undefined) return paused ? 'paused' : 'never';
  return formatWall(Date.parse(first), timezone);
}

function lastAge(last: ScheduledRunView | null, nowMs: number): string {
  return last === null ? '' : formatAge(nowMs - Date.parse(last.startedAt));
}

function outcome({ last, running }: ScheduleView, style: Style): string {
  if (last === null) return 'none yet';
  const shown = running.length > 0 ? 'running' : last.outcome;
  switch (shown) {
    case 'running':
      return style.paint('cyan', shown);
    case 'success':
    case 'degraded':
    case 'failed':
      return style.status(shown);
    case 'cancelled':
      return style.status('failed', shown);
    case 'unknown':
      return shown;
  }
}

function remarksOf({ name, state, paused, note, differs, last }: ScheduleView): string[] {
  const remarks: string[] = [];
  if (paused) remarks.push(`${name} is paused${note === null ? '' : `: ${oneLine(note)}`}`);
  switch (state) {
    case 'applied':
      break;
    case 'missing':
      remarks.push(`${name} is not in Temporal: \`holdfast schedules apply\` makes it`);
      break;
    case 'differs':
      remarks.push(
        `${name} is not as configured (${differs.join(', ')}): \`holdfast schedules apply\` corrects it`,
      );
      break;
    case 'left over':
      remarks.push(
        `${name} is no longer in the configuration: \`holdfast schedules apply\` removes it`,
      );
      break;
    case 'foreign':
      remarks.push(`${name} is not Holdfast's own and is left alone: remove or rename it`);
  }
  if (last !== null) {
    const lateMs = Date.parse(last.startedAt) - Date.parse(last.dueAt);
    if (lateMs > LATE_MS) {
      remarks.push(`${name} last started ${formatDuration(lateMs)} late, to catch up`);
    }
    if (last.outcome === 'failed') remarks.push(`${name} last failed: ${last.workflowId}`);
  }
  return remarks;
}

export function renderChanges(
  changes: readonly ScheduleChange[],
  stack: string,
  dryRun: boolean,
  style: Style,
): readonly string[] {
  if (changes.length === 0) return [`${stack} has no schedules, and Temporal has none of it`];
  const changed = changes.filter(({ action }) => action !== 'keep' && action !== 'foreign');
  const lines = changes.map((change) => `  ${changeWord(change, style).trimEnd()}`);
  if (changed.length === 0) return [...lines, 'nothing to change'];
  return [
    ...lines,
    dryRun
      ? `${count(changed.length, 'schedule')} would change; nothing was done`
      : `${count(changed.length, 'schedule')} changed`,
  ];
}

function changeWord({ id, action, because, differs }: ScheduleChange, style: Style): string {
  switch (action) {
    case 'create':
      return `${style.paint('green', 'create')}  ${id}`;
    case 'update':
      return (
        `${style.paint('yellow', 'update')}  ${id}: ${differs.join(', ')}` +
        (because === 'by hand' ? ' (changed by hand)' : '')
      );
    case 'remove':
      return `${style.paint('red', 'remove')}  ${id}: no longer in the configuration`;
    case 'keep':
      return `${style.paint('dim', 'keep')}    ${id}`;
    case 'foreign':
      return `${style.paint('red', 'foreign')} ${id}: not made by Holdfast, left alone`;
  }
}

export function renderPaused(ids: readonly string[], note: string): readonly string[] {
  return [
    ...ids.map((id) => `paused: ${id} (${oneLine(note)})`),
    'what is running goes on; `holdfast schedules resume` ends the pause',
  ];
}

export function renderResumed(ids: readonly string[]): readonly string[] {
  return ids.map((id) => `resumed: ${id}`);
}
