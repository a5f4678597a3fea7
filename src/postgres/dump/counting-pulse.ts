/** How far counting is: by tables, and, while one large table is counted, by seeing that it still is. */
import type { Work } from '../../base/progress.js';
import { INSPECTOR_NAME } from '../client/client-env.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { quoteLiteral, runSql } from '../client/server.js';

const PULSE_MS = 60_000;

/** Counting that waits for a lock moves nothing. */
const IS_COUNTING = `select count(*) from pg_stat_activity where application_name = ${quoteLiteral(INSPECTOR_NAME)}
  and state = 'active' and wait_event_type is distinct from 'Lock';`;

/** Reports as the phase `compare`; {@link stop} it in the end. */
export class CountingPulse {
  #entries = 0;
  /** Minutes in which a single table was counted: that something moves, not how much. */
  #beats = 0;
  #entriesAtPulse = -1;
  #isAsking = false;
  readonly #timer: NodeJS.Timeout;

  constructor(
    readonly pg: PostgresExec,
    readonly login: ServerLogin,
    readonly work: Work,
    pulseMs = PULSE_MS,
  ) {
    this.#timer = setInterval(() => void this.#pulse(), pulseMs);
    this.#report();
  }

  readonly onAnswer = (): void => {
    this.#entries += 1;
    this.#report();
  };

  stop(): void {
    clearInterval(this.#timer);
  }

  #report(): void {
    const { work } = this;
    work.report({ phase: 'compare', bytes: this.#beats, entries: this.#entries, totalBytes: 0 });
  }

  async #pulse(): Promise<void> {
    const moved = this.#entries !== this.#entriesAtPulse;
    this.#entriesAtPulse = this.#entries;
    if (moved || this.#isAsking) return;
    this.#isAsking = true;
    try {
      const signal = AbortSignal.any([this.work.signal, AbortSignal.timeout(PULSE_MS)]);
      const question = { database: 'template1', sql: IS_COUNTING };
      const [active] = await runSql(this.pg, this.login, question, signal);
      if (Number(active) > 0) {
        this.#beats += 1;
        this.#report();
      }
    } catch {
      // No news is no progress.
    } finally {
      this.#isAsking = false;
    }
  }
}
