/**
 * Retention by hand: permit → what would go and why → let it go. A dry run takes no permit: it only
 * looks.
 */
import { upsertSearchAttributes } from '@temporalio/workflow';
import {
  pruneBackupsInputSchema,
  type PruneBackupsResult,
} from '../../src/plan/retention/prune-types.js';
import { hostActivities, resolveStack } from '../shared/activity-options.js';
import { parseInput, raise } from '../shared/failure.js';
import { takePermit } from '../shared/permit.js';
import { Story } from '../shared/story.js';
import { searchAttributes } from '../shared/support.js';
import { asksDryRun, notifyOnFailure } from '../notify/tell.js';

export async function pruneBackups(rawInput?: unknown): Promise<PruneBackupsResult> {
  const story = new Story('removal of old sets');
  const { input, view } = await notifyOnFailure(
    'The removal of old sets',
    async () => {
      const asked = parseInput(pruneBackupsInputSchema, rawInput, 'pruneBackups');
      const { stack, host } = asked;
      return { input: asked, ...(await resolveStack({ stack, host }).catch(raise)) };
    },
    { silent: asksDryRun(rawInput) },
  );
  const activities = hostActivities(view.hostId);
  const { tier, limit, dryRun } = input;
  upsertSearchAttributes(
    searchAttributes({
      stack: view.stack,
      status: 'running',
      ...(tier === undefined ? {} : { tier }),
    }),
  );
  // Nothing is told of a dry run: somebody looks on.
  return notifyOnFailure(`Removal of old sets of ${view.stack}`, () => prune(), {
    activities,
    silent: dryRun,
  });

  async function prune(): Promise<PruneBackupsResult> {
    const permit = dryRun
      ? undefined
      : await takePermit(view.stack, input.onBusy, activities, story);
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
      upsertSearchAttributes(
        searchAttributes({ status: held.length > 0 ? 'degraded' : 'success' }),
      );
      return { dryRun, decisions, held, accepted, removed };
    } catch (error) {
      upsertSearchAttributes(searchAttributes({ status: 'failed' }));
      return raise(error);
    } finally {
      await permit?.release();
    }
  }
}
