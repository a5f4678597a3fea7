/** Starting a run and staying with it: what the commands that start one have in common. */
import type { Config } from '../../format/config/schema.js';
import type { CliContext } from './context.js';
import type { ExitCode } from '../output/exit.js';
import type { RunGateway, StartRun } from './ports.js';
import { createReporter, silentReporter } from '../progress/reporter.js';
import { requireWorker } from './require-worker.js';
import { watchRun, type WatchOutcome } from '../progress/watch.js';

/** A plan that no worker answers for so long is given up: it changes nothing. */
const PLAN_UNANSWERED_MS = 60_000;

/** Connects, does the work, and always gives the connection back. */
export async function withRuns<T>(
  context: CliContext,
  work: (gateway: RunGateway) => Promise<T>,
): Promise<T> {
  const gateway = await context.ports.connectRuns();
  try {
    return await work(gateway);
  } finally {
    await gateway.close();
  }
}

/** Starts the run and watches it with the reporter that fits where the output goes. */
export async function startAndWatch(
  context: CliContext,
  gateway: RunGateway,
  run: StartRun,
  /** May the person leave the run to itself? */
  mayLeave = true,
): Promise<Watched> {
  const workflowId = await begin(context, gateway, run);
  const outcome = await watchRun(context, {
    gateway,
    reporter: createReporter(context),
    workflowId,
    title: run.summary,
    asks: context.interactive && mayLeave,
  });
  return { ...outcome, workflowId };
}

/** How watching a run ended, and the id the run has. */
export type Watched = WatchOutcome & { readonly workflowId: string };

/**
 * @returns the id the run has: not the one it was to have where that was taken in the same second
 * @throws HoldfastError NO_WORKER
 */
async function begin(context: CliContext, gateway: RunGateway, run: StartRun): Promise<string> {
  await requireWorker(context, gateway, run.input);
  return gateway.start(run);
}

/** The stack of the configuration, and its host where it names one, as a run's input has them. */
export function targetOf(config: Config): { stack: string; host?: string } {
  return {
    stack: config.stack,
    // Without a host, a worker elsewhere may be meant; its name is not ours to guess.
    ...(config.host === undefined ? {} : { host: config.host.id }),
  };
}

/** Starts a run that only plans, and waits for it in silence. @returns its result unless it was left */
export async function planOf(
  context: CliContext,
  gateway: RunGateway,
  run: StartRun,
): Promise<unknown> {
  const workflowId = await begin(context, gateway, run);
  const outcome = await watchRun(context, {
    gateway,
    reporter: { ...silentReporter(), note: (text) => context.warn(text) },
    workflowId,
    title: run.summary,
    asks: false,
    giveUpMs: PLAN_UNANSWERED_MS,
  });
  return outcome.type === 'left' ? undefined : outcome.result;
}

/** What a person is told who left a run that goes on without the command. */
export function leave(
  context: CliContext,
  gateway: RunGateway,
  { workflowId, how }: Extract<Watched, { type: 'left' }>,
): ExitCode {
  reportDetached(context, gateway, workflowId);
  return how === 'detached' ? 0 : 130;
}

/** Starts the run and says how to follow it. */
export async function startDetached(
  context: CliContext,
  gateway: RunGateway,
  run: StartRun,
): Promise<void> {
  const workflowId = await begin(context, gateway, run);
  context.emit({ type: 'started', workflowId, title: run.summary });
  reportDetached(context, gateway, workflowId);
}

/** Tells where the run is to be found; the id alone with `--quiet`, for scripts. */
export function reportDetached(context: CliContext, gateway: RunGateway, workflowId: string): void {
  const watchWith = watchCommand(gateway, workflowId);
  if (context.options.json) {
    context.emit({ type: 'result', detached: true, workflowId, watchWith });
    return;
  }
  if (context.options.quiet) {
    context.print(workflowId);
    return;
  }
  context.say(`the run goes on by itself: ${workflowId}`);
  context.say('watch it with:');
  context.say(`  ${watchWith}`);
}

/** The `temporal` command that follows a run on this server. */
export function watchCommand(
  { address, namespace }: Pick<RunGateway, 'address' | 'namespace'>,
  workflowId: string,
): string {
  return [
    `temporal workflow show -w ${shellQuote(workflowId)} --follow`,
    ...(['127.0.0.1:7233', 'localhost:7233'].includes(address) ? [] : [`--address ${address}`]),
    ...(namespace === 'default' ? [] : [`--namespace ${shellQuote(namespace)}`]),
  ].join(' ');
}

function shellQuote(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
