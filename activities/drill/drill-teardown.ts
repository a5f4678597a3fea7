/** Taking a drill down, whoever began it and however it ended: by what is on disk and in Docker alone. */
import { readdir, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { drillsInEngine, isStillHeld, removeDrillLeft } from '../../src/docker/drill/drill-left.js';
import { HoldfastError, messageOf } from '../../src/base/errors.js';
import { DRILL_MARKER_FILE, isDrillId } from '../../src/format/drill-names.js';
import type { IsAlive, RunIdentity } from '../../src/format/run-identity.js';
import type { Work } from '../../src/base/progress.js';
import { kindOf } from '../../src/store/layout.js';
import {
  readRestoreRecord,
  readRestores,
  removeRestoreRecord,
} from '../../src/store/records/restore-record.js';
import { readTextIfExists, removeTree } from '../../src/base/files/durable.js';
import { withFileLock } from '../../src/base/files/lock.js';
import type { ActivityDependencies } from '../shared/runtime.js';

export type TearDownDependencies = Pick<ActivityDependencies, 'config' | 'engine' | 'runLog'>;

const ROUNDS = 15;
const PAUSE_MS = 1_000;

/**
 * Removes all a drill made: containers, volumes, networks, its workspace, its records. Waits for steps
 * of it that still run. Repeatable; nothing left is fine.
 * @throws HoldfastError what Docker or the disk says when something can't be removed
 */
export async function tearDownDrill(
  { config, engine }: TearDownDependencies,
  drillId: string,
  work: Work,
): Promise<void> {
  if (!isDrillId(drillId)) throw new HoldfastError('INTERNAL', `${drillId} is not a drill`);
  const { root } = config.backups;
  // Whoever still unpacks or loads for it would go on writing into what is being removed.
  for (const file of await locksOf(root, drillId)) {
    await withFileLock(file, { mode: 'wait', signal: work.signal }, () => Promise.resolve());
  }
  for (let round = 1; ; round += 1) {
    work.report({ phase: 'tear down', bytes: 0, entries: round, totalBytes: 0 });
    try {
      const { containers, volumes, networks } = await removeDrillLeft(engine, drillId);
      if (containers + volumes + networks === 0) break;
    } catch (error) {
      if (!isStillHeld(error) || round >= ROUNDS) throw error;
      await delay(PAUSE_MS, undefined, { signal: work.signal });
    }
  }
  const record = await readRestoreRecord(root, drillId);
  if (record?.drill !== undefined) await removeWorkspace(record.drill.workspace, drillId);
  await removeFiles(path.join(root, '.holdfast', 'unpacked'), `${drillId}--`);
  await removeFiles(path.join(root, '.holdfast', 'stopped'), `${drillId}--`);
  await removeFiles(path.join(root, '.holdfast', 'locks'), `${drillId}--`);
  // Last: it is what says that there is something to remove.
  await removeRestoreRecord(root, drillId);
}

/**
 * Takes down drills whose run is over and that were not left up on purpose; with `kept`, those too.
 * @returns their ids; what could not be removed is told and tried again next time
 */
export async function reapDrills(
  dependencies: TearDownDependencies,
  isAlive: IsAlive,
  options: { readonly kept: boolean },
  work: Work,
): Promise<string[]> {
  const { config, engine, runLog } = dependencies;
  const { root } = config.backups;
  const { records: all, unreadable } = await readRestores(root);
  const records = all.filter(({ purpose }) => purpose === 'drill');
  const found = new Map<string, RunIdentity & { kept: boolean }>();
  // Also those whose record is lost.
  for (const { drillId, workflowId } of await drillsInEngine(engine, root)) {
    found.set(drillId, { workflowId, kept: false });
  }
  for (const { restoreId, workflowId, runId, drill } of records) {
    found.set(restoreId, { workflowId, runId, kept: drill?.kept ?? false });
  }
  // Whether it was left up on purpose is not known.
  for (const { restoreId, file, reason } of unreadable) {
    if (!isDrillId(restoreId)) continue;
    found.delete(restoreId);
    await runLog.write(`The drill ${restoreId} is left alone: ${file} can't be read: ${reason}`);
  }
  const reaped: string[] = [];
  for (const [drillId, { kept, ...run }] of found) {
    if ((kept && !options.kept) || (await isAlive(run))) continue;
    try {
      await tearDownDrill(dependencies, drillId, work);
      reaped.push(drillId);
      await runLog.write(`Removed what the drill ${drillId} had left`);
    } catch (error) {
      await runLog.write(`What the drill ${drillId} left can't be removed: ${messageOf(error)}`);
    }
  }
  return reaped;
}

/** Only a directory that says it is this drill's; links are removed, never followed. */
async function removeWorkspace(workspace: string, drillId: string): Promise<void> {
  if (path.basename(workspace) !== drillId || (await kindOf(workspace)) !== 'directory') return;
  const marker = await readTextIfExists(path.join(workspace, DRILL_MARKER_FILE));
  if (marker?.trim() !== drillId) {
    // Killed before it was marked, or after the mark was removed: then there is nothing in it.
    await rmdir(workspace).catch(() => undefined);
    return;
  }
  for (const name of await readdir(workspace)) {
    if (name !== DRILL_MARKER_FILE) await removeTree(path.join(workspace, name));
  }
  await removeTree(workspace);
}

async function locksOf(root: string, drillId: string): Promise<string[]> {
  const directory = path.join(root, '.holdfast', 'locks');
  const names = await readdir(directory).catch(() => []);
  return names
    .filter((name) => name.startsWith(`${drillId}--`) && name.endsWith('.lock'))
    .map((name) => path.join(directory, name));
}

async function removeFiles(directory: string, prefix: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    if (name.startsWith(prefix)) await removeTree(path.join(directory, name));
  }
}
