/** In which order sets are verified where time is short. Pure. */
import type { SetFile } from '../../format/manifest.js';
import { newestFirst } from '../../format/set-order.js';

export interface Checked {
  readonly at: string;
  readonly level: 'hashes' | 'decode';
}

/**
 * Those that were not looked at for longest first, of equal ones the newest. Being written counts as
 * being looked at, for each file was read back then; but not as being decoded.
 */
export function oldestChecked(
  sets: readonly SetFile[],
  checkedOf: (set: SetFile) => Checked | undefined,
  level: 'hashes' | 'decode',
): SetFile[] {
  const at = (set: SetFile): number => {
    const checked = checkedOf(set);
    if (checked === undefined || (level === 'decode' && checked.level === 'hashes')) {
      return Date.parse(set.finishedAt);
    }
    return Date.parse(checked.at);
  };
  return newestFirst(sets).sort((left, right) => at(left) - at(right));
}
