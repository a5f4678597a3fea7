/**
 * Ending a command that runs in a container. Closing the API connection leaves it running (with its
 * locks and its transaction), so it is killed where it is, by a second exec.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from './engine.js';
import type { ExecSession } from './exec-session.js';
import { runBareExec } from './exec-session.js';

/** Carries `<tag>:<nonce>` in the environment of every command we start in a container. */
export const EXEC_MARK = 'HOLDFAST_EXEC';

export interface KillTarget {
  readonly container: string;
  readonly user: string | undefined;
  /** Process id inside the container; undefined where it has no shell to tell it. */
  readonly pid: number | undefined;
  /** Value of {@link EXEC_MARK}. */
  readonly mark: string;
  readonly session: ExecSession;
}

/**
 * TERM to the command and its descendants, after the grace KILL; returns when it has ended.
 * @returns false where it could not be ended (paused container, engine gone): nothing more to do here.
 */
export async function killExec(
  engine: Engine,
  target: KillTarget,
  graceMs: number,
): Promise<boolean> {
  await sendSignal(engine, target, 'TERM');
  if (await ended(target.session, graceMs)) return true;
  await sendSignal(engine, target, 'KILL');
  return ended(target.session, 10_000);
}

/**
 * Ends what an earlier attempt with the same tag left running in the container: the commands, and
 * what they started. The container needs `sh`, `tr` and `grep`.
 */
export async function killLeftoverExecs(
  engine: Engine,
  container: string,
  tag: string,
  user?: string,
): Promise<{ readonly killed: number }> {
  const script = `
    count=0
    for directory in /proc/[0-9]*; do
      if tr '\\0' '\\n' 2>/dev/null <"$directory/environ" | grep -q "^${EXEC_MARK}=$1"; then
        kill -s KILL "\${directory#/proc/}" 2>/dev/null && count=$((count + 1))
      fi
    done 2>/dev/null
    echo "$count"`;
  const { output } = await runBareExec(engine, {
    container,
    argv: ['sh', '-c', script, 'holdfast', tag.includes(':') ? tag : `${tag}:`],
    user,
  });
  return { killed: Number.parseInt(output.trim(), 10) || 0 };
}

async function sendSignal(
  engine: Engine,
  target: KillTarget,
  signal: 'TERM' | 'KILL',
): Promise<void> {
  if (target.pid !== undefined) {
    // An exec is a session of its own: its process group holds its descendants.
    const script = 'kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" "$2"';
    const { exitCode } = await runBareExec(engine, {
      container: target.container,
      argv: ['sh', '-c', script, 'holdfast', signal, String(target.pid)],
      user: target.user,
    }).catch(() => ({ exitCode: -1 })); // the container may be gone or frozen
    if (exitCode === 0) return;
  }
  await signalFromHost(target, signal);
}

/** Where this process shares the engine's host, it can reach the command directly. */
async function signalFromHost(target: KillTarget, signal: 'TERM' | 'KILL'): Promise<void> {
  try {
    const { hostPid, running } = await target.session.inspect();
    if (!running || hostPid === 0) return;
    // The mark proves that this pid, in this namespace, is our command and no one else's.
    const environment = await readFile(`/proc/${hostPid}/environ`, 'utf8');
    if (!environment.split('\0').includes(`${EXEC_MARK}=${target.mark}`)) return;
    process.kill(hostPid, `SIG${signal}`);
  } catch {
    // Not our host, or gone already: the caller sees whether it has ended.
  }
}

async function ended(session: ExecSession, limitMs: number): Promise<boolean> {
  const end = Date.now() + limitMs;
  for (;;) {
    const running = await session.inspect().then(
      (state) => state.running,
      // The engine forgot the exec with its container: it does not run. Any other failure: unknown.
      (error: unknown) => !isGone(error),
    );
    if (!running) return true;
    if (Date.now() > end) return false;
    await delay(50);
  }
}

function isGone(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    error.code === 'CONTAINER_NOT_FOUND'
  );
}
