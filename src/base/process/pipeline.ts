/**
 * Children joined by streams, with every exit status looked at, and their output written to a file
 * that is hashed on the way and on disk when it is reported.
 */
import { createHash } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { Transform, Writable, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, systemCodeOf } from '../errors.js';
import type { RunningCommand } from './process.js';

export type Tap = (chunk: Buffer) => void;

export interface JoinOptions {
  /** Feeds the first child's standard input, which must be open. */
  readonly source?: Readable | undefined;
  /** `taps[i]` sees what child i writes before the next one does; throwing ends everything. */
  readonly taps?: readonly (Tap | undefined)[];
  /** Asked before the first child's output is passed on: slows it down by answering late. */
  readonly throttle?: ((bytes: number) => Promise<void>) | undefined;
  /** Takes the last child's output; it is read and dropped by default. */
  readonly sink?: Writable | undefined;
}

export interface StageResult {
  readonly exitCode: number;
  readonly stderr: string;
}

/**
 * Joins running children, in order, until all have ended.
 * @returns one result a child
 * @throws what a tap, the source or the sink threw, or the error of the child that caused the end:
 *   the last one that failed by itself, since a child whose reader is gone fails too.
 */
export async function joinCommands(
  commands: readonly RunningCommand[],
  options: JoinOptions = {},
): Promise<readonly StageResult[]> {
  const streamErrors: unknown[] = [];
  const stopAll = (): void => {
    for (const command of commands) command.kill();
  };
  const guarded = (work: Promise<void>): Promise<void> =>
    work.catch((error: unknown) => {
      streamErrors.push(error);
      // A closed pipe is a consequence: let the child that closed it tell why.
      if (!isClosedPipe(error)) stopAll();
    });

  const links: Promise<void>[] = [];
  const first = commands[0];
  if (options.source !== undefined && first !== undefined && first.stdin !== null) {
    links.push(guarded(pipeline(options.source, first.stdin)));
  }
  commands.forEach((command, index) => {
    const next = commands[index + 1]?.stdin ?? options.sink;
    const tap = options.taps?.[index];
    const throttle = index === 0 ? options.throttle : undefined;
    if (next !== undefined && throttle !== undefined) {
      links.push(guarded(pipeline(command.stdout, throttled(throttle, tap), next)));
    } else if (next === undefined) {
      links.push(guarded(drain(command.stdout, tap)));
    } else if (tap === undefined) {
      links.push(guarded(pipeline(command.stdout, next)));
    } else {
      links.push(guarded(pipeline(command.stdout, tapped(tap), next)));
    }
  });

  const endings = commands.map((command) =>
    command.done.catch((error: unknown) => {
      // The others would wait for a child that is gone, or write for nobody.
      if (!isClosedPipe(error)) setTimeout(stopAll, STOP_OTHERS_AFTER_MS).unref();
      throw error;
    }),
  );
  const [results] = await Promise.all([Promise.allSettled(endings), Promise.all(links)]);
  const own = streamErrors.filter((error) => !isClosedPipe(error));
  if (own.length > 0) throw own[0];
  const failures: unknown[] = [];
  const good: StageResult[] = [];
  for (const result of results) {
    if (result.status === 'fulfilled') good.push(result.value);
    else failures.unshift(result.reason);
  }
  if (failures.length > 0) throw failures.find((error) => !wasSignalled(error)) ?? failures[0];
  if (streamErrors.length > 0) throw streamErrors[0];
  return good;
}

/** Time for a pipeline to drain by itself after one of its children failed. */
const STOP_OTHERS_AFTER_MS = 30_000;

export interface HashedFile {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * Joins children and writes the last one's output to a new file; on return its bytes are on disk.
 * Nothing is left behind on failure.
 * @throws HoldfastError DISK_FULL, and as {@link joinCommands}.
 */
export async function writeOutputTo(
  file: string,
  start: () => readonly RunningCommand[],
  options: Omit<JoinOptions, 'sink'> = {},
): Promise<HashedFile> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'wx', 0o640);
    const commands = start();
    const taps = commands.map((_, index) => options.taps?.[index]);
    const last = taps.pop();
    const count: Tap = (chunk) => {
      last?.(chunk);
      hash.update(chunk);
      sizeBytes += chunk.length;
    };
    await joinCommands(commands, { ...options, taps: [...taps, count], sink: writableTo(handle) });
    await handle.sync();
    await handle.close();
    handle = undefined;
    return { sizeBytes, sha256: hash.digest('hex') };
  } catch (error) {
    await handle?.close().catch(() => undefined);
    await rm(file, { force: true });
    throw diskFull(error, file);
  }
}

