/** How long the disk of the backups lasts, from what the sets there are have added to it. Pure. */
import type { SetFile } from '../../format/manifest.js';
import type { ScheduledTier } from '../shared/stack-view.js';
import { newestFirst } from '../../format/set-order.js';

const DAY_MS = 86_400_000;
/** Nearly a day, for nights that begin earlier or later. */
const LEAST_DAYS = 0.8;
const TIERS = ['daily', 'weekly', 'monthly'] as const;

export interface Forecast {
  /** What a usual backup adds: the median of what the last ones wrote and did not link. */
  readonly usualBytes: number;
  /** The most that one of them added. */
  readonly mostBytes: number;
  /** Growth a day once the tiers are full, and until then. */
  readonly bytesPerDay: number;
  /** Days until the disk is full at that pace; undefined where it does not grow, or nothing is known. */
  readonly daysLeft?: number;
  /** Are there sets enough to tell a pace? */
  readonly known: boolean;
}

/**
 * A tier that is not full yet grows by what each set adds; in a full one every new set frees an old
 * one, and only what sets add more than they did before counts. Bytes that a set linked cost nothing;
 * nor does a set that was linked into a further tier.
 */
export function forecastDisk(
  sets: readonly SetFile[],
  tiersKeep: Readonly<Record<ScheduledTier, number>>,
  freeBytes: number,
): Forecast {
  const ordered = newestFirst(sets).filter(({ status }) => status !== 'failed');
  const moments = [...new Map([...ordered].reverse().map((set) => [set.id, set])).values()];
  const added = moments.map(addedBytes);
  const usualBytes = median(added);
  const mostBytes = Math.max(0, ...added);
  let bytesPerDay = 0;
  let known = false;
  const read = new Set<string>();
  for (const tier of TIERS) {
    const own = ordered.filter((set) => set.tier === tier && !read.has(set.id));
    for (const { id } of own) read.add(id);
    const [newest, ...older] = own;
    const oldest = older.at(-1);
    if (newest === undefined || oldest === undefined) continue;
    const days = (Date.parse(newest.startedAt) - Date.parse(oldest.startedAt)) / DAY_MS;
    // Two backups of one afternoon tell nothing of days.
    if (days < LEAST_DAYS) continue;
    known = true;
    const perSet = own.map(addedBytes);
    const isFull = ordered.filter((set) => set.tier === tier).length >= tiersKeep[tier];
    const half = Math.floor(perSet.length / 2);
    const growth = isFull
      ? median(perSet.slice(0, half)) - median(perSet.slice(-half))
      : median(perSet.slice(0, -1));
    bytesPerDay += (Math.max(0, growth) * older.length) / days;
  }
  return {
    usualBytes,
    mostBytes,
    bytesPerDay,
    known,
    ...(bytesPerDay > 0 ? { daysLeft: freeBytes / bytesPerDay } : {}),
  };
}

/** What a set wrote and did not link. */
function addedBytes({ artifacts }: SetFile): number {
  return artifacts.reduce((sum, one) => sum + one.storedBytes - (one.linkedBytes ?? 0), 0);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
