/** Telling people: the log file of the old script's format, and the notification channels. */
import { Context, log } from '@temporalio/activity';
import type { RunStatus } from '../src/config/schema.js';
import { messageOf } from '../src/errors.js';
import { notificationTimestamp, sendNotification } from '../src/observe/notify.js';
import { guarded, type ActivityDependencies } from './runtime.js';

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createTellActivities({ config, runLog }: ActivityDependencies) {
  return {
    writeRunLog: guarded(async ({ lines }: { lines: readonly string[] }): Promise<void> => {
      for (const line of lines) await runLog.write(line);
    }),

    /** Tells every channel that wants this status. One that fails doesn't keep the others waiting. */
    notify: guarded(
      async ({ status, message }: { status: RunStatus; message: string }): Promise<void> => {
        const { attempt } = Context.current().info;
        const payload = { status, message, timestamp: notificationTimestamp(new Date()) };
        const channels = config.notifications.filter(({ on }) => on.includes(status));
        const outcomes = await Promise.allSettled(
          channels.map((channel) =>
            sendNotification(channel, payload, { signal: Context.current().cancellationSignal }),
          ),
        );
        const failed = outcomes.flatMap((outcome): unknown[] =>
          outcome.status === 'rejected' ? [outcome.reason] : [],
        );
        if (failed.length === 0) return;
        log.warn('notification failed', { attempt, reasons: failed.map(messageOf) });
        await runLog.write(`Notification failed: ${failed.map(messageOf).join('; ')}`);
        // Retrying would tell the channels that did get it a second time.
        if (failed.length === channels.length) throw failed[0];
      },
    ),
  };
}
