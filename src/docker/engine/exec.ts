/**
 * Running commands in containers, as streams: byte for byte, with back-pressure, an honest exit
 * code, and an end when asked for one.
 */
import { randomBytes } from 'node:crypto';
import type { Duplex, Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, messageOf } from '../../base/errors.js';
import { KILL_GRACE_MS } from '../../base/process/process.js';
import { asError, joinStreams, superviseProcess, type ProcessInput } from './attached.js';
import { inspectContainer } from '../containers/containers.js';
import { Demux } from './demux.js';
import type { Engine } from './engine.js';
import { EXEC_MARK, killExec, killLeftoverExecs } from './exec-kill.js';
import type { ExecSession } from './exec-session.js';
import { awaitExit, createExec } from './exec-session.js';
import { Greeting } from './greeting.js';
import { Tail } from './tail.js';

export interface ExecOptions {
  readonly container: string;
  readonly argv: readonly string[];
  /** `user`, `uid` or `user:group`; the container's own by default. */
  readonly user?: string;
  readonly workingDirectory?: string;
  /** Secrets go here, never into `argv`, which every process list shows. */
  readonly env?: Readonly<Record<string, string>>;
  /** Bytes for standard input, which is closed after them; no input by default. */
  readonly input?: ProcessInput;
  readonly signal?: AbortSignal;
  /** Longest time the whole command may take. */
  readonly timeoutMs?: number;
  /** Time between TERM and KILL when it is stopped. */
  readonly killGraceMs?: number;
  /** Letters, digits, `_.-`: names the work, so that a later attempt finds what this one left ({@link killLeftoverExecs}). */
  readonly tag?: string;
}

export interface RunningExec {
  /** Standard output. It must be read: a reader that stops stops the command. */
  readonly stdout: Readable;
  /** The last 16 KiB of its error output. */
  readonly stderrTail: () => string;
  /**
   * Settles when the command has ended and its output is read. Any exit code is a result, not an
   * error. Rejects with the signal's reason when aborted (the command is dead by then), with
   * COMMAND_FAILED after the time-out, with DOCKER_FAILED when the container ended meanwhile or the
   * connection broke, with the input's error.
   */
  readonly done: Promise<{ readonly exitCode: number }>;
}

export interface ExecResult {
  readonly stdout: string;
  /** The last 16 KiB. */
  readonly stderr: string;
  readonly exitCode: number;
}

/** How long the engine may take to start a process in a container. */
const START_LIMIT_MS = 60_000;
/** Exit code of a command ended by SIGKILL. */
const KILLED = 137;
const CONTAINER_END_LIMIT_MS = 2_000;
/** `sh` tells its own process id, which the command then inherits. */
const LAUNCHER = `echo "$${EXEC_MARK} $$"; exec "$@"`;

/**
 * Starts a command in a running container; returns once it runs.
 * @throws HoldfastError CONTAINER_NOT_FOUND, DOCKER_FAILED (the container is stopped or paused),
 *   COMMAND_FAILED (there is no such user or directory), or the signal's reason.
 */
export async function execInContainer(engine: Engine, options: ExecOptions): Promise<RunningExec> {
  options.signal?.throwIfAborted();
  if (!/^[\w.-]+$/.test(options.tag ?? 'exec')) {
    throw new HoldfastError('INPUT_INVALID', `not a tag: ${JSON.stringify(options.tag)}`);
  }
  const launched =
    (await launch(engine, options, 'shell')) ?? (await launch(engine, options, 'bare'));
  if (launched === undefined) throw new HoldfastError('INTERNAL', 'the command was not started');
  return supervise(engine, options, launched);
}

/**
 * Runs a command to its end and gives its output as text.
 * @throws like {@link execInContainer} and its `done`; COMMAND_FAILED when stdout exceeds `maxOutputBytes` (64 MiB).
 */
export async function execCapture(
  engine: Engine,
  options: ExecOptions & { readonly maxOutputBytes?: number },
): Promise<ExecResult> {
  const running = await execInContainer(engine, options);
  const limit = options.maxOutputBytes ?? 64 * 1024 * 1024;
  const chunks: Buffer[] = [];
  let size = 0;
  running.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limit) {
      chunks.push(chunk);
      return;
    }
    const facts = { container: options.container, limitBytes: limit };
    running.stdout.destroy(
      new HoldfastError('COMMAND_FAILED', `${options.argv[0] ?? ''} wrote too much`, { facts }),
    );
  });
  const { exitCode } = await running.done;
  return {
    stdout: Buffer.concat(chunks).toString('utf8'),
    stderr: running.stderrTail(),
    exitCode,
  };
}

interface Launched {
  readonly session: ExecSession;
  readonly socket: Duplex;
  readonly stdout: Demux;
  readonly stderr: Tail;
  readonly mark: string;
  readonly pid: number | undefined;
  /** When the container was started: tells a restart. */
  readonly containerStartedAt: string;
}

