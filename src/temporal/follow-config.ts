/**
 * What follows the configuration while the worker runs: the schedules, the lock that tells others of
 * the worker, and people, who are told of an edit that can't be used before the next run has to do
 * without it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { surveyStack } from '../../activities/survey/stack-survey.js';
import type { ConfigTrouble, LiveConfig } from '../config/live.js';
import { formatPath } from '../config/check/problems.js';
import type { Config } from '../format/config/schema.js';
import { connectEngine } from '../docker/engine/engine.js';
import { messageOf } from '../base/errors.js';
import { channelName, notificationTimestamp } from '../notify/notify.js';
import { redactText } from '../base/redact.js';
import { RunLog } from '../observe/run-log.js';
import { channelKey, type DeliverInput } from '../plan/notify/delivery.js';
import { stackQueue } from '../plan/shared/ids.js';
import { nameUncovered } from '../plan/backup/uncovered.js';
import { keepSchedules, type ScheduleLog } from './schedules/keep-schedules.js';
import { asOnlyWorker } from './worker-lock.js';

/** Soon enough for a person who saves the file and waits for what happens. */
const LOOK_EVERY_MS = 5_000;

export interface FollowOptions {
  readonly signal: AbortSignal;
  readonly log: ScheduleLog;
  readonly everyMs?: number;
}

/** Runs until the signal fires; never rejects. */
export async function followConfig(
  live: LiveConfig,
  client: Client,
  { signal, log, everyMs = LOOK_EVERY_MS }: FollowOptions,
): Promise<void> {
  let schedules:
    | { readonly digest: string; readonly stop: AbortController; readonly kept: Promise<void> }
    | undefined;
  let told: string | undefined;
  const roots = new Set([live.state.config.backups.root]);
  while (!signal.aborted) {
    const { config, trouble } = await live.refresh();
    if (schedules?.digest !== config.digest) {
      if (schedules !== undefined) {
        schedules.stop.abort();
        const text = `${config.file} was read again: runs from now on go by it`;
        log.info({ digest: config.digest }, text);
        await new RunLog(config.log?.file).write(text);
      }
      const stop = new AbortController();
      const until = AbortSignal.any([signal, stop.signal]);
      // One after the other: what an older version applies late must not be the last word.
      const kept = (schedules?.kept ?? Promise.resolve()).then(() =>
        config.schedules.apply === 'onStart'
          ? keepSchedules(client, config, { signal: until, log })
          : undefined,
      );
      schedules = { digest: config.digest, stop, kept };
      void logSurvey(config, log, until);
      const { root } = config.backups;
      if (!roots.has(root)) {
        roots.add(root);
        void asOnlyWorker(config, () => untilAborted(signal)).catch((error: unknown) => {
          log.warn({ root, error: messageOf(error) }, 'the lock of the worker can’t be taken');
        });
      }
    }
    if (trouble?.message !== told) {
      told = trouble?.message;
      if (trouble === undefined) log.info({}, `${config.file} is right again`);
      else await alarm(client, config, trouble, log);
    }
    await delay(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** What the host lacks of the configuration, and what the configuration lacks of the host. */
async function logSurvey(config: Config, log: ScheduleLog, signal: AbortSignal): Promise<void> {
  try {
    const { findings, uncovered } = await surveyStack(config, connectEngine(), signal);
    for (const { severity, code, path, message, fix } of findings) {
      if (severity === 'error') log.warn({ code, where: formatPath(path), fix }, message);
    }
    const [first, ...more] = uncovered;
    if (first === undefined) return;
    const others = more.length === 0 ? '' : ` and ${more.length} more`;
    log.info({ uncovered: uncovered.length }, `no source covers ${nameUncovered(first)}${others}`);
  } catch (error) {
    if (!signal.aborted) log.warn({}, `the host could not be looked over: ${messageOf(error)}`);
  }
}

/** To the log, the run log, and every channel that is told of failed checks, which is what this is. */
async function alarm(
  client: Client,
  config: Config,
  { message, hint }: ConfigTrouble,
  log: ScheduleLog,
): Promise<void> {
  log.warn({ hint }, message);
  await new RunLog(config.log?.file).write(message.replaceAll('\n', ' '));
  const channels = config.notifications.flatMap((channel, index) =>
    channel.on.includes('failed') && channel.runs.includes('check')
      ? [channelKey(index, channelName(channel))]
      : [],
  );
  if (channels.length === 0) return;
  const now = new Date();
  const { stack, hostId } = config;
  const input: DeliverInput = {
    hostId,
    channels,
    notification: {
      status: 'failed',
      title: `${stack} on ${hostId}: the configuration can't be used as it is now`,
      message: redactText(`${message}\n${hint}`),
      timestamp: notificationTimestamp(now),
      stack,
      host: hostId,
      run: 'check',
    },
  };
  try {
    await client.workflow.start('deliverNotifications', {
      taskQueue: stackQueue(stack),
      workflowId: `holdfast/${stack}/config/${now.toISOString()}`,
      args: [input],
      staticSummary: "tell that the configuration can't be used as it is now",
    });
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'nobody could be told of the configuration');
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
