/** Work on this machine that Ctrl-C stops in order, so that it can clean up after itself. */
import { HoldfastError } from '../../base/errors.js';
import type { CliContext } from './context.js';

/** Gives the work a signal that fires at SIGINT and SIGTERM with CANCELLED. */
export async function interruptible<T>(
  context: CliContext,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const unsubscribe = context.host.onSignal(() => {
    stop.abort(new HoldfastError('CANCELLED', 'interrupted'));
  });
  try {
    return await work(stop.signal);
  } finally {
    unsubscribe();
  }
}
