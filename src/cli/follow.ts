/** Starting a run and staying with it: what backup and restore have in common. */
import type { CliContext } from './context.js';
import type { RunGateway, StartRun } from './ports.js';
import { createReporter } from './progress/reporter.js';
import { watchRun, type WatchOutcome } from './progress/watch.js';

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
): Promise<WatchOutcome> {
  await gateway.start(run);
  return watchRun(context, {
    gateway,
    reporter: createReporter(context),
    workflowId: run.workflowId,
    title: run.summary,
    asks: context.interactive && mayLeave,
  });
}

/** Starts the run and says how to follow it. */
export async function startDetached(
  context: CliContext,
  gateway: RunGateway,
  run: StartRun,
): Promise<void> {
  await gateway.start(run);
  context.emit({ type: 'started', workflowId: run.workflowId, title: run.summary });
  sayDetached(context, gateway, run.workflowId);
}

/** Tells where the run is to be found; the id alone with `--quiet`, for scripts. */
export function sayDetached(context: CliContext, gateway: RunGateway, workflowId: string): void {
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
