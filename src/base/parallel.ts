/** A few at a time, in order of their results; the first failure stops the others. */
import { availableParallelism } from 'node:os';

/** A disk gains nothing from more. */
const MOST_AT_ONCE = 4;

/** How many parts are worked on at a time: as many as there are processors, at most four. */
export function usualParallelism(): number {
  return Math.min(availableParallelism(), MOST_AT_ONCE);
}

/**
 * Maps items with at most `limit` calls under way. Each call gets a signal that fires when the work is
 * cancelled or another call failed; all calls have ended when this returns or throws.
 * @throws the first failure, or the signal's reason
 */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  limit: number,
  call: (item: Item, index: number, signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<readonly Result[]> {
  const stop = new AbortController();
  const any = AbortSignal.any([signal, stop.signal]);
  const results: Result[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length && !any.aborted; index = next++) {
      const item = items[index];
      if (item === undefined) continue;
      try {
        results[index] = await call(item, index, any);
      } catch (error) {
        failures.push(error);
        stop.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, limit) }, worker));
  signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  return results;
}

/**
 * As {@link inParallel}, for items that are made one after another: the next one is asked for only
 * when there is someone free to take it.
 */
export async function eachInParallel<Item>(
  items: AsyncGenerator<Item, void, void>,
  limit: number,
  call: (item: Item, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const workers = Array.from({ length: Math.max(1, limit) }, (_, index) => index);
  try {
    await inParallel(
      workers,
      workers.length,
      async (_worker, _index, any) => {
        for (;;) {
          any.throwIfAborted();
          // A generator answers calls in the order they come in.
          const next = await items.next();
          if (next.done === true) return;
          any.throwIfAborted();
          await call(next.value, any);
        }
      },
      signal,
    );
  } finally {
    await items.return();
  }
}
