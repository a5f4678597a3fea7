/**
 * Tells others on the host that a worker of the stack runs. A second worker is fine; but a command that
 * brings a Temporal of its own must not take the runs of a living worker for dead.
 */
import { lockFile } from '../../activities/shared/places.js';
import type { Config } from '../format/config/schema.js';
import { isHoldfastError } from '../base/errors.js';
import { pathExists } from '../base/files/durable.js';
import { isFileLocked, withFileLock } from '../base/files/lock.js';

/** Works while holding the worker's lock, or beside the worker that holds it. */
export async function asOnlyWorker(config: Config, work: () => Promise<void>): Promise<void> {
  const { root } = config.backups;
  // The directory is made by the first backup, not by a worker whose disk is not mounted.
  if (!(await pathExists(root))) return work();
  if (!(await holdingLock(root, work))) await work();
}

/** Does a worker of this stack run on this host, whether or not its Temporal answers? */
export async function workerRuns(config: Config): Promise<boolean> {
  return isFileLocked(lockFile(config.backups.root, 'worker'));
}

/** @returns false, having done nothing, where another worker holds the lock */
async function holdingLock(root: string, work: () => Promise<void>): Promise<boolean> {
  const file = lockFile(root, 'worker');
  try {
    await withFileLock(file, { mode: 'refuse' }, work);
    return true;
  } catch (error) {
    // What is locked while it works is locked under names of its own.
    const isTaken = isHoldfastError(error) && error.code === 'LOCK_HELD';
    if (isTaken && error.facts['path'] === file) return false;
    throw error;
  }
}
