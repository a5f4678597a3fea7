/** A psql session kept open: what holds a snapshot while other programs read from it. */
import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { createInterface } from 'node:readline';
import type { ErrorCode } from '../../base/errors.js';
import { psqlArgv, questionEnv } from './client-env.js';
import { clientError } from './client-error.js';
import type { PostgresExec, PostgresStream, ServerLogin } from './exec.js';

export interface SessionOptions {
  readonly database: string;
  readonly applicationName: string;
  /** Longest wait for a lock; 0 for ever. */
  readonly lockTimeoutMs: number;
  /** Code of the error for SQL that fails. */
  readonly failureCode: ErrorCode;
}

/**
 * One connection over psql's standard input and output. Ends at the first error; always
 * {@link close} it.
 */
export class PsqlSession {
  readonly #input: PassThrough;
  readonly #running: PostgresStream;
  readonly #ended: Promise<number>;
  readonly #lines: AsyncIterator<string>;
  readonly #options: SessionOptions;

  private constructor(input: PassThrough, running: PostgresStream, options: SessionOptions) {
    this.#input = input;
    this.#running = running;
    this.#options = options;
    this.#ended = running.done.then((end) => end.exitCode);
    this.#ended.catch(() => undefined); // looked at where it matters
    this.#lines = createInterface({ input: running.stdout, crlfDelay: Infinity })[
      Symbol.asyncIterator
    ]();
  }

  /** Starts psql; whether it could connect shows at the first {@link run}. */
  static async open(
    pg: PostgresExec,
    login: ServerLogin,
    options: SessionOptions,
    signal: AbortSignal,
  ): Promise<PsqlSession> {
    const input = new PassThrough();
    input.on('error', () => undefined); // the exit status tells the reason
    // Echoing what failed names the table that is locked.
    const argv = [...psqlArgv(login, options.database), '--echo-errors'];
    const running = await pg.stream(argv, {
      input,
      env: {
        ...questionEnv(login, { lock_timeout: String(options.lockTimeoutMs) }),
        PGAPPNAME: options.applicationName,
      },
      signal,
    });
    return new PsqlSession(input, running, options);
  }

  /**
   * Runs SQL and gives the answer's lines. One call at a time.
   * @param onLine Told of each line as it comes.
   * @throws HoldfastError `failureCode`, POSTGRES_UNREACHABLE, or the signal's reason.
   */
  async run(sql: string, onLine?: (line: string) => void): Promise<string[]> {
    const end = `end-${randomBytes(12).toString('hex')}`;
    this.#input.write(`${sql}\n\\echo ${end}\n`);
    const answer: string[] = [];
    for (;;) {
      const next = await this.#lines.next();
      if (next.done === true) break;
      if (next.value === end) return answer;
      if (next.value === '') continue;
      answer.push(next.value);
      onLine?.(next.value);
    }
    const exitCode = await this.#ended;
    throw clientError(
      'psql',
      { exitCode, stderr: this.#running.stderrTail() },
      this.#options.failureCode,
      { database: this.#options.database },
    );
  }

  /** Ends the session; an open transaction is rolled back. Never throws. */
  async close(): Promise<void> {
    this.#input.end();
    await this.#ended.catch(() => undefined);
  }
}
