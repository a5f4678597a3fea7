/** Telling people: the log file of the old script's format, and the notification channels. */
import { Context, log } from '@temporalio/activity';
import { setTimeout as delay } from 'node:timers/promises';
import type { NotificationConfig, RunStatus } from '../../src/format/config/schema.js';
import { HoldfastError, isHoldfastError, messageOf } from '../../src/base/errors.js';
import {
  channelName,
  notificationTimestamp,
  sendNotification,
  type Notification,
} from '../../src/notify/notify.js';
import { redactText } from '../../src/base/redact.js';
import { channelKey, deliveredSchema, type DeliverInput } from '../../src/plan/notify/delivery.js';
import { stackQueue } from '../../src/plan/shared/ids.js';
import {
  notificationText,
  runKindOf,
  type KnownSets,
} from '../../src/plan/notify/notification-text.js';
import { readCatalogue } from '../../src/store/catalogue/catalogue.js';
import { guarded, workflowIdOf, type ActivityDependencies } from '../shared/runtime.js';

/** A store on a network disk that is gone must not keep the message about it. */
const CATALOGUE_TIMEOUT_MS = 5_000;

export interface NotifyInput {
  readonly status: RunStatus;
  readonly message: string;
  /** What the error says can be done. */
  readonly hint?: string | undefined;
}

interface Addressed {
  readonly key: string;
  readonly channel: NotificationConfig;
}

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createTellActivities(dependencies: ActivityDependencies) {
  const { config, runLog } = dependencies;
  const all: readonly Addressed[] = config.notifications.map((channel, index) => ({
    key: channelKey(index, channelName(channel)),
    channel,
  }));
  return {
    writeRunLog: guarded(async ({ lines }: { lines: readonly string[] }): Promise<void> => {
      for (const line of lines) await runLog.write(line);
    }),

    /**
     * Tells every channel that wants this status, each once, side by side. Those that fail are
     * handed to a workflow of their own, which goes on trying when the run has long ended; the run
     * waits for one try only.
     */
    notify: guarded(async (input: NotifyInput): Promise<void> => {
      const { info, cancellationSignal: signal } = Context.current();
      const run = runKindOf(info.workflowType ?? '');
      const delivered = new Set(deliveredBefore());
      const wanted = all.filter(
        ({ key, channel }) =>
          channel.on.includes(input.status) && channel.runs.includes(run) && !delivered.has(key),
      );
      if (wanted.length === 0) return;
      const notification = await compose(dependencies, input);
      const left: string[] = [];
      await Promise.all(
        wanted.map(async ({ key, channel }) => {
          try {
            await sendNotification(channel, notification, { signal });
          } catch (error) {
            signal.throwIfAborted();
            const again = !isHoldfastError(error) || error.retryable;
            const then = again ? '; it is tried again for an hour' : '';
            log.warn('notification failed', { channel: key, reason: messageOf(error) });
            await runLog.write(
              `Notification ${channelName(channel)} failed: ${messageOf(error)}${then}`,
            );
            if (again) {
              left.push(key);
              return;
            }
          }
          delivered.add(key);
          Context.current().heartbeat({ delivered: [...delivered] });
        }),
      );
      if (left.length > 0) {
        await handOver(dependencies, { hostId: config.hostId, channels: left, notification });
      }
    }),

    /** One try of one channel. @throws HoldfastError NOTIFY_FAILED, CONFIG_INVALID, CONFIG_CHANGED */
    deliver: guarded(
      async (input: { channel: string; notification: Notification }): Promise<void> => {
        const { info, cancellationSignal: signal } = Context.current();
        const found = all.find(({ key }) => key === input.channel);
        if (found === undefined) {
          throw new HoldfastError(
            'CONFIG_CHANGED',
            `notification ${input.channel} is no longer in the configuration`,
            { facts: { channel: input.channel } },
          );
        }
        await sendNotification(found.channel, input.notification, { signal });
        await runLog.write(
          `Notification ${channelName(found.channel)} delivered late, attempt ${info.attempt + 1}`,
        );
      },
    ),
  };
}

function deliveredBefore(): readonly string[] {
  const parsed = deliveredSchema.safeParse(Context.current().info.heartbeatDetails);
  return parsed.success ? parsed.data.delivered : [];
}

/** The run's words, with what is still good by the sets on disk and what to do. */
async function compose(
  { config }: ActivityDependencies,
  input: NotifyInput,
): Promise<Notification> {
  const { workflowType } = Context.current().info;
  const { status } = input;
  const run = runKindOf(workflowType ?? '');
  const { stack, hostId: host } = config;
  const sets = status === 'success' ? [] : await knownSets(config.backups.root);
  const now = new Date();
  const { title, message } = notificationText(
    { ...input, run, stack, host, workflowId: workflowIdOf() },
    sets,
    now,
    config.schedules.timezone,
  );
  return {
    status,
    title,
    message: redactText(message),
    timestamp: notificationTimestamp(now),
    stack,
    host,
    run,
  };
}

async function knownSets(root: string): Promise<KnownSets | undefined> {
  const done = new AbortController();
  try {
    return await Promise.race([
      readCatalogue(root).then(({ sets }) => sets),
      delay(CATALOGUE_TIMEOUT_MS, undefined, { signal: done.signal, ref: false }),
    ]);
  } catch (error) {
    log.warn('the catalogue could not be read', { reason: messageOf(error) });
    return undefined;
  } finally {
    done.abort();
  }
}

/** By the activity's own id, so that a second attempt finds the first one's workflow. */
async function handOver(
  { client, config }: ActivityDependencies,
  input: DeliverInput,
): Promise<void> {
  const { activityId } = Context.current().info;
  await client.workflow.start('deliverNotifications', {
    taskQueue: stackQueue(config.stack),
    workflowId: `${workflowIdOf()}/notify-${activityId}`,
    workflowIdConflictPolicy: 'USE_EXISTING',
    args: [input],
    staticSummary: `tell ${input.channels.length} that did not answer`,
  });
}
