/** Taking a restore back from what is on disk, whoever began it and however it ended. */
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { stagePath, swapBack } from '../src/archive/replace.js';
import { filesBase } from '../src/config/artifacts.js';
import { discardStaging } from '../src/docker/aside.js';
import { discardRecord, recordAndStop } from '../src/docker/running-record.js';
import { stopContainer } from '../src/docker/containers.js';
import { restoreAside } from '../src/docker/volume-undo.js';
import { isHoldfastError, messageOf } from '../src/errors.js';
import type { Work } from '../src/progress.js';
import {
  listRestores,
  readRestoreRecord,
  readSteps,
  writeRestoreRecord,
  writeStep,
  type RestoreRecord,
} from '../src/store/restore-record.js';
import { withFileLock } from '../src/system/lock.js';
import { containersOf } from './containers.js';
import { lockFile, stoppedFile, unpackJournal } from './places.js';
import { forRestore } from './restore-context.js';
import { serviceOf, type ActivityDependencies } from './runtime.js';

export type TakeBackDependencies = Pick<ActivityDependencies, 'config' | 'engine' | 'runLog'>;

/**
 * Stops what of the service runs by now and puts back, last step first, what was replaced. Starting
 * it again comes later: all services must be back first. @returns how many steps were taken back
 */
export async function takeBackService(
  dependencies: TakeBackDependencies,
  restoreId: string,
  name: string,
  work: Work,
): Promise<number> {
  const { config, engine, runLog } = await forRestore(dependencies, restoreId);
  const { root } = config.backups;
  const open = (await readSteps(root, restoreId, name)).filter(({ state }) => state !== 'undone');
  if (open.length === 0) return 0;
  const service = serviceOf(config, name);
  // Not recorded: what ran before the restore is in the record of `stopService` already.
  const stopAll = async (): Promise<void> => {
    for (const { id } of await containersOf(engine, name, service)) {
      await stopContainer(engine, id, service.stopGrace);
    }
  };
  await stopAll();
  for (const step of open) {
    const lock = lockFile(root, 'restore', step.service, step.source);
    await withFileLock(lock, { mode: 'wait', signal: work.signal }, () =>
      untilUnused(stopAll, work, async () => {
        if (step.undo.kind === 'tree') await swapBack(step.undo);
        else await restoreAside(engine, { volume: step.undo.volume, asideId: restoreId }, work);
        await writeStep(root, restoreId, { ...step, state: 'undone' });
      }),
    );
    await runLog.write(`Put back ${step.service}/${step.source} as it was`);
  }
  return open.length;
}

/** How often a volume that is in use again is waited for. */
const STOP_AGAIN = 10;

/**
 * A start that was under way in the engine when its caller was cancelled still takes effect, after
 * everything that ran has been stopped: then it is stopped again.
 */
async function untilUnused(
  stopAll: () => Promise<void>,
  work: Work,
  action: () => Promise<void>,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await action();
      return;
    } catch (error) {
      const inUse = isHoldfastError(error) && error.code === 'VOLUME_IN_USE';
      if (!inUse || tries === STOP_AGAIN) throw error;
      await delay(1_000, undefined, { signal: work.signal });
      await stopAll();
    }
  }
}

/** Closes a restore's record, and forgets what it had stopped: by now that runs as it should. */
export async function closeRestore(
  dependencies: TakeBackDependencies,
  restoreId: string,
  state: RestoreRecord['state'],
): Promise<void> {
  const { config } = dependencies;
  const { root } = config.backups;
  if (state === 'rolled-back') await discardStaged(dependencies, restoreId);
  const record = await readRestoreRecord(root, restoreId);
  if (record !== undefined) await writeRestoreRecord(root, { ...record, state });
  for (const service of Object.keys(config.services)) {
    await discardRecord(stoppedFile(root, restoreId, service));
  }
}

/** Removes what was unpacked and never swapped in. What can't be removed is told, not fatal. */
async function discardStaged(dependencies: TakeBackDependencies, restoreId: string): Promise<void> {
  const { config, engine, runLog } = await forRestore(dependencies, restoreId);
  for (const [name, service] of Object.entries(config.services)) {
    for (const [key, source] of Object.entries(service.sources)) {
      try {
        if (source.kind === 'volume') await discardStaging(engine, source.volume, restoreId);
        await rm(unpackJournal(config.backups.root, restoreId, name, key), { force: true });
        const base = source.kind === 'files' ? filesBase(service, source) : undefined;
        if (base !== undefined) {
          await rm(await stagePath(base, restoreId), { recursive: true, force: true });
        }
      } catch (error) {
        await runLog.write(`What was unpacked for ${name}/${key} is left: ${messageOf(error)}`);
      }
    }
  }
}

async function hasOpenSteps(root: string, restoreId: string, name: string): Promise<boolean> {
  return (await readSteps(root, restoreId, name)).some(({ state }) => state !== 'undone');
}

/**
 * Stops a service of a dead restore with a record, which adds to the restore's own if that is still
 * there: somebody may have started the containers since, and then they shall run again.
 */
async function recordRunning(
  dependencies: TakeBackDependencies,
  record: RestoreRecord,
  name: string,
): Promise<void> {
  const { config, engine } = await forRestore(dependencies, record.restoreId);
  const service = serviceOf(config, name);
  const containers = await containersOf(engine, name, service);
  await recordAndStop(engine, {
    recordFile: stoppedFile(config.backups.root, record.restoreId, name),
    containers: containers.map(({ id }) => id),
    graceMs: service.stopGrace,
    mode: 'stop',
    reason: `taking restore ${record.restoreId} back`,
    workflowId: record.workflowId,
  });
}

/**
 * Takes back restores whose run is over without having closed its record: it was terminated, or its
 * Temporal is gone. Their containers must not be started on half of a restore.
 * @returns ids of restores that could not be taken back: what they stopped stays stopped
 */
export async function takeBackDeadRestores(
  dependencies: TakeBackDependencies,
  isAlive: (workflowId: string) => Promise<boolean>,
  work: Work,
): Promise<ReadonlySet<string>> {
  const { config, runLog } = dependencies;
  const stuck = new Set<string>();
  for (const record of await listRestores(config.backups.root)) {
    // What a dead drill left is torn down, see drill-teardown.ts; there is nothing to put back.
    if (record.purpose === 'drill') continue;
    if (record.state !== 'running' || (await isAlive(record.workflowId))) continue;
    const { restoreId } = record;
    try {
      let undone = 0;
      for (const name of Object.keys(config.services).reverse()) {
        if (!(await hasOpenSteps(config.backups.root, restoreId, name))) continue;
        await recordRunning(dependencies, record, name);
        undone += await takeBackService(dependencies, restoreId, name, work);
      }
      await discardStaged(dependencies, restoreId);
      await writeRestoreRecord(config.backups.root, { ...record, state: 'rolled-back' });
      await runLog.write(
        `Restore ${restoreId} ended without finishing; ${undone} steps were taken back`,
      );
    } catch (error) {
      stuck.add(restoreId);
      await runLog.write(`Restore ${restoreId} could not be taken back: ${messageOf(error)}`);
    }
  }
  return stuck;
}
