/**
 * The one gateway to child processes.
 *
 * Every child runs in a process group of its own, so that cancelling takes its descendants too, and
 * nothing is interpreted by a shell. A pipeline's processes are joined by Node streams; each exit
 * status is looked at (a shell pipe reports the last one only).
 */
import { execa } from 'execa';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, systemCodeOf } from '../errors.js';

/** Time between SIGTERM and SIGKILL for a process group that is being stopped. */
export const KILL_GRACE_MS = 10_000;
/**
 * How much of a child's error output is kept, its end: enough for a line of tar for each of some
 * thousand files that vanish while a live directory is read.
 */
export const STDERR_TAIL_BYTES = 262_144;

/** How much a child stands back behind others, as nice(1) and ionice(1) have it. */
export interface Priority {
  /** 0 to 19, the higher the less processor time while others want it. */
  readonly nice: number;
  /** `best-effort` is its lowest level; `idle` gets the disk only when nobody else wants it. */
  readonly io: 'normal' | 'best-effort' | 'idle';
}

export interface CommandOptions {
  readonly signal?: AbortSignal | undefined;
  readonly cwd?: string | undefined;
  /** Added to the inherited environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Bytes or stream for standard input; nothing by default. */
  readonly input?: string | Buffer | Readable | undefined;
  /** Longest time the whole command may take. */
  readonly timeoutMs?: number | undefined;
  /** Exit codes that are not an error; `[0]` by default. */
  readonly okExitCodes?: readonly number[] | undefined;
  /** Yields to other processes; not at all by default. */
  readonly priority?: Priority | undefined;
  /** Limit of captured stdout; more is an error. 64 MiB by default. */
  readonly maxOutputBytes?: number | undefined;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  /** Its end, at most {@link STDERR_TAIL_BYTES}. */
  readonly stderr: string;
}

/** A running child whose output is read as a stream. */
export interface RunningCommand {
  readonly pid: number;
  readonly stdin: Writable | null;
  readonly stdout: Readable;
  /** Settles when the process has ended and its streams are closed; rejects like {@link runCommand}. */
  readonly done: Promise<{ readonly exitCode: number; readonly stderr: string }>;
  /** Ends the whole process group: SIGTERM, after a grace SIGKILL. */
  readonly kill: () => void;
}

/**
 * Runs a command to its end and gives its captured output.
 * @throws HoldfastError COMMAND_FAILED (facts: command, exitCode, stderr), or the signal's reason.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const running = startCommand(command, args, options);
  const limit = options.maxOutputBytes ?? 64 * 1024 * 1024;
  const chunks: Buffer[] = [];
  let size = 0;
  running.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
    else running.kill();
  });
  const { exitCode, stderr } = await running.done;
  if (size > limit) {
    throw new HoldfastError('COMMAND_FAILED', `${command} wrote more than ${limit} bytes`, {
      facts: { command, limitBytes: limit },
    });
  }
  return { exitCode, stdout: Buffer.concat(chunks).toString('utf8'), stderr };
}

/** Starts a command whose stdin and stdout the caller handles as streams. Same errors, from `done`. */
export function startCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions & { readonly openStdin?: boolean } = {},
): RunningCommand {
  options.signal?.throwIfAborted();
  const { input } = options;
  const [program = command, ...programArgs] = [
    ...priorityPrefix(options.priority),
    command,
    ...args,
  ];
  const child = execa(program, programArgs, {
    buffer: false,
    reject: false,
    detached: true,
    cleanup: true,
    stripFinalNewline: false,
    stdin: input === undefined && options.openStdin !== true ? 'ignore' : 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...options.env } }),
  });
  const stderr = new Tail(STDERR_TAIL_BYTES);
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));

  let stopping = false;
  const kill = (): void => {
    if (stopping || child.pid === undefined) return;
    stopping = true;
    void killGroup(child.pid);
  };
  let inputError: Error | undefined;
  if (input !== undefined && child.stdin !== null) {
    feed(child.stdin, input, (error) => {
      inputError = error instanceof Error ? error : new Error(String(error));
      kill();
    });
  }
  const onAbort = (): void => kill();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const timeout = new AbortController();
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timeout.abort();
          kill();
        }, options.timeoutMs);

  const done = (async () => {
    try {
      const result = await child;
      options.signal?.throwIfAborted();
      if (inputError !== undefined) throw inputError;
      const exitCode = result.exitCode ?? -1;
      if (timeout.signal.aborted || !(options.okExitCodes ?? [0]).includes(exitCode)) {
        throw commandError(command, args, {
          exitCode,
          signalName: result.signal,
          stderr: stderr.toString(),
          timedOut: timeout.signal.aborted,
          systemCode: systemCodeOf(result.cause) ?? result.code,
        });
      }
      return { exitCode, stderr: stderr.toString() };
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
    }
  })();
  // The caller may look at the stream first; a rejection before that is not "unhandled".
  done.catch(() => undefined);
  return { pid: child.pid ?? -1, stdin: child.stdin, stdout: child.stdout, done, kill };
}

