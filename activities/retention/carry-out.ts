/** Carrying retention out: only what the plan names, and never what was pinned meanwhile. */
import type { RetentionPlan } from '../../src/plan/retention/retention.js';
import { setName } from '../../src/format/set-order.js';
import { readPins } from '../../src/store/catalogue/pins.js';
import { emptyTrash, removeSet } from '../../src/store/remove/remove.js';
import { trimSet } from '../../src/store/remove/trim.js';
import type { Tier } from '../../src/format/manifest.js';

export interface Pruned {
  /** `<id>-<tier>` */
  readonly removed: readonly string[];
  /** Directories of old versions that went out of sets that stay. */
  readonly trimmed: readonly string[];
}

/**
 * Removes the sets of `tier` (of every tier without one), and old versions of sources. Called again
 * it goes on where it stopped: what has gone is not in the next plan.
 * @throws HoldfastError STORE_UNSAFE, SET_NOT_FOUND
 */
export async function carryOutRetention(
  root: string,
  plan: RetentionPlan,
  tier: Tier | undefined,
  tell: (line: string) => Promise<void>,
): Promise<Pruned> {
  const removed: string[] = [];
  const trimmed: string[] = [];
  for (const { set, reason } of plan.remove) {
    if (tier !== undefined && set.tier !== tier) continue;
    if ((await readPins(root)).has(setName(set))) continue;
    await removeSet(root, set, new Set());
    removed.push(setName(set));
    await tell(`Removed set ${set.id} (${set.tier}): ${reason}`);
  }
  for (const { set, artifacts } of plan.trimArtifacts) {
    if ((await readPins(root)).has(setName(set))) continue;
    await trimSet(root, set, artifacts);
    const names = artifacts.map(({ path }) => path);
    trimmed.push(...names);
    await tell(`Removed ${names.join(', ')} from set ${set.id}: newer versions are kept`);
  }
  await emptyTrash(root);
  return { removed, trimmed };
}