/** What is read at a time of a file that grows, and how long to wait where there is no more yet. */
const FOLLOW_BYTES = 1024 * 1024;
const FOLLOW_EVERY_MS = 10;

/**
 * Runs a child that writes the file by itself; it is hashed from the page cache as it grows. On return
 * its bytes are on disk. Nothing is left behind on failure.
 * @param file is made here, so that it is new, and empty when the child opens it
 * @param start starts the child; its output is not looked at
 * @throws as {@link writeOutputTo}
 */
export async function writeOutputInto(
  file: string,
  start: () => RunningCommand,
): Promise<HashedFile> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'wx+', 0o640);
    const command = start();
    command.stdout.resume();
    let ended = false;
    const ending = command.done.finally(() => {
      ended = true;
    });
    const hashing = hashWhileGrowing(handle, () => ended);
    // Without its hash the file is of no use: the child need not go on.
    hashing.catch(() => command.kill());
    const [hashed] = await bothOf(hashing, ending);
    await handle.sync();
    await handle.close();
    handle = undefined;
    return hashed;
  } catch (error) {
    await handle?.close().catch(() => undefined);
    await rm(file, { force: true });
    throw diskFull(error, file);
  }
}

/**
 * Waits for both to settle, so that nothing runs on; then fails with what the first of them threw, else
 * the second.
 */
export async function bothOf<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
}

async function hashWhileGrowing(handle: FileHandle, ended: () => boolean): Promise<HashedFile> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(FOLLOW_BYTES);
  let sizeBytes = 0;
  for (;;) {
    // Asked before reading: what was written before the end is read after it.
    const last = ended();
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, sizeBytes);
    hash.update(buffer.subarray(0, bytesRead));
    sizeBytes += bytesRead;
    if (bytesRead > 0) continue;
    if (last) return { sizeBytes, sha256: hash.digest('hex') };
    await delay(FOLLOW_EVERY_MS);
  }
}

/** Not the handle's own stream: that one closes the file before it could be flushed, or never ends. */
function writableTo(handle: FileHandle): Writable {
  return new Writable({
    highWaterMark: 1024 * 1024,
    write(chunk: Buffer, _encoding, callback) {
      writeAll(handle, chunk).then(() => callback(), callback);
    },
  });
}

/** Writes the whole buffer at the handle's position: a write may take less than it is given. */
export async function writeAll(handle: FileHandle, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length;) {
    at += (await handle.write(chunk, at, chunk.length - at)).bytesWritten;
  }
}

/** The error as HoldfastError DISK_FULL where that is what it says, else as it is. */
export function diskFull(error: unknown, file: string): unknown {
  const code = systemCodeOf(error);
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new HoldfastError('DISK_FULL', `no space left to write ${file}`, {
    facts: { path: file },
    hint: 'free some space, or let an older set go (holdfast list shows their sizes)',
    cause: error,
  });
}

function tapped(tap: Tap): Transform {
  return new Transform({
    highWaterMark: 1024 * 1024,
    transform(chunk: Buffer, _encoding, callback) {
      try {
        tap(chunk);
      } catch (error) {
        callback(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      callback(null, chunk);
    },
  });
}

function throttled(throttle: (bytes: number) => Promise<void>, tap: Tap | undefined): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      throttle(chunk.length)
        .then(() => tap?.(chunk))
        .then(
          () => callback(null, chunk),
          (error: unknown) => callback(error instanceof Error ? error : new Error(String(error))),
        );
    },
  });
}

async function drain(stream: Readable, tap: Tap | undefined): Promise<void> {
  for await (const chunk of stream) {
    if (tap !== undefined && Buffer.isBuffer(chunk)) tap(chunk);
  }
}

function isClosedPipe(error: unknown): boolean {
  return ['EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'ERR_STREAM_DESTROYED'].includes(
    systemCodeOf(error) ?? '',
  );
}

function wasSignalled(error: unknown): boolean {
  return error instanceof HoldfastError && typeof error.facts.signal === 'string';
}
