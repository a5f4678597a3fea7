/** Which sets somebody is reading right now: retention waits for them. */
import { listRestores } from './restore-record.js';

/**
 * Ids of the sets that restores and drills under way read from. One whose run has died is among them
 * until it is taken back or torn down, which every worker start and every backup does first.
 */
export async function setsInUse(root: string): Promise<ReadonlySet<string>> {
  const open = (await listRestores(root)).filter(({ state, drill }) =>
    // One that was left up has read all it reads.
    drill === undefined ? state === 'running' : !drill.kept,
  );
  return new Set(open.map(({ setId }) => setId));
}
