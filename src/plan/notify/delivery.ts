/** The shapes of delivering notifications: what activities remember and what the workflow is given. */
import { z } from 'zod';
import { runKindSchema } from '../../format/config/notifications.js';

/** A message as it was when the run ended: a late delivery must not say another time. */
export const notificationPayloadSchema = z.strictObject({
  status: z.enum(['success', 'degraded', 'failed']),
  message: z.string(),
  timestamp: z.string(),
  title: z.string(),
  stack: z.string(),
  host: z.string(),
  run: runKindSchema,
});

export const deliverInputSchema = z.strictObject({
  hostId: z.string().min(1),
  /** Keys of the channels that did not get it yet, see `channelKey`. */
  channels: z.array(z.string()).min(1),
  notification: notificationPayloadSchema,
});
export type DeliverInput = z.output<typeof deliverInputSchema>;

/** The heartbeat of `notify`: a second attempt tells nobody twice. */
export const deliveredSchema = z.object({ delivered: z.array(z.string()) });

/** Names may be missing or given twice; with its place in the list a channel is itself. */
export function channelKey(index: number, name: string): string {
  return `${index + 1}:${name}`;
}
