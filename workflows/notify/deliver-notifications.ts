/**
 * Delivers a message to the channels that did not take it when the run ended. Each has its own
 * activity with its own retries: one that is down neither holds the run, nor the others, nor lets
 * them get it twice.
 */
import { deliverInputSchema } from '../../src/plan/notify/delivery.js';
import { hostActivities } from '../shared/activity-options.js';
import { causeOf, failure, parseInput } from '../shared/failure.js';

export async function deliverNotifications(rawInput?: unknown): Promise<void> {
  const { hostId, channels, notification } = parseInput(
    deliverInputSchema,
    rawInput,
    'deliverNotifications',
  );
  const activities = hostActivities(hostId);
  const outcomes = await Promise.allSettled(
    channels.map((channel) => activities.deliver(`tell ${channel}`, { channel, notification })),
  );
  const lost = outcomes.flatMap((outcome, index) =>
    outcome.status === 'rejected'
      ? [`${channels[index] ?? ''}: ${causeOf(outcome.reason).message}`]
      : [],
  );
  if (lost.length === 0) return;
  const message = `not delivered: ${lost.join('; ')}`;
  await activities
    .writeRunLog('log what was not delivered', { lines: [`Notification ${message}`] })
    .catch(() => undefined);
  throw failure('NOTIFY_FAILED', message, {
    hint: 'holdfast notify test tries every channel and says what is wrong',
  });
}
