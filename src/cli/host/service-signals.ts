/** Signals and the log of the commands that run until they are stopped. */
import type { CliContext } from './context.js';
import type { LogFormat } from '../options.js';
import { renderLogLine } from '../render/log-lines.js';

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

/** Where the log goes: lines where a person reads it; undefined leaves it as JSON on standard output. */
export function logSink(
  context: CliContext,
  asked: LogFormat | undefined,
): ((line: string) => void) | undefined {
  const { out } = context.host;
  const format = asked ?? (out.isTerminal && !context.options.json ? 'lines' : 'json');
  if (format === 'json') return undefined;
  return (line) => {
    for (const text of renderLogLine(line, out.columns(), context.style)) out.write(`${text}\n`);
  };
}
