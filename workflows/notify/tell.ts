/** The end of a run, said to whoever is to know. */
import {
  CancellationScope,
  isCancellation,
  patched,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { messageOf } from '../../src/base/errors.js';
import { stackTelling, type Telling } from '../shared/activity-options.js';
import { causeOf } from '../shared/failure.js';
import { searchAttributes } from '../shared/support.js';

/**
 * Writes the message to the log and notifies the channels. A receiver that is down must not change
 * how the run ended: failures count for nothing, but a cancellation is passed on when asked for.
 */
export async function notifyEnd(
  activities: Telling,
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

/** Is only asked what would be done? Read before the input is checked: that may fail, too. */
export function asksDryRun(rawInput: unknown): boolean {
  return (
    typeof rawInput === 'object' &&
    rawInput !== null &&
    'dryRun' in rawInput &&
    rawInput.dryRun === true
  );
}

/**
 * Tells when `work` fails. For what comes before a run holds the permit: without this a run that waits in
 * vain, or is given something it can't use, ends without anybody hearing of it.
 */
export async function notifyOnFailure<T>(
  /** What the run is, as a sentence begins: `Backup of ml`. */
  what: string,
  work: () => Promise<T>,
  options: {
    /** The host's, where it is known; else any worker of the stack tells it. */
    readonly activities?: Telling;
    /** Somebody asked for a cancel; but what was due is not done. */
    readonly alsoCancelled?: boolean;
    /** Somebody looks on, and nothing was to be changed. */
    readonly silent?: boolean;
  } = {},
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const cancelled = isCancellation(error);
    const wanted = options.silent !== true && (!cancelled || options.alsoCancelled === true);
    if (wanted && patched('early-failures-are-told')) {
      const { message, hint } = causeOf(error);
      const said = cancelled ? 'was cancelled before it began' : `could not begin: ${message}`;
      upsertSearchAttributes(searchAttributes({ status: cancelled ? 'cancelled' : 'failed' }));
      await CancellationScope.nonCancellable(() =>
        notifyEnd(options.activities ?? stackTelling(), 'failed', `${what} ${said}`, {
          hint: cancelled ? undefined : hint,
        }),
      );
    }
    throw error;
  }
}
