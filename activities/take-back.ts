/** Taking a restore back from what is on disk, whoever began it and however it ended. */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stagePath, swapBack } from '../src/archive/replace.js';
import { filesBase } from '../src/config/artifacts.js';
import { discardStaging } from '../src/docker/aside.js';
import {
  discardRecord,
  readRecord,
  recordAndStop,
  type RunningRecord,
} from '../src/docker/running-record.js';
import { listContainers, removeContainer, stopContainer } from '../src/docker/containers.js';
import type { ServiceConfig } from '../src/config/schema.js';
import { restoreAside } from '../src/docker/volume-undo.js';
import { isHoldfastError, messageOf, systemCodeOf } from '../src/errors.js';
import type { IsAlive } from '../src/plan/run-identity.js';
import type { Work } from '../src/progress.js';
import {
  listRestores,
  readRestoreRecord,
  readAllSteps,
  readSteps,
  restoreDirectory,
  writeRestoreRecord,
  writeStep,
  type RestoreRecord,
} from '../src/store/restore-record.js';
import { mkdirDurably, pathExists, removeTree, renameDurably } from '../src/system/durable.js';
import { withFileLock } from '../src/system/lock.js';
import { containersOf } from './containers.js';
import { lockFile, stoppedFile, unpackJournal } from './places.js';
import { forRestore } from './restore-context.js';
import { bringDatabasesBack } from './restore-some-databases.js';
import { projectOf, serviceOf, type ActivityDependencies } from './runtime.js';

export type TakeBackDependencies = Pick<ActivityDependencies, 'config' | 'engine' | 'runLog'>;

/**
 * Stops what of the service runs by now, removes the containers that the restore has made, and puts
 * back, last step first, what was replaced. Starting it again comes later: all services must be back
 * first. @returns how many steps were taken back
 */
export async function takeBackService(
  dependencies: TakeBackDependencies,
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
            await bringDatabasesBack(context, step, undo, work);
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
  { engine, runLog }: TakeBackDependencies,
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
    const file = stoppedFile(root, restoreId, service);
    // An undo makes run again what ran before the restore, and nothing else.
    if (state === 'finished') await keepRecord(file, keptFile(root, restoreId, service));
    else await discardRecord(file);
  }
}

/** What ran before a finished restore, beside its other records. */
function keptFile(root: string, restoreId: string, service: string): string {
  return path.join(restoreDirectory(root, restoreId), 'running', `${service}.json`);
}

async function keepRecord(from: string, to: string): Promise<void> {
  if (!(await pathExists(from))) return;
  await mkdirDurably(path.dirname(to), 0o700);
  await renameDurably(from, to);
}

/** Makes a finished restore's records of what ran before it those of a run again. Repeatable. */
export async function reopenStopped(root: string, restoreId: string): Promise<void> {
  for (const file of await listFiles(path.dirname(keptFile(root, restoreId, 'any')))) {
    const service = path.basename(file, '.json');
    await keepRecord(file, stoppedFile(root, restoreId, service));
  }
}

async function listFiles(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory);
    return names.filter((name) => !name.startsWith('.')).map((name) => path.join(directory, name));
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw error;
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
          await removeTree(await stagePath(base, restoreId), { ours: true });
        }
      } catch (error) {
        await runLog.write(`What was unpacked for ${name}/${key} is left: ${messageOf(error)}`);
      }
    }
  }
}

/** @throws HoldfastError UNKNOWN_SERVICE: what is not configured can't be taken back, nor passed over */
async function requireConfigured(
  { config }: TakeBackDependencies,
  restoreId: string,
): Promise<void> {
  const steps = await readAllSteps(config.backups.root, restoreId);
  const open = steps.filter(({ state }) => state !== 'undone').map(({ service }) => service);
  for (const service of new Set(open)) serviceOf(config, service);
}

/** Only databases of it were replaced: the server is not stopped for that. */
async function isServing(root: string, restoreId: string, name: string): Promise<boolean> {
  return (await readSteps(root, restoreId, name)).some(({ undo }) => undo.kind === 'databases');
}

/** Has the restore stopped or replaced anything of the service that is not back? */
async function isTouched(root: string, restoreId: string, name: string): Promise<boolean> {
  const steps = await readSteps(root, restoreId, name);
  if (steps.some(({ state }) => state !== 'undone')) return true;
  return (await readRecord(stoppedFile(root, restoreId, name))) !== undefined;
}

/**
 * Stops a service of a dead restore with a record, which adds to the restore's own if that is still
 * there: somebody may have started the containers since, and then they shall run again. Those that
 * the restore has made itself are not among them.
 */
export async function recordRunning(
  dependencies: TakeBackDependencies,
  record: RestoreRecord,
  name: string,
): Promise<void> {
  const { config, engine } = await forRestore(dependencies, record.restoreId);
  const service = serviceOf(config, name);
  const recordFile = stoppedFile(config.backups.root, record.restoreId, name);
  const known = (await readRecord(recordFile))?.containers.map((one) => one.name);
  const containers = (await containersOf(engine, name, service)).filter(
    (container) => known === undefined || known.includes(container.name),
  );
  await recordAndStop(engine, {
    recordFile,
    containers: containers.map(({ id }) => id),
    graceMs: service.stopGrace,
    mode: 'stop',
    reason: `taking restore ${record.restoreId} back`,
    workflowId: record.workflowId,
    runId: record.runId,
  });
}

export interface DeadRestores {
  readonly takenBack: readonly string[];
  /** Those that could not be taken back, with the reason: what they stopped stays stopped. */
  readonly stuck: ReadonlyMap<string, string>;
}

/**
 * Takes back restores whose run is over without having closed its record: it was terminated, or its
 * Temporal is gone. Their containers must not be started on half of a restore.
 */
export async function takeBackDeadRestores(
  dependencies: TakeBackDependencies,
  isAlive: IsAlive,
  work: Work,
): Promise<DeadRestores> {
  const { config, runLog } = dependencies;
  const takenBack: string[] = [];
  const stuck = new Map<string, string>();
  for (const record of await listRestores(config.backups.root)) {
    // What a dead drill left is torn down, see drill-teardown.ts; there is nothing to put back.
    if (record.purpose === 'drill') continue;
    const open = record.state === 'running' || record.state === 'undoing';
    if (!open || (await isAlive(record))) continue;
    const { restoreId } = record;
    try {
      let undone = 0;
      await requireConfigured(dependencies, restoreId);
      if (record.state === 'undoing') await reopenStopped(config.backups.root, restoreId);
      for (const name of Object.keys(config.services).reverse()) {
        if (!(await isTouched(config.backups.root, restoreId, name))) continue;
        if (!(await isServing(config.backups.root, restoreId, name))) {
          await recordRunning(dependencies, record, name);
        }
        undone += await takeBackService(dependencies, restoreId, name, work);
      }
      await discardStaged(dependencies, restoreId);
      const undoing = record.state === 'undoing';
      const state = undoing ? 'undone' : 'rolled-back';
      await writeRestoreRecord(config.backups.root, { ...record, state });
      await runLog.write(
        `${undoing ? 'The undo of restore' : 'Restore'} ${restoreId} ended without finishing; ` +
          `${undone} steps were taken back`,
      );
      takenBack.push(restoreId);
    } catch (error) {
      stuck.set(restoreId, messageOf(error));
      await runLog.write(`Restore ${restoreId} could not be taken back: ${messageOf(error)}`);
    }
  }
  return { takenBack, stuck };
}
