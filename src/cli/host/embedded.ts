/**
 * A restore must work on a bare machine, with the configuration and the backups alone: where no
 * Temporal answers, one is started for the run, and a worker with it.
 */
import type { Config } from '../../format/config/schema.js';
import { HoldfastError } from '../../base/errors.js';
import type { CliContext } from './context.js';
import { startUnlessAnswering } from './dev-temporal.js';
import type { ExitCode } from '../output/exit.js';
import { withRuns } from './follow.js';
import type { RunGateway } from './ports.js';
import { probeAddress } from './probe-address.js';

/**
 * Does the work with the Temporal that answers, else with one of its own that ends with it.
 * @param work told whether it is `embedded`: then nothing goes on when it returns
 * @throws HoldfastError TEMPORAL_UNREACHABLE where TEMPORAL_ADDRESS names another host, which is silent
 */
export async function withRunsAnywhere<T>(
  context: CliContext,
  config: Config,
  work: (gateway: RunGateway, embedded: boolean) => Promise<T>,
): Promise<T> {
  const address = await context.ports.temporalAddress();
  if ((await probeAddress(address)) !== 'answers' && (await context.ports.workerRuns(config))) {
    throw new HoldfastError('TEMPORAL_UNREACHABLE', `no Temporal server answers at ${address}`, {
      hint: 'a worker runs on this host and waits for its Temporal: bring that back, or stop the worker',
      facts: { address },
    });
  }
  const server = await startUnlessAnswering(context, {}, address);
  if (server === undefined) return withRuns(context, (gateway) => work(gateway, false));
  const stop = new AbortController();
  let isReady = (): void => undefined;
  const ready = new Promise<void>((resolve) => {
    isReady = resolve;
  });
  const working = context.ports.runWorker(config, {
    signal: stop.signal,
    onReady: isReady,
    embedded: true,
  });
  // Looked at below, and when all is over: in between it must not count as unhandled.
  working.catch(() => undefined);
  try {
    context.say(`no Temporal answered: one runs here for this command, web UI ${server.uiUrl}`);
    await Promise.race([ready, working]);
    return await withRuns(context, (gateway) => work(gateway, true));
  } finally {
    stop.abort();
    await working.catch(() => undefined);
    await server.stop();
  }
}

/** What a person must know who left a run whose Temporal ends with the command. */
export function reportFrozen(context: CliContext, workflowId: string): ExitCode {
  context.warn(
    `${workflowId} stands still: its Temporal and its worker ended with this command; ` +
      '`holdfast up` goes on with it, `holdfast recover --without-temporal` takes it back',
  );
  return 130;
}
