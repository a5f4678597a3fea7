/** How client programs are run next to a PostgreSQL server, whichever way leads there. */
import type { Readable } from 'node:stream';

/** A client program that ran to its end. */
export interface PostgresCommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** A client program whose output is read while it runs. */
export interface PostgresStream {
  readonly stdout: Readable;
  /** The last few kilobytes of error output. */
  stderrTail(): string;
  readonly done: Promise<{ readonly exitCode: number }>;
}

export interface PostgresExecOptions {
  readonly input?: string | Readable | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly signal: AbortSignal;
}

/**
 * Runs programs where the server runs. A non-zero exit status is a result, not an error; errors are
 * for what could not be started (no container, no engine) and for the signal's reason.
 */
export interface PostgresExec {
  capture(argv: readonly string[], options: PostgresExecOptions): Promise<PostgresCommandResult>;
  stream(argv: readonly string[], options: PostgresExecOptions): Promise<PostgresStream>;
}

/** Which server, as whom. */
export interface ServerLogin {
  /** A superuser. */
  readonly user: string;
  /** Where the server asks local connections for one. */
  readonly password?: string | undefined;
}
