/**
 * What every activity shares: its dependencies, the mapping of errors to Temporal's, heartbeats with
 * progress, and the watchdog that ends work which no longer moves.
 */
import { ApplicationFailure, Context, log } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { z } from 'zod';
import type { LiveConfig } from '../../src/config/live.js';
import type { SourceConfig } from '../../src/format/config/sources.js';
import type { Config, ServiceConfig } from '../../src/format/config/schema.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { HoldfastError, isHoldfastError, messageOf } from '../../src/base/errors.js';
import type { Metrics } from '../../src/observe/metrics.js';
import type { RunLog } from '../../src/observe/run-log.js';
import type { ActivityHeartbeat } from '../../src/plan/shared/inputs.js';
import type { RunIdentity } from '../../src/format/run-identity.js';
import { fromSystemError } from '../../src/base/files/system-error.js';
import type { Progress, Work } from '../../src/base/progress.js';
import { own } from '../../src/base/own.js';

export interface ActivityDependencies {
  /** The version the run works with. */
  readonly config: Config;
  /** Where the file is read anew for each run: a worker has it, simulated hosts need not. */
  readonly live?: LiveConfig;
  readonly engine: Engine;
  readonly runLog: RunLog;
  readonly client: Client;
  readonly metrics: Metrics;
  /** The present, where it is not the clock's: retention and set ids of simulated months. */
  readonly now?: () => Date;
}

/** What time it is for the store: ids of sets, their age, what is due. */
export function timeOf({ now }: Pick<ActivityDependencies, 'now'>): Date {
  return now?.() ?? new Date();
}

/** How often a running activity tells how far it is; the worker's throttle is set to match. */
const HEARTBEAT_MS = 2_000;
/** Work that moved nothing for this long hangs: a dead NFS server, a lock nobody gives back. */
const STALL_MS = 30 * 60_000;

/**
 * Wraps every activity of a family: our errors become Temporal failures with the code as type, and
 * are retried only if the code says so; a cancelled activity ends with the signal's own reason.
 */
export function guarded<Input, Output>(
  activity: (input: Input) => Promise<Output>,
): (input: Input) => Promise<Output> {
  return async (input) => {
    try {
      return await activity(input);
    } catch (error) {
      const { cancellationSignal } = Context.current();
      if (cancellationSignal.aborted) throw cancellationSignal.reason;
      throw toFailure(error);
    }
  };
}

function toFailure(thrown: unknown): unknown {
  const error = isHoldfastError(thrown) ? thrown : fromSystemError(thrown);
  if (error === undefined) {
    log.error('unexpected error', { error: messageOf(thrown) });
    return thrown;
  }
  return ApplicationFailure.create({
    type: error.code,
    message: shorten(error.message),
    nonRetryable: !error.retryable,
    details: [{ hint: error.hint, facts: error.facts }],
    ...(error.cause instanceof Error ? { cause: error.cause } : {}),
  });
}

/** What a program said may be as long as the names of files are, and Temporal keeps a few kilobytes. */
const LONGEST_MESSAGE = 2_000;

function shorten(text: string): string {
  if (text.length <= LONGEST_MESSAGE) return text;
  const half = LONGEST_MESSAGE / 2;
  return `${text.slice(0, half)} … ${text.slice(-half)}`;
}

/**
 * Runs long work with heartbeats that carry its progress. The work's signal fires when the activity
 * is cancelled and when nothing has moved for half an hour.
 */
export async function withHeartbeat<T>(
  subject: { readonly service: string; readonly source: string },
  phase: string,
  work: (work: Work, checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const stalled = new AbortController();
  const signal = AbortSignal.any([context.cancellationSignal, stalled.signal]);
  let latest: Progress = { phase, bytes: 0, entries: 0, totalBytes: 0 };
  let changedAt = Date.now();
  let saved = earlierCheckpoint(context.info.heartbeatDetails);
  const beat = (): void => {
    const details: ActivityHeartbeat = {
      ...subject,
      ...latest,
      ...(saved === undefined ? {} : { checkpoint: saved }),
      changedAt: new Date(changedAt).toISOString(),
    };
    context.heartbeat(details);
    if (Date.now() - changedAt > STALL_MS) {
      stalled.abort(
        new HoldfastError(
          'STALLED',
          `${subject.service}/${subject.source}: no progress in ${latest.phase} for ${STALL_MS / 60_000} minutes`,
          { facts: { phase: latest.phase, bytes: latest.bytes } },
        ),
      );
    }
  };
  const timer = setInterval(beat, HEARTBEAT_MS);
  beat();
  try {
    return await work(
      {
        signal,
        report: (progress) => {
          if (
            progress.bytes !== latest.bytes ||
            progress.entries !== latest.entries ||
            progress.phase !== latest.phase
          ) {
            changedAt = Date.now();
          }
          latest = progress;
        },
      },
      {
        earlier: saved,
        save: (value) => {
          saved = value;
        },
      },
    );
  } finally {
    clearInterval(timer);
  }
}

/** What survives the attempt: the next one of the same activity is given what this one saved last. */
export interface Checkpoint {
  /** Of the attempt before; undefined at the first. */
  readonly earlier: Readonly<Record<string, number>> | undefined;
  readonly save: (value: Readonly<Record<string, number>>) => void;
}

const checkpointSchema = z.object({ checkpoint: z.record(z.string(), z.number()) });

function earlierCheckpoint(details: unknown): Readonly<Record<string, number>> | undefined {
  return checkpointSchema.safeParse(details).data?.checkpoint;
}

/** Heartbeats without progress, for waits that are bounded by their own time-out. */
export async function whileWaiting<T>(
  subject: { readonly service: string; readonly source: string },
  phase: string,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withHeartbeat(subject, phase, ({ signal }) => wait(signal));
}

/** @throws HoldfastError CONFIG_CHANGED when the worker was started anew with another file meanwhile */
export function checkDigest(config: Config, configDigest: string): void {
  if (config.digest !== configDigest) {
    throw new HoldfastError(
      'CONFIG_CHANGED',
      `the configuration ${config.file} changed while the run was in progress`,
      { hint: 'start the run again' },
    );
  }
}

/** @throws HoldfastError UNKNOWN_SERVICE */
export function serviceOf(config: Config, service: string): ServiceConfig {
  const found = own(config.services, service);
  if (found === undefined) {
    throw new HoldfastError('UNKNOWN_SERVICE', `${config.file} has no service ${service}`, {
      facts: { service, known: Object.keys(config.services) },
    });
  }
  return found;
}

/** @throws HoldfastError UNKNOWN_SERVICE, UNKNOWN_SOURCE */
export function sourceOf(config: Config, service: string, source: string): SourceConfig {
  const found = own(serviceOf(config, service).sources, source);
  if (found === undefined) {
    throw new HoldfastError('UNKNOWN_SOURCE', `service ${service} has no source ${source}`, {
      facts: { service, source },
    });
  }
  return found;
}

/** The run this activity works for. */
export function workflowIdOf(): string {
  return runOf().workflowId;
}

/** The very run this activity works for: records of what it does are its own. */
export function runOf(): RunIdentity {
  const { workflowExecution } = Context.current().info;
  return workflowExecution === undefined
    ? { workflowId: '' }
    : { workflowId: workflowExecution.workflowId, runId: workflowExecution.runId };
}

/** The compose project's name: configured, or the service's. */
export function projectOf(name: string, service: ServiceConfig): string | undefined {
  return service.compose === undefined ? undefined : (service.compose.project ?? name);
}
