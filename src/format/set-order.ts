/** Sets by age. Pure. */
import type { SetFile } from './manifest.js';

/** `20241212_010000-daily`: the set file's name without its ending. */
export function setName(set: Pick<SetFile, 'id' | 'tier'>): string {
  return `${set.id}-${set.tier}`;
}

const STATUS_ORDER = { success: 0, degraded: 1, failed: 2 } as const;
/** Among sets of one moment: they share their content, the daily one is the one that read it. */
const TIER_ORDER = { daily: 0, weekly: 1, monthly: 2, manual: 3 } as const;

/**
 * Newest first, of one moment the best first. Ids are local times, which go back in autumn: what
 * is newer is told by the start time. Sets of one id are one moment, whenever each was written.
 */
export function newestFirst(sets: readonly SetFile[]): SetFile[] {
  const moments = new Map<string, number>();
  for (const { id, startedAt } of sets) {
    moments.set(id, Math.max(moments.get(id) ?? 0, Date.parse(startedAt)));
  }
  const momentOf = (id: string): number => moments.get(id) ?? 0;
  return [...sets].sort((left, right) => {
    if (left.id !== right.id) {
      return momentOf(right.id) - momentOf(left.id) || (left.id < right.id ? 1 : -1);
    }
    return (
      STATUS_ORDER[left.status] - STATUS_ORDER[right.status] ||
      TIER_ORDER[left.tier] - TIER_ORDER[right.tier]
    );
  });
}

/** The name of the newest of some sets by their ids alone; undefined where there are none. */
export function newestName(sets: readonly Pick<SetFile, 'id' | 'tier'>[]): string | undefined {
  const [newest] = [...sets].sort((left, right) => (left.id < right.id ? 1 : -1));
  return newest === undefined ? undefined : setName(newest);
}

/** A clock that is put right by a few minutes puts nothing into the future. */
const CLOCK_TOLERANCE_MS = 10 * 60_000;

/** Was it made by a clock that is ahead of the present one? */
export function isOfFuture({ startedAt }: Pick<SetFile, 'startedAt'>, now: Date): boolean {
  return Date.parse(startedAt) > now.getTime() + CLOCK_TOLERANCE_MS;
}
