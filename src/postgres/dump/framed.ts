/**
 * Dump programs: output that proves itself whole, and an end that harms nobody.
 *
 * Whole: the exit status of a program in a container is asked for after its output was read, over
 * another connection; a stream that was cut short can come with exit code 0. So a last line, written
 * by the same shell into the same stream after the program has ended, carries the status: when it is
 * there, nothing before it is missing.
 *
 * Harmless: in a container the server's first process is usually process 1, which inherits orphans.
 * It takes an orphan that dies of a signal for one of its own server processes, and then ends every
 * connection of everybody and recovers (CleanupBackend in postmaster.c). pg_dumpall runs pg_dump as
 * its child, so killing them is such a case. They are stopped through the server instead: without
 * their sessions they end by themselves, in order, with exit code 1.
 */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setImmediate as tick, setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, type ErrorCode, type ErrorFacts } from '../../base/errors.js';
import { asBuffer } from '../client/bytes.js';
import { clientError } from '../client/client-error.js';
import type { PostgresExec, PostgresStream } from '../client/exec.js';
/** The trap keeps the shell until its child has ended, so that not even TERM makes an orphan. */
const SCRIPT = 'trap : TERM; "$@"; printf "\\n%s %03d\\n" "$0" "$?"';

/**
 * The same with the output compressed on its way, where the server's container has zstd: an engine
 * moves a command's output at the cost of the command itself, and so only a quarter of it. The
 * subshells set the trap anew, since a shell's traps are not its children's. The status is the
 * program's, or zstd's where the program succeeded; one that could not be learnt is a failure.
 */
const PACKED_SCRIPT = `trap : TERM
level=$1
shift
exec 3>&1
ends=$( {
  trap : TERM
  { trap : TERM; "$@" 3>&- 4>&-; printf "%d " "$?" >&4; } | zstd -q -c --check "$level" >&3 4>&-
  printf "%d" "$?" >&4
} 4>&1)
status=\${ends%% *}
if [ "$status" = 0 ]; then status=\${ends##* }; fi
printf "\\n%s %03d\\n" "$0" "\${status:-1}"`;

/** How long ending a program's sessions may take to end the program, before it is killed. */
const GENTLE_STOP_MS = 15_000;
const STOP_INTERVAL_MS = 250;

export interface FramedOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Code for a program that failed. */
  readonly failureCode: ErrorCode;
  /** Code for output cut short; DUMP_INCOMPLETE by default. */
  readonly cutCode?: ErrorCode | undefined;
  /** zstd's level, to be given the output compressed; needs zstd where the server runs. */
  readonly packedLevel?: number | undefined;
  readonly database?: string | undefined;
  /** Ends the program's sessions on the server. */
  readonly endSessions: () => Promise<void>;
}

/**
 * Runs a program whose output must be complete, and gives the output to `consume`. The program needs
 * `sh` where the server runs. When this settles, the program has ended.
 * @param consume Its promise settles when all of the output is handled. Reading fails, before the
 *   end is reached, where the program failed or its output was cut short.
 * @returns What `consume` gave, and the program's last few kilobytes of error output.
 * @throws HoldfastError `failureCode`, `cutCode`, what `consume` failed with, or the signal's
 *   reason.
 */
export async function runFramed<T>(
  pg: PostgresExec,
  argv: readonly string[],
  options: FramedOptions,
  consume: (stdout: Readable) => Promise<T>,
): Promise<{ value: T; stderr: string }> {
  const { signal } = options;
  signal.throwIfAborted();
  const marker = `holdfast-${randomBytes(12).toString('hex')}`;
  const kill = new AbortController();
  const { packedLevel } = options;
  const script =
    packedLevel === undefined
      ? [SCRIPT, marker, ...argv]
      : [PACKED_SCRIPT, marker, `-${packedLevel}`, ...argv];
  const running = await pg.stream(['sh', '-c', ...script], {
    env: options.env,
    signal: kill.signal,
  });
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= stopGently(running, options.endSessions, kill));
  const onAbort = (): void => void stop();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const program = { running, marker, name: argv[0] ?? '' };
    const value = await consume(Readable.from(unframed(program, options), { objectMode: false }));
    signal.throwIfAborted();
    return { value, stderr: running.stderrTail() };
  } catch (error) {
    // Nobody reads any more, or nobody ever began to: a program held in a write can't end by itself.
    running.stdout.resume();
    await stop();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function stopGently(
  running: PostgresStream,
  endSessions: () => Promise<void>,
  kill: AbortController,
): Promise<void> {
  const end = running.done.then(
    () => 'ended' as const,
    () => 'ended' as const,
  );
  // Of a program that has ended there is nothing to end, for which a full server may have no session.
  if ((await Promise.race([end, tick('running')])) === 'ended') return;
  for (const limit = Date.now() + GENTLE_STOP_MS; Date.now() < limit;) {
    // Again and again: pg_dumpall opens a session for each database.
    await endSessions().catch(() => undefined); // the server may be gone; then so are its sessions
    if ((await Promise.race([end, delay(STOP_INTERVAL_MS)])) === 'ended') return;
  }
  kill.abort(new HoldfastError('STALLED', 'the program did not end when its sessions were ended'));
  await end;
}

interface Program {
  readonly running: PostgresStream;
  readonly marker: string;
  readonly name: string;
}

async function* unframed(program: Program, options: FramedOptions): AsyncGenerator<Buffer> {
  const { running, marker } = program;
  const lastLineBytes = marker.length + 6;
  let held = Buffer.alloc(0);
  try {
    for await (const chunk of running.stdout.iterator({ destroyOnReturn: false })) {
      const bytes = asBuffer(chunk);
      const all = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      const ready = all.length - lastLineBytes;
      if (ready > 0) yield all.subarray(0, ready);
      held = Buffer.from(all.subarray(Math.max(0, ready)));
    }
  } finally {
    // A reader that gave up must not hold the program in a write; closing would kill it.
    running.stdout.resume();
  }
  const { exitCode } = await running.done;
  const status = new RegExp(`^\\n${marker} (\\d{3})\\n$`).exec(held.toString('latin1'))?.[1];
  assertSucceeded(program, options, exitCode, status);
}

function assertSucceeded(
  { running, name }: Program,
  { database, failureCode, cutCode }: FramedOptions,
  shellExitCode: number,
  status: string | undefined,
): void {
  const stderr = running.stderrTail();
  const facts: ErrorFacts = database === undefined ? {} : { database };
  const exitCode = shellExitCode === 0 ? Number.parseInt(status ?? '0', 10) : shellExitCode;
  if (exitCode !== 0) throw clientError(name, { exitCode, stderr }, failureCode, facts);
  if (status === undefined) {
    throw new HoldfastError(cutCode ?? 'DUMP_INCOMPLETE', `the output of ${name} was cut short`, {
      facts: { program: name, stderr: stderr.slice(-2000), ...facts },
    });
  }
}
