/**
 * The check: are the backups there, young, whole, of plausible size? It takes no permit: it only
 * looks, and most of all while a run hangs. It fails when something is critical.
 */
import { isCancellation, upsertSearchAttributes } from '@temporalio/workflow';
import {
  checkBackupsInputSchema,
  type CheckBackupsResult,
} from '../../src/plan/check/check-types.js';
import type { CheckFinding } from '../../src/plan/check/check-facts.js';
import { hostActivities, resolveStack } from '../shared/activity-options.js';
import { causeOf, failure, parseInput, raise } from '../shared/failure.js';
import { Story } from '../shared/story.js';
import { searchAttributes } from '../shared/support.js';
import { notifyEnd, notifyOnFailure } from '../notify/tell.js';

const STATUS = { ok: 'success', warning: 'degraded', critical: 'failed' } as const;

export async function checkBackups(rawInput?: unknown): Promise<CheckBackupsResult> {
  const story = new Story('check of the backups');
  const { view, tellCheckSuccess } = await notifyOnFailure('The check of the backups', () => {
    const { stack, host } = parseInput(checkBackupsInputSchema, rawInput, 'checkBackups');
    return resolveStack({ stack, host }).catch(raise);
  });
  const activities = hostActivities(view.hostId);
  upsertSearchAttributes(searchAttributes({ stack: view.stack, status: 'running' }));
  story.phase('checking');
  const result = await activities
    .checkStore('look at the store and the schedules', { stack: view.stack })
    .catch(
      // A check that can't be made is no good news.
      async (error: unknown): Promise<never> => {
        if (isCancellation(error)) throw error;
        upsertSearchAttributes(searchAttributes({ status: 'failed' }));
        const { message } = causeOf(error);
        await notifyEnd(activities, 'failed', `The backups could not be checked: ${message}`);
        return raise(error);
      },
    );
  const { worst, findings } = result;
  for (const { subject, code, severity, message } of findings) {
    story.step(subject, code, severity === 'ok' ? 'done' : 'failed', message);
  }
  const status = STATUS[worst];
  story.phase(status);
  upsertSearchAttributes(searchAttributes({ status }));
  const message = summaryOf(view.stack, findings);
  const hint = 'holdfast check tells it again, with what to do';
  if (worst !== 'ok' || tellCheckSuccess === true) {
    await notifyEnd(activities, status, message, { hint: worst === 'ok' ? undefined : hint });
  }
  if (worst === 'critical') {
    throw failure('CHECK_FAILED', message, {
      hint,
      details: [result],
    });
  }
  return result;
}

function summaryOf(stack: string, findings: readonly CheckFinding[]): string {
  const bad = findings.filter(({ severity }) => severity !== 'ok');
  if (bad.length === 0) return `The backups of ${stack} are all well`;
  const said = bad.map(({ severity, message }) => `${severity}: ${message}`);
  return `The backups of ${stack} need attention: ${said.join('; ')}`;
}