/** Sends SIGTERM to a process group, and SIGKILL if it is still there after the grace time. */
export async function killGroup(pid: number, graceMs: number = KILL_GRACE_MS): Promise<void> {
  if (!signalGroup(pid, 'SIGTERM')) return;
  const end = Date.now() + graceMs;
  while (Date.now() < end) {
    await delay(50);
    if (!signalGroup(pid, 0)) return;
  }
  signalGroup(pid, 'SIGKILL');
}

function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false; // gone already
  }
}

/** Programs that set the priority and become the command: its process id and group are theirs. */
function priorityPrefix(priority: Priority | undefined): readonly string[] {
  if (priority === undefined) return [];
  const nice = priority.nice > 0 ? ['nice', '-n', String(priority.nice)] : [];
  switch (priority.io) {
    case 'normal':
      return nice;
    case 'best-effort':
      return [...nice, 'ionice', '-t', '-c', '2', '-n', '7'];
    case 'idle':
      return [...nice, 'ionice', '-t', '-c', '3'];
  }
}

/** @param onFailure is told when the input itself fails, so that its end is not taken for a whole one */
function feed(
  stdin: Writable,
  input: string | Buffer | Readable,
  onFailure: (error: unknown) => void,
): void {
  // A child that ends early closes its stdin; its exit status tells why, not the EPIPE here.
  stdin.on('error', () => undefined);
  if (typeof input === 'string' || Buffer.isBuffer(input)) stdin.end(input);
  else {
    pipeline(input, stdin).catch((error: unknown) => {
      const code = systemCodeOf(error) ?? '';
      if (!['EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes(code)) onFailure(error);
    });
  }
}

interface Ending {
  readonly exitCode: number;
  readonly signalName: string | undefined;
  readonly stderr: string;
  readonly timedOut: boolean;
  readonly systemCode: string | undefined;
}

function commandError(command: string, args: readonly string[], end: Ending): HoldfastError {
  const facts = {
    command,
    args: args.slice(0, 20),
    exitCode: end.exitCode,
    signal: end.signalName ?? null,
    stderr: end.stderr.slice(-2000),
  };
  if (end.systemCode === 'ENOENT') {
    return new HoldfastError('COMMAND_FAILED', `${command} is not installed`, {
      facts,
      hint: `install ${command}, or put it on PATH`,
    });
  }
  if (saysDiskFull(end.stderr)) {
    return new HoldfastError('DISK_FULL', `${command}: no space left on device`, { facts });
  }
  const how = end.timedOut
    ? 'took too long and was stopped'
    : end.signalName === undefined
      ? `ended with exit code ${end.exitCode}`
      : `was killed by ${end.signalName}`;
  const lastLine = end.stderr.trim().split('\n').slice(-3).join(' | ');
  return new HoldfastError('COMMAND_FAILED', `${command} ${how}${lastLine && `: ${lastLine}`}`, {
    facts,
  });
}

/** Does the error output say that a disk is full? GNU tar calls the first write that fails a short one. */
export function saysDiskFull(stderr: string): boolean {
  return /No space left on device|Disk quota exceeded|: Wrote only \d+ of \d+ bytes/i.test(stderr);
}

class Tail {
  #chunks: Buffer[] = [];
  #size = 0;
  constructor(readonly limit: number) {}

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    while (this.#size - (this.#chunks[0]?.length ?? 0) > this.limit) {
      this.#size -= this.#chunks.shift()?.length ?? 0;
    }
  }

  toString(): string {
    return Buffer.concat(this.#chunks).subarray(-this.limit).toString('utf8');
  }
}
