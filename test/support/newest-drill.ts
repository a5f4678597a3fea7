/** What the store has recorded of the last drill of a daily set. */
import type { DrillResult } from '../../src/plan/drill-types.js';
import { readDrills } from '../../src/store/drills.js';

export async function newestDrillOf(backups: string, setId: string): Promise<DrillResult> {
  const [newest] = (await readDrills(backups)).get(`${setId}-daily`) ?? [];
  if (newest === undefined) throw new Error('no drill was recorded');
  return newest;
}
