/**
 * Retention by hand: permit → what would go and why → let it go. A dry run takes no permit: it only
 * looks.
 */
import { upsertSearchAttributes } from '@temporalio/workflow';
import { pruneBackupsInputSchema, type PruneBackupsResult } from '../src/plan/prune-types.js';
import { hostActivities, resolveStack } from './activity-options.js';
import { parseInput, raise } from './failure.js';
import { takePermit } from './permit.js';
import { Story } from './story.js';
import { searchAttributes } from './support.js';

export async function pruneBackups(rawInput?: unknown): Promise<PruneBackupsResult> {
  const input = parseInput(pruneBackupsInputSchema, rawInput, 'pruneBackups');
  const story = new Story('removal of old sets');
  const { view } = await resolveStack({ stack: input.stack, host: input.host }).catch(raise);
  const activities = hostActivities(view.hostId);
  const { tier, limit, dryRun } = input;
  upsertSearchAttributes(
    searchAttributes({
      stack: view.stack,
      status: 'running',
      ...(tier === undefined ? {} : { tier }),
    }),
  );
  const permit = dryRun ? undefined : await takePermit(view.stack, input.onBusy, activities, story);
  try {
    story.phase('pruning');
    const { decisions, held, accepted } = await activities.planPrune('what goes, and why', {
      ...{ tier, limit },
      acceptShrink: input.acceptShrink && !dryRun,
    });
    const { removed } = dryRun
      ? { removed: [] }
      : await activities.pruneTier(
          `keep the newest sets${tier === undefined ? '' : ` of ${tier}`}`,
          {
            tier,
            limit,
          },
        );
    story.phase('done');
    upsertSearchAttributes(searchAttributes({ status: held.length > 0 ? 'degraded' : 'success' }));
    return { dryRun, decisions, held, accepted, removed };
  } catch (error) {
    upsertSearchAttributes(searchAttributes({ status: 'failed' }));
    return raise(error);
  } finally {
    await permit?.release();
  }
}
