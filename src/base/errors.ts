/**
 * The one error class. Facts travel as fields; the code is stable and decides whether an activity
 * that failed with it is worth another attempt and with which exit code the CLI ends.
 */

export type ErrorFact = string | number | boolean | null | readonly string[];
export type ErrorFacts = Readonly<Record<string, ErrorFact>>;

interface ErrorRule {
  /** Would the same call, a little later, have a fair chance? */
  readonly retryable: boolean;
  /** Process exit code: 1 failed, 2 usage or config, 130 interrupted. */
  readonly exitCode: 1 | 2 | 130;
}

const failed: ErrorRule = { retryable: false, exitCode: 1 };
const transient: ErrorRule = { retryable: true, exitCode: 1 };
const usage: ErrorRule = { retryable: false, exitCode: 2 };

/** Every code of the program. Codes are part of the interface: they appear in JSON output and in Temporal. */
export const ERROR_RULES = {
  // What the person gave us.
  USAGE: usage,
  CONFIG_INVALID: usage,
  CONFIG_NOT_FOUND: usage,
  CONFIG_CHANGED: usage,
  INPUT_INVALID: usage,
  UNKNOWN_SERVICE: usage,
  UNKNOWN_SOURCE: usage,
  SOURCE_MISSING: usage,
  PROGRAM_MISSING: usage,
  SET_NOT_FOUND: usage,
  CONFIRMATION_REQUIRED: usage,
  // What holds us up.
  PERMIT_HELD: failed,
  LOCK_HELD: transient,
  TEMPORAL_UNREACHABLE: failed,
  /** Temporal is there, but nobody takes the stack's runs. */
  NO_WORKER: failed,
  DOCKER_UNREACHABLE: transient,
  DOCKER_FAILED: transient,
  CONTAINER_NOT_FOUND: failed,
  VOLUME_NOT_FOUND: failed,
  VOLUME_IN_USE: failed,
  COMPOSE_FAILED: transient,
  POSTGRES_UNREACHABLE: transient,
  /** The server is there and refuses the login: it will say the same in five minutes. */
  LOGIN_REFUSED: failed,
  /** All of the server's connections are taken. */
  NO_FREE_CONNECTION: transient,
  // What went wrong with the data.
  DISK_FULL: failed,
  READ_ONLY: failed,
  NO_PERMISSION: failed,
  IO_FAILED: transient,
  INTEGRITY: failed,
  MANIFEST_INVALID: failed,
  DUMP_FAILED: transient,
  DUMP_INCOMPLETE: transient,
  RESTORE_FAILED: failed,
  RESTORE_MISMATCH: failed,
  ARCHIVE_FAILED: transient,
  ARCHIVE_HOSTILE: failed,
  EMPTY_SOURCE: failed,
  HEALTH_GATE_FAILED: failed,
  VERSION_INCOMPATIBLE: failed,
  STALLED: transient,
  COMMAND_FAILED: failed,
  STORE_UNSAFE: failed,
  REMOVE_FAILED: failed,
  /** The backups that were at the root are not there: a disk that is not mounted. */
  STORE_MISSING: failed,
  /** At the root is another store than before. */
  STORE_CHANGED: failed,
  NOTIFY_FAILED: transient,
  BACKUP_FAILED: failed,
  CHECK_FAILED: failed,
  DRILL_FAILED: failed,
  CANCELLED: { retryable: false, exitCode: 130 },
  INTERNAL: failed,
} as const satisfies Record<string, ErrorRule>;

export type ErrorCode = keyof typeof ERROR_RULES;

export interface ErrorOptions {
  /** What the person can do about it, one sentence. */
  readonly hint?: string;
  readonly facts?: ErrorFacts;
  readonly cause?: unknown;
  /** The same call would fail in the same way, whatever the code says of others of its kind. */
  readonly permanent?: boolean;
}

export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly facts: ErrorFacts;
  readonly permanent: boolean;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.facts = options.facts ?? {};
    this.permanent = options.permanent ?? false;
  }

  get retryable(): boolean {
    return !this.permanent && ERROR_RULES[this.code].retryable;
  }

  get exitCode(): 1 | 2 | 130 {
    return ERROR_RULES[this.code].exitCode;
  }
}

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(ERROR_RULES, value);
}

/** One of ours; what crossed Temporal is another thing, see `workflows/shared/failure.ts`. */
export function isHoldfastError(value: unknown): value is HoldfastError {
  return value instanceof HoldfastError;
}

/** Something with a message, whatever was thrown. */
export function messageOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error) {
    return String(error.message);
  }
  return String(error);
}

/** The `code` field of Node's system errors (`ENOENT`, `ENOSPC` …), if there is one. */
export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'code' in error) {
    return typeof error.code === 'string' ? error.code : undefined;
  }
  return undefined;
}

export function assertNever(value: never): never {
  throw new HoldfastError('INTERNAL', `unexpected value: ${JSON.stringify(value)}`);
}
