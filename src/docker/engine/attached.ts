/** A process the engine runs for us, joined to streams: feeding it, reading it, ending it. */
import { Duplex, finished } from 'node:stream';
import type { Readable } from 'node:stream';
import { isNativeError } from 'node:util/types';
import { HoldfastError, messageOf } from '../../base/errors.js';
import type { Demux } from './demux.js';

export type ProcessInput = Readable | Buffer | string;

export interface AttachedProcess {
  readonly socket: Duplex;
  readonly stdout: Demux;
  readonly input?: ProcessInput | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  /** The error after the time-out. */
  readonly tookTooLong: () => Error;
  /** Ends the process; settles when it is gone. Called once at most. */
  readonly kill: () => Promise<unknown>;
  /** Called when all output is read: the exit code, or an error where it tells nothing. */
  readonly exitCode: () => Promise<number>;
  /** Called at the very end, whatever happened. */
  readonly cleanUp?: () => Promise<unknown>;
}

/** Lets the connection's bytes into the splitter; a connection that breaks is an error there. */
export function joinStreams(socket: Duplex, stdout: Demux): void {
  socket.on('error', (error) => stdout.destroy(error));
  // One that closes without having ended is an error, not an early end.
  socket.on('close', () => {
    if (!socket.readableEnded) {
      stdout.destroy(
        new HoldfastError('DOCKER_FAILED', 'the connection to the process was closed'),
      );
    }
  });
  socket.pipe(stdout);
}

/**
 * Watches over a process to its end. Rejects with whatever ended it early: the signal's reason, the
 * time-out, the input's error, a reader that went away; by then it is dead.
 */
export async function superviseProcess(run: AttachedProcess): Promise<{ exitCode: number }> {
  const { socket, stdout, signal, input } = run;
  let stopped: { readonly reason: unknown; readonly killed: Promise<unknown> } | undefined;
  const stop = (reason: unknown): void => {
    if (stopped !== undefined) return;
    // The reader learns at once; whoever waits for the end waits until it is dead.
    stopped = { reason, killed: run.kill() };
    stdout.destroy(asError(reason));
    socket.destroy();
  };
  const onAbort = (): void => stop(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer =
    run.timeoutMs === undefined
      ? undefined
      : setTimeout(() => stop(run.tookTooLong()), run.timeoutMs);
  try {
    const ended = new Promise<void>((resolve) => {
      finished(stdout, { writable: false }, (error) => {
        if (error) stop(error);
        resolve();
      });
    });
    if (input !== undefined) feed(socket, input, stop);
    if (signal?.aborted === true) onAbort();
    await ended;
    clearTimeout(timer);
    const early = await outcomeOf(() => stopped);
    if (early !== undefined) throw asError(early.reason);
    return { exitCode: await run.exitCode() };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    socket.destroy();
    // A source that is not read to its end must not keep its file or its process open.
    if (isStream(input)) input.destroy();
    await run.cleanUp?.();
  }
}

/** dockerode's types promise less than the socket it hands over. */
export function asDuplex(stream: unknown): Duplex {
  if (stream instanceof Duplex) return stream;
  throw new HoldfastError('DOCKER_FAILED', 'the engine did not hand over its connection', {
    hint: 'a proxy between here and the engine may not let connections be upgraded',
  });
}

async function outcomeOf(
  stopped: () => { readonly reason: unknown; readonly killed: Promise<unknown> } | undefined,
): Promise<{ readonly reason: unknown } | undefined> {
  const early = stopped();
  // That it could not be killed must not hide why it was to be.
  await early?.killed.catch(() => undefined);
  return early;
}

function feed(socket: Duplex, input: ProcessInput, stop: (reason: unknown) => void): void {
  if (!isStream(input)) {
    socket.end(input);
    return;
  }
  finished(input, { writable: false }, (error) => {
    // A process that ends before its input does is no fault of the input's.
    if (error && !socket.destroyed) stop(error);
  });
  input.pipe(socket);
}

function isStream(input: ProcessInput | undefined): input is Readable {
  return input !== undefined && typeof input !== 'string' && !Buffer.isBuffer(input);
}

export function asError(reason: unknown): Error {
  return isNativeError(reason) ? reason : new Error(messageOf(reason));
}
