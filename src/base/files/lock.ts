/**
 * A kernel lock on a file, held by a util-linux `flock` child that reads our pipe: however this
 * process ends, the pipe closes, the child ends and the lock is free. No stale locks to clear.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { HoldfastError } from '../errors.js';
import { pathExists } from './durable.js';
import { runCommand, startCommand, type RunningCommand } from '../process/process.js';

export interface LockOptions {
  /** What to do when someone else holds it. */
  readonly mode: 'wait' | 'refuse';
  readonly signal?: AbortSignal | undefined;
}

/** What flock exits with when the lock is taken and it was told not to wait. */
const TAKEN_EXIT_CODE = 75;

/**
 * Calls `work` while holding the lock on `file` (made with its directory when missing). The signal it
 * gets fires when the lock is lost because someone ended the child that holds it.
 * @throws HoldfastError LOCK_HELD (facts: path, holder), COMMAND_FAILED without `flock`; or the
 *   signal's reason while waiting
 */
export async function withFileLock<Result>(
  file: string,
  options: LockOptions,
  work: (lost: AbortSignal) => Promise<Result>,
): Promise<Result> {
  await mkdir(path.dirname(file), { recursive: true });
  options.signal?.throwIfAborted();
  // Ends the waiting only: work that is being cancelled still holds the lock until it has ended.
  const waiting = new AbortController();
  const giveUp = (): void => waiting.abort(options.signal?.reason);
  options.signal?.addEventListener('abort', giveUp, { once: true });
  const child = startCommand(
    'flock',
    [
      '--exclusive',
      ...(options.mode === 'refuse' ? ['--nonblock'] : []),
      '--conflict-exit-code',
      String(TAKEN_EXIT_CODE),
      file,
      // Says that it has the lock, then keeps it until its input ends.
      'sh',
      '-c',
      'echo locked; exec cat >/dev/null',
    ],
    { openStdin: true, okExitCodes: [0, TAKEN_EXIT_CODE], signal: waiting.signal },
  );
  child.stdin?.on('error', () => undefined);
  const lost = new AbortController();
  try {
    await acquired(child, file);
    options.signal?.removeEventListener('abort', giveUp);
    void child.done.then(
      () => lost.abort(lockLost(file)),
      () => lost.abort(lockLost(file)),
    );
    // Only for whoever wonders: on a full disk the lock is as good without.
    await writeHolder(file).catch(() => undefined);
    return await work(lost.signal);
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
    child.stdin?.end();
    await child.done.catch(() => undefined);
  }
}

/**
 * Does somebody hold the lock on this file? Looks by a shared lock, so that those who look at one time
 * do not take each other for the holder. A file that is not there is not locked.
 * @throws HoldfastError COMMAND_FAILED without `flock`, or where the file can't be opened
 */
export async function isFileLocked(file: string): Promise<boolean> {
  if (!(await pathExists(file))) return false;
  const { exitCode } = await runCommand(
    'flock',
    ['--shared', '--nonblock', '--conflict-exit-code', String(TAKEN_EXIT_CODE), file, 'true'],
    { okExitCodes: [0, TAKEN_EXIT_CODE] },
  );
  return exitCode === TAKEN_EXIT_CODE;
}

async function acquired(child: RunningCommand, file: string): Promise<void> {
  const locked = new Promise<boolean>((resolve) => {
    child.stdout.once('data', () => resolve(true));
    child.stdout.once('close', () => resolve(false));
  });
  if (await locked) {
    child.stdout.resume();
    return;
  }
  await child.done;
  const holder = (await readFile(file, 'utf8')).trim() || 'unknown';
  throw new HoldfastError('LOCK_HELD', `${file} is locked by ${holder}`, {
    facts: { path: file, holder },
    hint: 'wait for it to end, or find out whether it hangs',
  });
}

/** Into the same file, never by a rename: the lock is on the file, not on its name. */
async function writeHolder(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.truncate(0);
    await handle.write(
      `pid ${process.pid} on ${hostname()} since ${new Date().toISOString()} (${randomUUID().slice(0, 8)})\n`,
      0,
    );
  } finally {
    await handle.close();
  }
}

function lockLost(file: string): HoldfastError {
  return new HoldfastError('LOCK_HELD', `the lock on ${file} was lost`, { facts: { path: file } });
}
