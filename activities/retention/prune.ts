/** Retention: what would go, and letting it go. */
import { toRetentionPolicy } from '../../src/config/retention-policy.js';
import { acceptanceOf, describeShrink, type Shrink } from '../../src/plan/backup/anomaly.js';
import { decisionsOf, type PruneDecisions } from '../../src/plan/retention/prune-types.js';
import { planRetention, type RetentionPlan } from '../../src/plan/retention/retention.js';
import { setName } from '../../src/format/set-order.js';
import { acceptShrinks } from '../../src/store/catalogue/accepted-shrinks.js';
import { setsInUse } from '../../src/store/catalogue/in-use.js';
import { requireStore } from '../../src/store/write/known-store.js';
import type { Tier } from '../../src/format/manifest.js';
import { carryOutRetention } from './carry-out.js';
import { readStoreKnowledge } from '../../src/store/catalogue/set-knowledge.js';
import { guarded, timeOf, whileWaiting, type ActivityDependencies } from '../shared/runtime.js';

export interface PlanPrune {
  readonly tier?: Tier | undefined;
  readonly limit?: number | undefined;
  readonly acceptShrink?: boolean | undefined;
}

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createPruneActivities(dependencies: ActivityDependencies) {
  const { config, runLog } = dependencies;
  const { root } = config.backups;
  const plan = async (limit: number | undefined): Promise<RetentionPlan> => {
    const { sets, knowledge } = await readStoreKnowledge(root, config.stack);
    const policy = toRetentionPolicy(config);
    // A restore or drill may read for hours: what it reads is as good as pinned until then.
    const inUse = await setsInUse(root);
    const reading = sets
      .filter(({ id }) => inUse.has(id))
      .map((set): [string, string] => [setName(set), 'it is being restored or drilled']);
    return planRetention(
      sets,
      limit === undefined ? policy : { ...policy, limit },
      { ...knowledge, pins: new Map([...knowledge.pins, ...reading]) },
      timeOf(dependencies),
    );
  };
  const accept = async (shrinks: readonly Shrink[]): Promise<readonly string[]> => {
    await acceptShrinks(root, config.stack, shrinks.map(acceptanceOf), timeOf(dependencies));
    const said = shrinks.map(describeShrink);
    for (const line of said) await runLog.write(`Accepted: ${line}`);
    return said;
  };
  return {
    /** What retention would do now. With `acceptShrink` what holds it back is accepted first. */
    planPrune: guarded(
      async (
        input: PlanPrune,
      ): Promise<PruneDecisions & { readonly accepted: readonly string[] }> => {
        return whileWaiting({ service: '', source: 'prune' }, 'look', async () => {
          await requireStore(root);
          const before = await plan(input.limit);
          if (input.acceptShrink !== true || before.held.length === 0) {
            return { ...decisionsOf(before, input.tier), accepted: [] };
          }
          const accepted = await accept(before.held);
          return { ...decisionsOf(await plan(input.limit), input.tier), accepted };
        });
      },
    ),

    /**
     * Retention of one tier after a run of it, or of all. @returns the sets that went, and what held
     * the others back
     */
    pruneTier: guarded(
      async ({
        tier,
        limit,
      }: {
        tier?: Tier | undefined;
        limit?: number | undefined;
      }): Promise<{ removed: string[]; held?: string[] }> => {
        return whileWaiting({ service: '', source: 'prune' }, 'prune', async () => {
          await requireStore(root);
          const todo = await plan(limit);
          const held = todo.held.map(describeShrink);
          for (const line of held) await runLog.write(`No old set was removed: ${line}`);
          const { removed } = await carryOutRetention(root, todo, tier, (line) =>
            runLog.write(line),
          );
          return { removed: [...removed], ...(held.length === 0 ? {} : { held }) };
        });
      },
    ),
  };
}
