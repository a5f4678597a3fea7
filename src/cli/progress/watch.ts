/** Watches one run to its end, or until the person leaves it. */
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '../../base/errors.js';
import type { CliContext } from '../host/context.js';
import type { RunGateway } from '../host/ports.js';
import { toHoldfastError } from '../output/report-error.js';
import { handleInterrupts } from './interrupts.js';
import type { Reporter, RunTitle } from './reporter-contract.js';
import { ProgressTracker } from './tracker.js';

const POLL_MS = 500;
/** After this time without an answer of a worker we say so. */
const NO_WORKER_MS = 8_000;
/** How long an unreachable server may stay so before we give up watching. */
const UNREACHABLE_MS = 120_000;
const RETRY_MS = 1_000;
/** The last look at a run that has just ended must not hold up its result. */
const LAST_LOOK_MS = 3_000;

export type WatchOutcome =
  | { readonly type: 'finished'; readonly result: unknown }
  /** The run goes on without us. */
  | { readonly type: 'left'; readonly how: 'detached' | 'interrupted' };

export interface Watching extends RunTitle {
  readonly gateway: RunGateway;
  readonly reporter: Reporter;
  /** Ask at Ctrl-C? Otherwise it cancels. */
  readonly asks: boolean;
  /** Cancels a run that no worker has answered for by then; without it the run waits for one. */
  readonly giveUpMs?: number;
}

/**
 * Polls the run and shows it until it ends.
 * @throws HoldfastError the run's own when it failed, CANCELLED when it was cancelled
 */
export async function watchRun(context: CliContext, run: Watching): Promise<WatchOutcome> {
  const { gateway, reporter, workflowId } = run;
  const tracker = new ProgressTracker(Date.now());
  const over = new AbortController();
  let release = (): void => undefined;
  reporter.begin(run);
  const left = new Promise<WatchOutcome>((resolve) => {
    release = handleInterrupts(
      context,
      { reporter, asks: run.asks },
      {
        cancel: () => {
          gateway.cancel(workflowId).catch((error: unknown) => {
            reporter.note(`the cancel did not arrive: ${toHoldfastError(error).message}`);
          });
        },
        leave: (how) => resolve({ type: 'left', how }),
      },
    );
  });
  const showing = showUntil(over.signal, run, tracker);
  try {
    const outcome = await Promise.race([
      left,
      finish(run, over.signal),
      ...(run.giveUpMs === undefined ? [] : [unanswered(run, run.giveUpMs, tracker, over.signal)]),
    ]);
    over.abort();
    await showing;
    if (outcome.type === 'finished') await lastLook(run, tracker, 'done');
    return outcome;
  } catch (error) {
    over.abort();
    await showing;
    await lastLook(run, tracker, 'unfinished');
    throw error;
  } finally {
    over.abort();
    release();
    reporter.end(tracker.picture(Date.now()), Date.now());
  }
}

/** @throws HoldfastError NO_WORKER; never settles where a worker has answered by then */
async function unanswered(
  { gateway, workflowId }: Watching,
  giveUpMs: number,
  tracker: ProgressTracker,
  over: AbortSignal,
): Promise<never> {
  const never = new Promise<never>(() => undefined);
  try {
    await delay(giveUpMs, undefined, { signal: over });
  } catch {
    return never;
  }
  if (tracker.picture(Date.now()).answered) return never;
  await gateway.cancel(workflowId);
  throw new HoldfastError('NO_WORKER', `no worker has answered for ${workflowId}`, {
    hint: 'start one with `holdfast up` or `holdfast worker`; nothing was changed',
    facts: { workflowId, address: gateway.address },
  });
}

/** Draws on a steady beat; a slow answer of the server delays news, never the clock. */
async function showUntil(
  signal: AbortSignal,
  { gateway, reporter, workflowId }: Watching,
  tracker: ProgressTracker,
): Promise<void> {
  let looking: Promise<void> | undefined;
  let told = false;
  const look = async (): Promise<void> => {
    try {
      const snapshot = await gateway.snapshot(workflowId);
      if (!signal.aborted) tracker.update(snapshot, Date.now());
    } catch {
      // The server is away or slow; the wait for the result decides when that is an error.
    }
    looking = undefined;
  };
  while (!signal.aborted) {
    looking ??= look();
    const now = Date.now();
    const picture = tracker.picture(now);
    reporter.show(picture, now);
    if (!picture.answered && !told && picture.elapsedMs > NO_WORKER_MS) {
      told = true;
      reporter.note(
        'no worker has answered yet; start one with `holdfast up` or `holdfast worker`',
      );
    }
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** The run's result, also across a restart of the server. */
async function finish(
  { gateway, reporter, workflowId }: Watching,
  signal: AbortSignal,
): Promise<WatchOutcome> {
  let awaySinceMs: number | undefined;
  for (;;) {
    try {
      return { type: 'finished', result: await gateway.result(workflowId) };
    } catch (error) {
      const status = await statusOf(gateway, workflowId);
      if (signal.aborted || (status !== 'running' && status !== 'unknown')) throw error;
      if (status === 'running') {
        awaySinceMs = undefined;
      } else if (awaySinceMs === undefined) {
        awaySinceMs = Date.now();
        reporter.note('Temporal does not answer; the run goes on, trying again');
      } else if (Date.now() - awaySinceMs > UNREACHABLE_MS) {
        throw new HoldfastError(
          'TEMPORAL_UNREACHABLE',
          `Temporal at ${gateway.address} stopped answering while ${workflowId} was running`,
          {
            hint: 'the run continues as soon as Temporal and the worker are back',
            facts: { workflowId, address: gateway.address },
            cause: error,
          },
        );
      }
      await delay(RETRY_MS);
    }
  }
}

async function statusOf(
  gateway: RunGateway,
  workflowId: string,
): Promise<Awaited<ReturnType<RunGateway['snapshot']>>['status'] | 'unknown'> {
  try {
    return (await gateway.snapshot(workflowId)).status;
  } catch {
    return 'unknown';
  }
}

async function lastLook(
  { gateway, workflowId }: Watching,
  tracker: ProgressTracker,
  openSteps: 'done' | 'unfinished',
): Promise<void> {
  const stop = new AbortController();
  let isKnown = false;
  try {
    const snapshot = await Promise.race([
      gateway.snapshot(workflowId),
      delay(LAST_LOOK_MS, undefined, { signal: stop.signal }),
    ]);
    if (snapshot !== undefined) tracker.update(snapshot, Date.now());
    isKnown = snapshot?.view !== undefined;
  } catch {
    // What we know already has to do.
  } finally {
    stop.abort();
  }
  const open = openSteps === 'unfinished' && !isKnown ? 'unknown' : openSteps;
  tracker.close(open, Date.now());
}
