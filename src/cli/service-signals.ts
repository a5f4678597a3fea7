/** SIGINT and SIGTERM for the commands that run until they are stopped. */
import type { CliContext } from './context.js';

export interface StopOnSignals {
  /** Fires at the first signal. */
  readonly signal: AbortSignal;
  /** Gives the signals back to the process. */
  dispose(): void;
}

/** The first signal stops in order and says so; a second one ends the process at once. */
export function stopOnSignals(context: CliContext, message: string): StopOnSignals {
  const stop = new AbortController();
  const unsubscribe = context.host.onSignal(() => {
    if (stop.signal.aborted) {
      // What runs is taken up again by the next worker; that is what Temporal is for.
      context.host.exitNow(130);
      return;
    }
    context.say(message);
    stop.abort();
  });
  return { signal: stop.signal, dispose: unsubscribe };
}
