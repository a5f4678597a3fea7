/** Which sets somebody is reading right now: retention waits for them. */
import { readRestores } from '../records/restore-record.js';

/**
 * Ids of the sets that restores and drills under way read from. One whose run has died is among them
 * until it is taken back or torn down, which every worker start and every backup does first; and so is
 * one whose record can't be read, where that still names its set.
 */
export async function setsInUse(root: string): Promise<ReadonlySet<string>> {
  const { records, unreadable } = await readRestores(root);
  const open = records.filter(({ state, drill }) =>
    // One that was left up has read all it reads.
    drill === undefined ? state === 'running' : !drill.kept,
  );
  const unknown = unreadable.filter(({ state }) => state === undefined || !isClosed(state));
  return new Set(
    [...open, ...unknown].flatMap(({ setId }) => (setId === undefined ? [] : [setId])),
  );
}

/** By a word that a version this one does not know may have written. */
function isClosed(state: string): boolean {
  return ['finished', 'rolled-back', 'undone', 'discarded'].includes(state);
}
