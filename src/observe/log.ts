/** The structured log: one JSON object a line on standard output, for machines. */
import { pino, stdSerializers, type DestinationStream, type Logger } from 'pino';
import { redact } from '../base/redact.js';

export type { Logger } from 'pino';

const LEVELS: readonly string[] = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

export interface LoggerOptions {
  /** `HOLDFAST_LOG_LEVEL` by default, `info` when that is unset or unknown. */
  readonly level?: string | undefined;
  /** Standard output by default. */
  readonly destination?: DestinationStream | undefined;
  /** Fields of every line, such as the stack's name. */
  readonly fields?: Readonly<Record<string, string>> | undefined;
}

/** Makes a logger that redacts secrets by field name. An unknown level is reported, not fatal. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const asked = options.level ?? process.env['HOLDFAST_LOG_LEVEL'] ?? 'info';
  const known = LEVELS.includes(asked);
  const settings = {
    level: known ? asked : 'info',
    base: { ...options.fields },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: redactRecord,
    },
    serializers: {
      err: serializeError,
      error: serializeError,
    },
  };
  const logger =
    options.destination === undefined ? pino(settings) : pino(settings, options.destination);
  if (!known) {
    logger.warn({ asked, levels: LEVELS }, 'unknown HOLDFAST_LOG_LEVEL, using info');
  }
  return logger;
}

let shared: Logger | undefined;

/** The process's own logger; made at the first call. */
export function structuredLog(): Logger {
  shared ??= createLogger();
  return shared;
}

/** Makes the process's own logger write its JSON lines elsewhere. Before anything is logged. */
export function redirectLog(write: (line: string) => void): void {
  shared = createLogger({ destination: { write } });
}

function redactRecord(record: object): Record<string, unknown> {
  const copy = redact(record);
  return typeof copy === 'object' && copy !== null ? { ...copy } : {};
}

function serializeError(value: unknown): unknown {
  return value instanceof Error ? redact({ ...stdSerializers.err(value) }) : redact(value);
}
