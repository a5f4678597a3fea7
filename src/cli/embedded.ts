/**
 * A restore must work on a bare machine, with the configuration and the backups alone: where no
 * Temporal answers, one is started for the run, and a worker with it.
 */
import type { Config } from '../config/schema.js';
import type { CliContext } from './context.js';
import { startUnlessAnswering } from './dev-temporal.js';
import { withRuns } from './follow.js';
import type { RunGateway } from './ports.js';

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
  const server = await startUnlessAnswering(context, {}, address);
  if (server === undefined) return withRuns(context, (gateway) => work(gateway, false));
  const stop = new AbortController();
  let isReady = (): void => undefined;
  const ready = new Promise<void>((resolve) => {
    isReady = resolve;
  });
  const working = context.ports.runWorker(config, { signal: stop.signal, onReady: isReady });
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
