/**
 * What a signal means while a run is watched. The run lives on the server, so there is a choice:
 * cancel it (it puts services back first), or leave it to itself.
 */
import { ask, INTERRUPTED } from '../ask.js';
import type { CliContext } from '../host/context.js';
import type { Reporter } from './reporter-contract.js';

export interface InterruptActions {
  /** Asks the server to cancel the run; its end arrives as the run's result. */
  cancel(): void;
  /** Stops watching. `interrupted` when nobody chose to: the exit code says so. */
  leave(how: 'detached' | 'interrupted'): void;
}

const QUESTION = 'Cancel the run, detach and let it go on, or keep watching? [c/d/k] ';

/**
 * Handles SIGINT and SIGTERM until the returned function is called. On a terminal Ctrl-C asks and a
 * second one cancels; without one a signal cancels. After a cancel, two more leave at once.
 */
export function handleInterrupts(
  context: CliContext,
  { reporter, asks }: { readonly reporter: Reporter; readonly asks: boolean },
  actions: InterruptActions,
): () => void {
  const over = new AbortController();
  let state: 'watching' | 'asking' | 'cancelling' = 'watching';
  let question = new AbortController();
  let impatience = 0;

  const cancel = (): void => {
    state = 'cancelling';
    reporter.note('cancelling; the run puts back and starts what it stopped, then ends');
    actions.cancel();
  };
  const insist = (): void => {
    impatience += 1;
    if (impatience >= 2) actions.leave('interrupted');
    else reporter.note('still cancelling; once more leaves the run to itself');
  };
  const choose = async (): Promise<void> => {
    state = 'asking';
    question = new AbortController();
    reporter.pause();
    const answer = await askUntilClear(context, AbortSignal.any([over.signal, question.signal]));
    reporter.resume();
    if (over.signal.aborted || question.signal.aborted) return;
    switch (answer) {
      case 'cancel':
        cancel();
        return;
      case 'detach':
        actions.leave('detached');
        return;
      case 'keep':
        state = 'watching';
    }
  };

  const unsubscribe = context.host.onSignal((signal) => {
    switch (state) {
      case 'watching':
        if (signal === 'SIGINT' && asks) void choose();
        else cancel();
        return;
      case 'asking':
        question.abort();
        cancel();
        return;
      case 'cancelling':
        insist();
    }
  });
  return () => {
    over.abort();
    unsubscribe();
  };
}

async function askUntilClear(
  context: CliContext,
  signal: AbortSignal,
): Promise<'cancel' | 'detach' | 'keep'> {
  for (;;) {
    const answer = await ask(context.host, QUESTION, signal);
    if (answer === INTERRUPTED) return 'cancel';
    if (answer === undefined) return 'keep';
    switch (answer.toLowerCase()) {
      case 'c':
      case 'cancel':
        return 'cancel';
      case 'd':
      case 'detach':
        return 'detach';
      case 'k':
      case 'keep':
      case '':
        return 'keep';
      default:
        continue;
    }
  }
}
