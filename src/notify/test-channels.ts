/** Tries the channels of a configuration, each by itself, for `holdfast notify test`. */
import type { RunStatus } from '../format/config/notifications.js';
import type { Config } from '../format/config/schema.js';
import { isHoldfastError, messageOf } from '../base/errors.js';
import {
  channelName,
  notificationTimestamp,
  sendNotification,
  type SendOptions,
} from './notify.js';

export interface ChannelOutcome {
  readonly channel: string;
  readonly type: string;
  readonly ok: boolean;
  readonly durationMs: number;
  readonly code?: string;
  readonly error?: string;
  readonly hint?: string;
}

/** Sends a test message to the channels at these places of the list, side by side. Never rejects. */
export async function testChannels(
  config: Config,
  what: { readonly indices: readonly number[]; readonly status: RunStatus },
  options: SendOptions = {},
): Promise<readonly ChannelOutcome[]> {
  const { stack, hostId: host } = config;
  const notification = {
    status: what.status,
    title: `${stack} on ${host}: test`,
    message: `Test of the notifications of ${stack} on ${host}. Nothing has happened.`,
    timestamp: notificationTimestamp(new Date()),
    stack,
    host,
    run: 'backup' as const,
  };
  const channels = config.notifications.filter((_, index) => what.indices.includes(index));
  return Promise.all(
    channels.map(async (channel): Promise<ChannelOutcome> => {
      const startedMs = performance.now();
      const outcome = { channel: channelName(channel), type: channel.type };
      const durationMs = (): number => Math.round(performance.now() - startedMs);
      try {
        await sendNotification(channel, notification, options);
        return { ...outcome, ok: true, durationMs: durationMs() };
      } catch (error) {
        return {
          ...outcome,
          ok: false,
          durationMs: durationMs(),
          error: messageOf(error),
          ...(isHoldfastError(error) ? { code: error.code } : {}),
          ...(isHoldfastError(error) && error.hint !== undefined ? { hint: error.hint } : {}),
        };
      }
    }),
  );
}
