/** Taking a restore back from what is on disk, whoever began it and however it ended. */
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { stagePath, swapBack } from '../../src/tree/swap/replace.js';
import { filesBase } from '../../src/format/config/artifacts.js';
import { discardStaging } from '../../src/docker/volumes/aside.js';
import { readRecord, type RunningRecord } from '../../src/docker/containers/running-record.js';
import {
  listContainers,
  removeContainer,
  stopContainer,
} from '../../src/docker/containers/containers.js';
import type { ServiceConfig } from '../../src/format/config/schema.js';
import { restoreAside } from '../../src/docker/volumes/volume-undo.js';
import { isHoldfastError, messageOf } from '../../src/base/errors.js';
import type { Work } from '../../src/base/progress.js';
import { readSteps, unmarkFinished, writeStep } from '../../src/store/records/restore-record.js';
import { removeTree } from '../../src/base/files/durable.js';
import { withFileLock } from '../../src/base/files/lock.js';
import { containersOf } from '../shared/containers.js';
import { lockFile, stoppedFile, unpackJournal } from '../shared/places.js';
import { forRestore } from '../restore/restore-context.js';
import { bringDatabasesBack } from '../restore/restore-some-databases.js';
import { projectOf, serviceOf, type ActivityDependencies } from '../shared/runtime.js';

export type RollBackDependencies = Pick<ActivityDependencies, 'config' | 'engine' | 'runLog'>;

/**
 * Stops what of the service runs by now, removes the containers that the restore has made, and puts
 * back, last step first, what was replaced. Starting it again comes later: all services must be back
 * first. @returns how many steps were taken back
 */
export async function rollBackReplaced(
  dependencies: RollBackDependencies,
  restoreId: string,
  name: string,
  work: Work,
): Promise<number> {
  const context = await forRestore(dependencies, restoreId);
  const { config, engine, runLog } = context;
  const { root } = config.backups;
  const open = (await readSteps(root, restoreId, name)).filter(({ state }) => state !== 'undone');
  const record = await readRecord(stoppedFile(root, restoreId, name));
  const service = serviceOf(config, name);
  // Should a late word of its being finished come, it is not: part of it is gone.
  if (open.length > 0) await unmarkFinished(root, restoreId);
  const databases = open.flatMap(({ undo }) => (undo.kind === 'databases' ? [undo] : []));
  // Not recorded: what ran before the restore is in the record of `stopService` already.
  const stopAll = async (): Promise<void> => {
    for (const { id } of await containersOf(engine, name, service)) {
      await stopContainer(engine, id, service.stopGrace);
    }
  };
  // A server of which only databases were replaced does the work itself.
  if (databases.length === 0 && (open.length > 0 || record !== undefined)) {
    await stopAll();
    if (open.length > 0) await removeMade(context, name, service, record);
  }
  for (const step of open) {
    const { undo } = step;
    const lock = lockFile(root, 'restore', step.service, step.source);
    await withFileLock(lock, { mode: 'wait', signal: work.signal }, () =>
      untilUnused(stopAll, work, async () => {
        switch (undo.kind) {
          case 'tree':
            await swapBack(undo);
            break;
          case 'volume':
            await restoreAside(engine, { volume: undo.volume, asideId: restoreId }, work);
            break;
          case 'databases':
            await bringDatabasesBack(context, { restoreId, ...step }, undo, work);
            break;
        }
        await writeStep(root, restoreId, { ...step, state: 'undone' });
      }),
    );
    await runLog.write(`Put back ${step.service}/${step.source} as it was`);
  }
  return open.length;
}

/** Containers of the project that were not there when the restore stopped it: it has made them. */
async function removeMade(
  { engine, runLog }: RollBackDependencies,
  name: string,
  service: ServiceConfig,
  record: RunningRecord | undefined,
): Promise<void> {
  const project = projectOf(name, service);
  if (record === undefined || project === undefined) return;
  const before = new Set(record.containers.map((one) => one.name));
  for (const container of await listContainers(engine, { composeProject: project })) {
    if (before.has(container.name)) continue;
    await removeContainer(engine, container.id);
    await runLog.write(`Removed the container ${container.name}: it was not there before`);
  }
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

/** Removes what was unpacked and never swapped in. What can't be removed is told, not fatal. */
export async function discardStaged(
  dependencies: RollBackDependencies,
  restoreId: string,
): Promise<void> {
  const { config, engine, runLog } = await forRestore(dependencies, restoreId);
  for (const [name, service] of Object.entries(config.services)) {
    for (const [key, source] of Object.entries(service.sources)) {
      try {
        if (source.kind === 'volume') await discardStaging(engine, source.volume, restoreId);
        await rm(unpackJournal(config.backups.root, restoreId, name, key), { force: true });
        const base = source.kind === 'files' ? filesBase(service, source) : undefined;
        if (base !== undefined) {
          await removeTree(await stagePath(base, restoreId), { ours: true });
        }
      } catch (error) {
        await runLog.write(`What was unpacked for ${name}/${key} is left: ${messageOf(error)}`);
      }
    }
  }
}
