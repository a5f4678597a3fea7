/** Dead-man switches are told that a run has begun, so that they can tell one that never ends. */
import { Context } from '@temporalio/activity';
import { messageOf } from '../../src/base/errors.js';
import { channelName, sendStartPing } from '../../src/notify/notify.js';
import { runKindOf } from '../../src/plan/notify/notification-text.js';
import type { ActivityDependencies } from '../shared/runtime.js';

/**
 * Shorter than any run that is worth watching: a start that arrives after the end would make the
 * receiver wait for an end that was told already.
 */
const TIMEOUT_MS = 5_000;

/** Sends the pings beside whatever comes next; never waits, never throws. First attempts only. */
export function pingStart({ config, runLog }: ActivityDependencies): void {
  const { attempt, workflowType, workflowExecution } = Context.current().info;
  if (attempt > 1) return;
  const run = runKindOf(workflowType ?? '');
  const message = `${config.stack} on ${config.hostId}: ${run} started, ${workflowExecution?.workflowId ?? ''}`;
  for (const channel of config.notifications) {
    if (channel.type !== 'ping' || !channel.runs.includes(run)) continue;
    sendStartPing(channel, message, { timeoutMs: TIMEOUT_MS }).catch((error: unknown) =>
      runLog.write(`Start ping of ${channelName(channel)} failed: ${messageOf(error)}`),
    );
  }
}
