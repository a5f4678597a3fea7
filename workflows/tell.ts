/** The end of a run, said to whoever is to know. */
import { isCancellation } from '@temporalio/workflow';

import { messageOf } from '../src/errors.js';
import type { HostCalls } from './activity-options.js';

/**
 * Writes the message to the log and notifies the channels. A receiver that is down must not change
 * how the run ended: failures count for nothing, but a cancellation is passed on when asked for.
 */
export async function tell(
  activities: HostCalls,
  status: 'success' | 'degraded' | 'failed',
  message: string,
  options: {
    /** What can be done; goes into the notification. */
    readonly hint?: string | undefined;
    /** Only the log: nobody waits for this. */
    readonly silent?: boolean;
    /** @throws Error when the run is cancelled meanwhile */
    readonly heedCancel?: boolean;
  } = {},
): Promise<void> {
  const { hint } = options;
  const outcomes = await Promise.allSettled([
    activities.writeRunLog('log the result', { lines: [message] }),
    ...(options.silent === true
      ? []
      : [activities.notify(`notify: ${status}`, { status, message, hint })]),
  ]);
  if (options.heedCancel !== true) return;
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected' && isCancellation(outcome.reason)) {
      throw new Error(messageOf(outcome.reason), { cause: outcome.reason });
    }
  }
}
