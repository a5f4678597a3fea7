/** Quiesce hooks: `before` a source is read and `after`, which runs whoever dies meanwhile. */
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Quiesce } from '../../src/format/config/sources.js';
import { findContainer, inspectContainer } from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { execCapture } from '../../src/docker/engine/exec.js';
import {
  listHookRecords,
  readHookRecord,
  removeHookRecord,
  writeHookRecord,
  type HookRecord,
} from '../../src/docker/containers/hook-record.js';
import { HoldfastError, messageOf } from '../../src/base/errors.js';
import type { IsAlive, RunIdentity } from '../../src/format/run-identity.js';
import type { Work } from '../../src/base/progress.js';
import { pathExists } from '../../src/base/files/durable.js';
import { withFileLock } from '../../src/base/files/lock.js';
import { hookDirectory, hookFile } from '../shared/places.js';
import type { ActivityDependencies } from '../shared/runtime.js';
import { own } from '../../src/base/own.js';

export type Hook = Extract<Quiesce, object>;

type Context = Pick<ActivityDependencies, 'config' | 'engine' | 'runLog'>;

export interface HookedSource {
  readonly setId: string;
  readonly service: string;
  readonly source: string;
}

/** A hook that hangs must not hold the service for the night. */
const HOOK_TIMEOUT_MS = 10 * 60_000;
/** How often a hook that another source has run is looked at. */
const LOOK_MS = 2_000;

/**
 * Records the hook, then runs its `before`. Where another source has run the very same one and is still
 * being read, its turn comes after that one's `after`.
 * @throws HoldfastError CONTAINER_NOT_FOUND, COMMAND_FAILED
 */
export async function runBefore(
  { config, engine }: Context,
  hook: Hook,
  subject: HookedSource,
  run: RunIdentity & { readonly isAlive: IsAlive },
  work: Work,
): Promise<void> {
  const { root } = config.backups;
  const file = hookFile(root, subject.setId, subject.service, subject.source);
  const { isAlive, ...identity } = run;
  if ((await readHookRecord(file))?.held === true) return;
  const { id: containerId } = await inspectContainer(engine, hook.container);
  const { service, source } = subject;
  const { container, before, after } = hook;
  const record: HookRecord = {
    ...{ format: 'holdfast-hook', version: 1, service, source, container, containerId },
    ...{ before: [...before], after: [...after], ...identity, at: new Date().toISOString() },
  };
  for (let waited = 1; ; waited += 1) {
    const mine = await locked(root, work.signal, async () => {
      for (const { file: other, record } of await listHookRecords(hookDirectory(root))) {
        if (path.resolve(other) === path.resolve(file) || record.ending === true) continue;
        if (isSameHook(record, hook) && (await isAlive(record))) return false;
      }
      await writeHookRecord(file, record);
      return true;
    });
    if (mine) break;
    work.report({ phase: 'wait', bytes: 0, entries: waited, totalBytes: 0 });
    await delay(LOOK_MS, undefined, { signal: work.signal });
  }
  await runHook(engine, hook.container, hook.before, work.signal);
  await writeHookRecord(file, { ...record, held: true });
}

/** Runs the hook's `after` and forgets the record. @throws HoldfastError COMMAND_FAILED */
export async function runAfter(
  { config, engine }: Context,
  hook: Hook,
  { setId, service, source }: HookedSource,
  signal: AbortSignal,
): Promise<void> {
  const file = hookFile(config.backups.root, setId, service, source);
  const record = await readHookRecord(file);
  if (record !== undefined) await writeHookRecord(file, { ...record, ending: true });
  await runHook(engine, hook.container, hook.after, signal);
  await removeHookRecord(file);
}

/** Has the source's `before` been run, or begun, without its `after`? */
export async function isHooked(
  { config }: Pick<Context, 'config'>,
  { setId, service, source }: HookedSource,
): Promise<boolean> {
  return pathExists(hookFile(config.backups.root, setId, service, source));
}

/**
 * Runs the `after` of every hook whose run is over. Only what the configuration still names is run; of
 * the rest a person is told. @returns what could not be done, one sentence each: it stays on record
 */
export async function runLeftHooks(
  context: Context,
  isAlive: IsAlive,
  signal: AbortSignal,
): Promise<string[]> {
  const { config, engine, runLog } = context;
  const problems: string[] = [];
  const found = await listHookRecords(hookDirectory(config.backups.root), (error) => {
    problems.push(messageOf(error));
  });
  for (const { file, record } of found) {
    if (await isAlive(record)) continue;
    const { service, source, container, after } = record;
    const what = `the \`after\` hook of ${service}/${source} in ${container}`;
    try {
      if (!isConfigured(config, record)) {
        problems.push(
          `${what} was not run by ${record.workflowId}, and the configuration no longer has it: ` +
            `run ${after.join(' ')} there, then remove ${file}`,
        );
        continue;
      }
      const now = await findContainer(engine, container);
      try {
        await runHook(engine, container, after, signal);
        await runLog.write(`Ran ${what}: ${record.workflowId} is over without it`);
      } catch (error) {
        signal.throwIfAborted();
        // What was held still in a process is gone with it: there may be nothing to undo.
        const anew =
          now !== undefined &&
          (now.id !== record.containerId || Date.parse(now.startedAt) > Date.parse(record.at));
        if (!anew) throw error;
        await runLog.write(
          `Left out ${what}: the container was started anew since (${messageOf(error)})`,
        );
      }
      await removeHookRecord(file);
    } catch (error) {
      signal.throwIfAborted();
      problems.push(`${what} could not be run: ${messageOf(error)}`);
    }
  }
  for (const problem of problems) await runLog.write(problem);
  return problems;
}

function isConfigured(config: Context['config'], record: HookRecord): boolean {
  const source = own(own(config.services, record.service)?.sources ?? {}, record.source);
  if (source === undefined || source.kind === 'postgres') return false;
  return typeof source.quiesce === 'object' && isSameHook(record, source.quiesce);
}

function isSameHook(record: HookRecord, { container, before, after }: Hook): boolean {
  const same = (left: readonly string[], right: readonly string[]): boolean =>
    JSON.stringify(left) === JSON.stringify(right);
  return record.container === container && same(record.before, before) && same(record.after, after);
}

async function runHook(
  engine: Engine,
  container: string,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { exitCode, stderr } = await execCapture(engine, {
    container,
    argv,
    signal,
    timeoutMs: HOOK_TIMEOUT_MS,
  });
  if (exitCode !== 0) {
    throw new HoldfastError(
      'COMMAND_FAILED',
      `the hook ${argv[0] ?? ''} in ${container} ended with exit code ${exitCode}: ${stderr.trim().slice(-300)}`,
      { facts: { container, exitCode } },
    );
  }
}

function locked<T>(root: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const file = path.join(hookDirectory(root), '.hooks.lock');
  return withFileLock(file, { mode: 'wait', signal }, work);
}
