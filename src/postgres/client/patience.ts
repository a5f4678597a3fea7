/** Waiting a little for a session where the server had none left. */
import { setTimeout as delay } from 'node:timers/promises';
import { isHoldfastError } from '../../base/errors.js';
import { isNoFreeConnection } from './client-error.js';
import type { PostgresCommandResult, PostgresExec, PostgresExecOptions } from './exec.js';
/** Pauses between tries. The first is for a session of ours whose end the server has not noticed yet. */
export const CONNECTION_WAITS_MS: readonly number[] = [250, 1_000, 3_000, 6_000, 10_000];

/** psql's exit status where it had no connection: of its statements none was run. */
const NOT_CONNECTED = 2;

/**
 * Runs psql, again and again while all of the server's connections are taken.
 * @returns What the last try gave.
 * @throws the signal's reason
 */
export async function captureConnected(
  pg: PostgresExec,
  argv: readonly string[],
  options: PostgresExecOptions & { readonly input: string },
): Promise<PostgresCommandResult> {
  for (const waitMs of CONNECTION_WAITS_MS) {
    const result = await pg.capture(argv, options);
    if (result.exitCode !== NOT_CONNECTED || !isNoFreeConnection(result.stderr)) return result;
    await pause(waitMs, options.signal);
  }
  return pg.capture(argv, options);
}

/**
 * Tries what needs a session until it had one.
 * @param waitsMs Pauses between the tries: of two there are three tries.
 * @throws HoldfastError NO_FREE_CONNECTION after the last try; what else `attempt` throws, at once; the
 *   signal's reason
 */
export async function untilConnected<T>(
  attempt: () => Promise<T>,
  waitsMs: readonly number[],
  signal: AbortSignal,
): Promise<T> {
  for (const waitMs of waitsMs) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!lacksConnection(error)) throw error;
    }
    await pause(waitMs, signal);
  }
  return attempt();
}

/** Did it fail because all connections are taken? */
export function lacksConnection(error: unknown): boolean {
  return isHoldfastError(error) && error.code === 'NO_FREE_CONNECTION';
}

async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  await delay(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
}
