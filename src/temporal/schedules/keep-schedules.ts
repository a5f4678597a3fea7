/**
 * The worker's care for its stack's schedules: applied when it starts and looked after from then
 * on. A server that lost its state, or a schedule deleted by mistake, would otherwise be nights
 * without a backup that nobody notices.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { messageOf } from '../../base/errors.js';
import type { ScheduleChange } from '../../plan/schedule/schedule-changes.js';
import type { ScheduleConfig } from '../../plan/schedule/schedule-specs.js';
import { applySchedules } from './schedules.js';

const FIRST_RETRY_MS = 5_000;
const LAST_RETRY_MS = 5 * 60_000;
const AGAIN_MS = 3_600_000;

export interface ScheduleLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export interface KeepOptions {
  readonly signal: AbortSignal;
  readonly log: ScheduleLog;
  readonly firstRetryMs?: number;
}

/**
 * Runs until the signal fires; never rejects: schedules that can't be applied are told and tried
 * again, and the worker goes on.
 */
export async function keepSchedules(
  client: Client,
  config: ScheduleConfig,
  { signal, log, firstRetryMs = FIRST_RETRY_MS }: KeepOptions,
): Promise<void> {
  let retryMs = firstRetryMs;
  while (!signal.aborted) {
    let waitMs = AGAIN_MS;
    try {
      for (const change of await applySchedules(client, config)) tell(change, log);
      retryMs = firstRetryMs;
    } catch (error) {
      if (isAborted(signal)) return;
      log.warn(
        { error: messageOf(error), retryMs },
        'the schedules could not be applied, trying again',
      );
      waitMs = retryMs;
      retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
    }
    await delay(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** Asked again, since it changes while something is awaited. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function tell({ id, action, because, differs }: ScheduleChange, log: ScheduleLog): void {
  const fields = { schedule: id, differs };
  switch (action) {
    case 'keep':
      break;
    case 'create':
      log.info(fields, 'schedule created');
      break;
    case 'remove':
      log.info(fields, 'schedule removed: the configuration no longer has it');
      break;
    case 'update':
      if (because === 'by hand') {
        log.warn(fields, 'schedule was changed by hand: it is again as the configuration says');
      } else {
        log.info(fields, 'schedule updated from the configuration');
      }
      break;
    case 'foreign':
      log.warn(fields, 'a schedule of this id is not Holdfast’s: left alone, nothing runs');
  }
}
