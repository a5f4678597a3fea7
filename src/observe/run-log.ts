/**
 * The log people `tail -f`: `[YYYY-MM-DD HH:MM:SS] message`, local time, one line an event.
 *
 * Every line opens the file anew and is one O_APPEND write: several workers may share the file, and
 * logrotate may rename it at any moment without a signal to us.
 */
import { mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { messageOf, systemCodeOf } from '../base/errors.js';
import { createLogger, structuredLog, type Logger } from './log.js';

export interface RunLogOptions {
  /**
   * Told when the file can't be written: once per trouble, not once per line. The process's
   * structured log by default.
   */
  readonly logger?: Pick<Logger, 'warn' | 'info'> | undefined;
  /** Mode of a file that has to be created. */
  readonly mode?: number | undefined;
  readonly now?: (() => Date) | undefined;
}

/**
 * Appends lines to the configured log file, or, where none is configured, to the structured log.
 * Never throws: a backup does not fail for its log.
 */
export class RunLog {
  readonly #logger: Pick<Logger, 'warn' | 'info'>;
  readonly #options: RunLogOptions;
  #last: Promise<void> = Promise.resolve();
  #troubled = false;

  constructor(
    readonly file: string | undefined,
    options: RunLogOptions = {},
  ) {
    this.#options = options;
    this.#logger = options.logger ?? structuredLog();
  }

  /** Settles when the line is written, or has been given up with a warning. Keeps the calls' order. */
  write(message: string): Promise<void> {
    const { file } = this;
    if (file === undefined) {
      this.#logger.info(message);
      return Promise.resolve();
    }
    const line = formatLogLine(message, (this.#options.now ?? (() => new Date()))());
    this.#last = this.#last.then(() => this.#append(file, line));
    return this.#last;
  }

  async #append(file: string, line: string): Promise<void> {
    try {
      await appendOnce(file, line, this.#options.mode ?? 0o640);
      if (this.#troubled) this.#logger.info({ logFile: file }, 'log file is back');
      this.#troubled = false;
    } catch (error) {
      if (this.#troubled) return;
      this.#troubled = true;
      this.#logger.warn(
        { logFile: file, code: systemCodeOf(error), reason: messageOf(error) },
        'cannot write the log file; the run goes on without it',
      );
    }
  }
}

/**
 * The log of a command that somebody watches: standard output is the command's own (`--json` writes one
 * document there), and the command says what it did. So without a log file the lines go nowhere, and
 * that a log file can't be written is told on standard error. `HOLDFAST_LOG_LEVEL=info` tells all there.
 */
export function attendedRunLog(file: string | undefined): RunLog {
  const level = process.env['HOLDFAST_LOG_LEVEL'] ?? 'warn';
  return new RunLog(file, { logger: createLogger({ level, destination: process.stderr }) });
}

/** One line of the log file, with its newline. Control characters are escaped: one event, one line. */
export function formatLogLine(message: string, at: Date): string {
  return `[${localTimestamp(at)}] ${escapeControls(message)}\n`;
}

/** `2024-12-12 01:00:03`, local time, as `date '+%Y-%m-%d %H:%M:%S'` prints it. */
export function localTimestamp(at: Date): string {
  const date = [at.getFullYear(), pad(at.getMonth() + 1), pad(at.getDate())].join('-');
  return `${date} ${[pad(at.getHours()), pad(at.getMinutes()), pad(at.getSeconds())].join(':')}`;
}

async function appendOnce(file: string, line: string, mode: number): Promise<void> {
  const handle = await openAppending(file, mode);
  try {
    const bytes = Buffer.from(line, 'utf8');
    const { bytesWritten } = await handle.write(bytes);
    // No second write for the rest: another writer's line could have come between.
    if (bytesWritten !== bytes.length) throw new Error('the line was cut short: is the disk full?');
  } finally {
    await handle.close();
  }
}

async function openAppending(file: string, mode: number): ReturnType<typeof open> {
  try {
    return await open(file, 'a', mode);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
    await mkdir(path.dirname(file), { recursive: true });
    return open(file, 'a', mode);
  }
}

function escapeControls(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    switch (character) {
      case '\n':
        return '\\n';
      case '\r':
        return '\\r';
      case '\t':
        return '\\t';
      default:
        return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
    }
  });
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
