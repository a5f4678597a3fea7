/**
 * What the backup schedule starts: works out which tiers it was due for, and backs the stack up for
 * all of them in one reading. It is the backup's own run, not its parent: it is seen, cancelled and
 * failed as one.
 */
import { workflowInfo } from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { dueTiers } from '../../src/plan/schedule/due.js';
import {
  lastResultSchema,
  describeScheduledRun,
  scheduledBackupInputSchema,
  type ScheduledBackupResult,
} from '../../src/plan/schedule/scheduled-backup.js';
import { hostActivities, resolveStack } from '../shared/activity-options.js';
import { backupStack } from '../backup/backup-stack.js';
import { failure, parseInput, raise } from '../shared/failure.js';
import { notifyOnFailure } from '../notify/tell.js';

/** Set by the server: the time the schedule names, before jitter and however late the start is. */
const DUE = defineSearchAttributeKey('TemporalScheduledStartTime', SearchAttributeType.DATETIME);
const SCHEDULE = defineSearchAttributeKey('TemporalScheduledById', SearchAttributeType.KEYWORD);

export async function scheduledBackup(rawInput?: unknown): Promise<ScheduledBackupResult> {
  const { input, view } = await notifyOnFailure('The scheduled backup', async () => {
    const asked = parseInput(scheduledBackupInputSchema, rawInput, 'scheduledBackup');
    const { stack, host } = asked;
    return { input: asked, ...(await resolveStack({ stack, host }).catch(raise)) };
  });
  const { startTime, typedSearchAttributes, lastResult } = workflowInfo();
  const startedAtMs = startTime.getTime();
  const schedule = typedSearchAttributes.get(SCHEDULE);
  const dueAtMs = typedSearchAttributes.get(DUE)?.getTime() ?? startedAtMs;
  const last = lastResultSchema.safeParse(lastResult);
  const { timezone } = input;
  const answer = dueTiers({
    tiers: input.tiers,
    timezone,
    dueAtMs,
    startedAtMs,
    coveredUntilMs: last.success ? Date.parse(last.data.coveredUntil) : undefined,
  });

  // A host that is down says so by the backup's own first step.
  await hostActivities(view.hostId)
    .writeRunLog('log what the run is for', {
      lines: [describeScheduledRun({ schedule, dueAtMs, startedAtMs, timezone }, answer)],
    })
    .catch(() => undefined);

  const result = {
    ...(schedule === undefined ? {} : { schedule }),
    dueAt: new Date(dueAtMs).toISOString(),
    // From when the data was read, not from when it was done: what comes due meanwhile is not in it.
    coveredUntil: startTime.toISOString(),
    tiers: answer.tiers,
  };
  if (answer.reason === 'covered') return { outcome: 'covered', ...result };
  const [tier, ...alsoTiers] = answer.tiers;
  if (tier === undefined) throw failure('INTERNAL', 'a run that is due has no tier');
  const { setId, status } = await backupStack({
    ...(input.stack === undefined ? {} : { stack: input.stack }),
    ...(input.host === undefined ? {} : { host: input.host }),
    tier,
    ...(alsoTiers.length === 0 ? {} : { alsoTiers }),
  });
  return { outcome: 'made', ...result, setId, status };
}
