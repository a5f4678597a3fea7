/** Input and result of `pruneBackups`. */
import { z } from 'zod';
import type { RetentionPlan } from './retention.js';
import { describeShrink } from '../backup/anomaly.js';
import { setName } from '../../format/set-order.js';

const target = {
  stack: z.string().min(1).optional(),
  host: z.string().min(1).optional(),
};

export const pruneBackupsInputSchema = z.strictObject({
  ...target,
  /** All tiers without one. */
  tier: z.enum(['daily', 'weekly', 'monthly']).optional(),
  dryRun: z.boolean().default(false),
  /** Sets of a tier that go at most; `backups.pruneLimit` by default. */
  limit: z.number().int().min(1).optional(),
  /** Sources that shrank are so small now: accept it, and go on. */
  acceptShrink: z.boolean().default(false),
  onBusy: z.enum(['wait', 'refuse']).default('wait'),
});

export type PruneBackupsInput = z.input<typeof pruneBackupsInputSchema>;

/** What becomes of one set, and why. */
export interface SetDecision {
  /** `<id>-<tier>` */
  readonly set: string;
  readonly status: 'success' | 'degraded' | 'failed';
  readonly action: 'keep' | 'remove' | 'later';
  readonly reason: string;
  /** Old versions of sources that go out of it, `<service>/<source>`. */
  readonly loses: readonly string[];
}

export interface PruneDecisions {
  /** Newest first. */
  readonly decisions: readonly SetDecision[];
  /** Shrinks that hold everything, in words. */
  readonly held: readonly string[];
}

export interface PruneBackupsResult extends PruneDecisions {
  readonly dryRun: boolean;
  /** `<id>-<tier>` */
  readonly removed: readonly string[];
  /** Shrinks that were accepted, in words. */
  readonly accepted: readonly string[];
}

/** A plan as lines for people and JSON; of one tier, or of all. */
export function decisionsOf(plan: RetentionPlan, tier?: string): PruneDecisions {
  const lost = new Map(
    plan.trimArtifacts.map(({ set, artifacts }) => [
      set,
      artifacts.map(({ service, source }) => `${service}/${source}`),
    ]),
  );
  const each = (action: SetDecision['action'], decided: RetentionPlan['keep']) =>
    decided.map(({ set, reason }) => ({
      startedAt: set.startedAt,
      tier: set.tier,
      decision: {
        set: setName(set),
        status: set.status,
        action,
        reason,
        loses: lost.get(set) ?? [],
      },
    }));
  const all = [
    ...each('keep', plan.keep),
    ...each('remove', plan.remove),
    ...each('later', plan.later),
  ];
  return {
    decisions: all
      .filter((one) => tier === undefined || one.tier === tier)
      .sort((left, right) => Date.parse(right.startedAt) - Date.parse(left.startedAt))
      .map(({ decision }) => decision),
    held: plan.held.map(describeShrink),
  };
}
