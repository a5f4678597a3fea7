/**
 * Tells others on the host that a worker of the stack runs. A second worker is fine; but a command that
 * brings a Temporal of its own must not take the runs of a living worker for dead.
 */
import { lockFile } from '../../activities/places.js';
import type { Config } from '../config/schema.js';
import { isHoldfastError } from '../errors.js';
import { pathExists } from '../system/durable.js';
import { withFileLock } from '../system/lock.js';

/** Works while holding the worker's lock, or beside the worker that holds it. */
export async function asOnlyWorker(config: Config, work: () => Promise<void>): Promise<void> {
  const { root } = config.backups;
  // The directory is made by the first backup, not by a worker whose disk is not mounted.
  if (!(await pathExists(root))) return work();
  const begun = new Set<string>();
  try {
    await withFileLock(lockFile(root, 'worker'), { mode: 'refuse' }, async () => {
      begun.add(root);
      await work();
    });
  } catch (error) {
    if (begun.has(root) || !isHoldfastError(error) || error.code !== 'LOCK_HELD') throw error;
    await work();
  }
}

/** Does a worker of this stack run on this host, whether or not its Temporal answers? */
export async function workerRuns(config: Config): Promise<boolean> {
  const { root } = config.backups;
  if (!(await pathExists(root))) return false;
  try {
    await withFileLock(lockFile(root, 'worker'), { mode: 'refuse' }, () => Promise.resolve());
    return false;
  } catch (error) {
    if (isHoldfastError(error) && error.code === 'LOCK_HELD') return true;
    throw error;
  }
}