/** Undefined when the container has no `sh`, so that the command was not run at all. */
async function launch(
  engine: Engine,
  options: ExecOptions,
  way: 'shell' | 'bare',
): Promise<Launched | undefined> {
  const { startedAt } = await inspectContainer(engine, options.container);
  const mark = `${options.tag ?? 'exec'}:${randomBytes(8).toString('hex')}`;
  const session = await createExec(engine, {
    ...options,
    argv: way === 'shell' ? ['sh', '-c', LAUNCHER, 'holdfast', ...options.argv] : options.argv,
    env: { ...options.env, [EXEC_MARK]: mark },
    openStdin: options.input !== undefined,
  });
  const socket = await session.attach().catch((error: unknown) => {
    // Most engines answer this way only for their own faults, some for a missing command too.
    if (way === 'shell' && isNoShell(messageOf(error))) return undefined;
    throw isRefusal(messageOf(error)) ? refused(options, messageOf(error)) : error;
  });
  if (socket === undefined) return undefined;
  const stderr = new Tail();
  const greeting = new Greeting(mark);
  const stdout = new Demux(
    (chunk) => stderr.push(chunk),
    way === 'shell' ? (chunk) => greeting.filter(chunk) : undefined,
  );
  stdout.on('error', () => greeting.close()).on('finish', () => greeting.close());
  joinStreams(socket, stdout);
  const launched = { session, socket, stdout, stderr, mark, containerStartedAt: startedAt };
  if (way === 'bare') return { ...launched, pid: undefined };
  try {
    const outcome = await bounded(greeting.outcome, START_LIMIT_MS, options.signal);
    if ('pid' in outcome) return { ...launched, pid: outcome.pid };
    const { refused: reason } = outcome;
    if (isNoShell(reason)) {
      socket.destroy();
      return undefined;
    }
    throw refused(options, reason || stderr.toString().trim() || 'the engine gave no reason');
  } catch (error) {
    stdout.destroy();
    socket.destroy();
    // The shell may have got past its greeting: what runs is found by its mark.
    void killLeftoverExecs(engine, options.container, mark, options.user).catch(() => undefined);
    throw error;
  }
}

function supervise(engine: Engine, options: ExecOptions, launched: Launched): RunningExec {
  const { session, socket, stdout, stderr } = launched;
  const done = superviseProcess({
    ...options,
    socket,
    stdout,
    tookTooLong: () => tookTooLong(options),
    kill: () =>
      killExec(
        engine,
        { ...launched, container: options.container, user: options.user },
        options.killGraceMs ?? KILL_GRACE_MS,
      ),
    exitCode: async () => {
      const exitCode = await awaitExit(session, engine.timeoutMs);
      if (exitCode !== 0) await assertStillUp(engine, options, launched, exitCode);
      return exitCode;
    },
  });
  done.catch(() => undefined); // looked at later than the stream, and not "unhandled" until then
  return { stdout, stderrTail: () => stderr.toString(), done };
}

/** The exit code of a command whose container was stopped tells nothing about the command. */
async function assertStillUp(
  engine: Engine,
  options: ExecOptions,
  launched: Launched,
  exitCode: number,
): Promise<void> {
  // Its end kills all commands in it, which the engine notices before it notices the end itself.
  const end = Date.now() + (exitCode === KILLED ? CONTAINER_END_LIMIT_MS : 0);
  let container = await inspectContainer(engine, options.container);
  const same = (): boolean =>
    container.state === 'running' && container.startedAt === launched.containerStartedAt;
  while (same() && Date.now() < end) {
    await delay(100);
    container = await inspectContainer(engine, options.container);
  }
  if (same()) return;
  throw new HoldfastError(
    'DOCKER_FAILED',
    `container ${options.container} was stopped while ${options.argv[0] ?? ''} ran in it`,
    { facts: { container: options.container, state: container.state, exitCode } },
  );
}

/** Distroless images have no shell: nothing was run, so the command may be run without one. */
function isNoShell(refusal: string): boolean {
  return /exec failed.*["'`]sh["'`].*(not found|no such file)/is.test(refusal);
}

function isRefusal(message: string): boolean {
  return /exec failed|unable to find user|no matching entries/i.test(message);
}

/** The engine writes why it did not run a command to the command's stdout. */
function refused(options: ExecOptions, refusal: string): HoldfastError {
  const command = options.argv[0] ?? '';
  return new HoldfastError(
    'COMMAND_FAILED',
    `${command} could not be started in container ${options.container}: ${refusal}`,
    { facts: { container: options.container, command } },
  );
}

function tookTooLong(options: ExecOptions): HoldfastError {
  const facts = {
    container: options.container,
    command: options.argv[0] ?? '',
    timeoutMs: options.timeoutMs ?? null,
  };
  return new HoldfastError(
    'COMMAND_FAILED',
    `${facts.command} in container ${options.container} took too long and was stopped`,
    { facts },
  );
}

function broken(what: string): HoldfastError {
  return new HoldfastError('DOCKER_FAILED', `command in a container: ${what}`);
}

/** A promise with its limit in time and its signal. */
async function bounded<T>(
  promise: Promise<T>,
  limitMs: number,
  signal: AbortSignal | undefined,
): Promise<T> {
  let cleanUp = (): void => undefined;
  const given = new Promise<never>((_resolve, reject) => {
    const timer = setTimeout(() => reject(broken(`no start within ${limitMs} ms`)), limitMs);
    const onAbort = (): void => {
      reject(asError(signal?.reason));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    cleanUp = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
  });
  try {
    return await Promise.race([promise, given]);
  } finally {
    cleanUp();
  }
}
