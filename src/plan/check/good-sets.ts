/** The good sets of a tier, as a check counts them. Pure. */
import type { SetFile } from '../../format/manifest.js';
import { isOfFuture, newestFirst, setName } from '../../format/set-order.js';
import type { CheckFacts } from './check-facts.js';

export const TIERS = ['daily', 'weekly', 'monthly'] as const;

/** Sets of the whole stack that could be restored, newest first. */
export function goodSets(
  { sets, unsound, now }: Pick<CheckFacts, 'sets' | 'unsound' | 'now'>,
  tier: SetFile['tier'],
): SetFile[] {
  return newestFirst(sets).filter(
    (set) =>
      set.tier === tier &&
      set.scope === 'all' &&
      set.status !== 'failed' &&
      !unsound.has(setName(set)) &&
      !isOfFuture(set, now),
  );
}
