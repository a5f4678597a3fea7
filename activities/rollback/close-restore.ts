/** Closing a restore's record, and what becomes of the records of what it had stopped. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { discardRecord } from '../../src/docker/containers/running-record.js';
import { HoldfastError, messageOf, systemCodeOf } from '../../src/base/errors.js';
import type { RestoreRecord } from '../../src/store/records/restore-shapes.js';
import {
  isMarkedFinished,
  markFinished,
  readRestoreRecord,
  readStepFiles,
  restoreDirectory,
  settleMark,
  writeRestoreRecord,
} from '../../src/store/records/restore-record.js';
import { mkdirDurably, pathExists, renameDurably } from '../../src/base/files/durable.js';
import { stoppedDirectory, stoppedFile, stoppedOf } from '../shared/places.js';
import { withRestoreRecord } from '../restore/restore-context.js';
import type { ActivityDependencies } from '../shared/runtime.js';
import { discardStaged } from './take-back.js';
import { own } from '../../src/base/own.js';

type CloseDependencies = Pick<ActivityDependencies, 'config' | 'engine' | 'runLog'>;

/**
 * Closes a restore's record, and forgets what it had stopped: by now that runs as it should. That a
 * restore is finished is durable before anything else is done about it. Repeatable.
 * @throws HoldfastError RESTORE_FAILED for a restore that is to be finished and was taken back meanwhile
 */
export async function closeRestore(
  dependencies: CloseDependencies,
  restoreId: string,
  state: RestoreRecord['state'],
): Promise<void> {
  const { config } = dependencies;
  const { root } = config.backups;
  if (state === 'rolled-back') await discardStaged(dependencies, restoreId);
  if ((await readRestoreRecord(root, restoreId)) === undefined) return;
  await withRestoreRecord(root, restoreId, async (record) => {
    if (state === 'finished') await finish(dependencies, record);
    else await writeRestoreRecord(root, { ...record, state });
  });
  for (const { file, service } of await stoppedBy(dependencies, restoreId)) {
    // An undo makes run again what ran before the restore, and nothing else.
    if (state === 'finished') await keepStopped(root, restoreId, service, file);
    else await discardRecord(file);
  }
  if (state === 'finished') await settleMark(root, restoreId);
}

async function finish({ config, runLog }: CloseDependencies, record: RestoreRecord): Promise<void> {
  const { root } = config.backups;
  const { restoreId, state } = record;
  const { steps } = await readStepFiles(root, restoreId);
  const isOpen = state === 'running' && steps.every(({ step }) => step.state !== 'undone');
  if (!isOpen && state !== 'finished') {
    throw new HoldfastError('RESTORE_FAILED', `restore ${restoreId} was taken back meanwhile`, {
      facts: { restoreId, state },
    });
  }
  if (isOpen) await markFinished(root, restoreId);
  try {
    await writeRestoreRecord(root, { ...record, state: 'finished' });
  } catch (error) {
    // It is finished all the same, by the mark; the record is written when there is room again.
    if (!(await isMarkedFinished(root, restoreId))) throw error;
    await runLog.write(`The record of restore ${restoreId} is written later: ${messageOf(error)}`);
  }
}

/** The records of what a restore has stopped, by service. */
export async function stoppedBy(
  { config }: Pick<CloseDependencies, 'config'>,
  restoreId: string,
): Promise<{ file: string; service: string }[]> {
  const files = await listFiles(stoppedDirectory(config.backups.root));
  return files.flatMap((file) => {
    if (!file.endsWith('.json')) return [];
    const of = stoppedOf(file, (name) => own(config.services, name) !== undefined);
    return of.runId === restoreId && of.source === undefined ? [{ file, service: of.service }] : [];
  });
}

/** What ran before a finished restore, beside its other records. */
function keptFile(root: string, restoreId: string, service: string): string {
  return path.join(restoreDirectory(root, restoreId), 'running', `${service}.json`);
}

export async function keepStopped(
  root: string,
  restoreId: string,
  service: string,
  file: string,
): Promise<void> {
  await moveRecord(file, keptFile(root, restoreId, service));
}

async function moveRecord(from: string, to: string): Promise<void> {
  if (!(await pathExists(from))) return;
  await mkdirDurably(path.dirname(to), 0o700);
  await renameDurably(from, to);
}

/** Makes a finished restore's records of what ran before it those of a run again. Repeatable. */
export async function reopenStopped(root: string, restoreId: string): Promise<void> {
  for (const file of await listFiles(path.dirname(keptFile(root, restoreId, 'any')))) {
    const service = path.basename(file, '.json');
    await moveRecord(file, stoppedFile(root, restoreId, service));
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
