/** Dumps of a server that has hardly a session left: by fewer of them, with what fewer can tell. */
import { messageOf } from '../../base/errors.js';
import type { DatabaseDump } from './dump-database.js';
import { CONNECTION_WAITS_MS, lacksConnection, untilConnected } from '../client/patience.js';

/** A dump, counted, or for the reason given not. */
export type DumpOf = (uncounted?: string) => Promise<DatabaseDump>;

/** For a session of ours whose end the server has not noticed yet. */
const SHORT_WAITS_MS = CONNECTION_WAITS_MS.slice(0, 1);

/**
 * Dumps one database after the other by as many sessions as there are: two, for which it waits a while,
 * else pg_dump's alone. That wait is had once: with hundreds of databases a server stays full for longer.
 */
export class ScarceSessions {
  #countedWaitsMs: readonly number[];

  constructor(countedWaitsMs: readonly number[]) {
    this.#countedWaitsMs = countedWaitsMs;
  }

  /** @throws HoldfastError NO_FREE_CONNECTION where there is not even one, and what `dump` throws. */
  async dump(dump: DumpOf, signal: AbortSignal): Promise<DatabaseDump> {
    try {
      return await untilConnected(() => dump(), this.#countedWaitsMs, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!lacksConnection(error)) throw error;
      this.#countedWaitsMs = SHORT_WAITS_MS;
      const reason = `there was no second connection: ${messageOf(error)}`;
      return untilConnected(() => dump(reason), CONNECTION_WAITS_MS, signal);
    }
  }
}
