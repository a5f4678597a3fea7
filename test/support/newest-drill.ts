import type { DrillResult } from '../../src/format/drill-result.js';
import { readDrills } from '../../src/store/records/drills.js';

export async function newestDrillOf(backups: string, setId: string): Promise<DrillResult> {
  const [newest] = (await readDrills(backups)).get(`${setId}-daily`) ?? [];
  if (newest === undefined) throw new Error('no drill was recorded');
  return newest;
}
