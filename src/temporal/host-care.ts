/** What a person does on the host itself, without a run: looking after past restores and dead runs. */
import { leaveRestore } from '../../activities/rollback/dead-restores.js';
import {
  discardRestore,
  markDiscarded,
  pastRestores,
  safetyCopyBytes,
} from '../../activities/rollback/past-restores.js';
import { aliveAt } from '../../activities/shared/liveness.js';
import { bringBackStopped, type RecoveryReport } from '../../activities/rollback/recovery.js';
import type { Config } from '../format/config/schema.js';
import { connectEngine } from '../docker/engine/engine.js';
import { attendedRunLog } from '../observe/run-log.js';
import type { IsAlive } from '../format/run-identity.js';
import type { PastRestore } from '../plan/rollback/undo-plan.js';
import { connectClient } from './connect.js';

function contextOf(config: Config) {
  return { config, engine: connectEngine(), runLog: attendedRunLog(config.log?.file) };
}

/** Newest first, each with the bytes its safety copies take where they can be measured. */
export async function pastRestoresOf(
  config: Config,
): Promise<(PastRestore & { sizeBytes?: number })[]> {
  const context = contextOf(config);
  const found: (PastRestore & { sizeBytes?: number })[] = [];
  for (const restore of await pastRestores(config.backups.root)) {
    const sizeBytes =
      restore.state === 'finished' || restore.state === 'discarding'
        ? await safetyCopyBytes(context, restore.restoreId).catch(() => undefined)
        : 0;
    found.unshift({ ...restore, ...(sizeBytes === undefined ? {} : { sizeBytes }) });
  }
  return found;
}

/**
 * Says that the safety copies of these restores are to go: whatever happens to the caller, they go.
 * @throws HoldfastError as {@link markDiscarded}
 */
export async function markDiscardedOf(
  config: Config,
  restoreIds: readonly string[],
): Promise<void> {
  await markDiscarded(contextOf(config), restoreIds);
}

/** @throws HoldfastError as {@link discardRestore} */
export async function discardRestoreOf(config: Config, restoreId: string): Promise<void> {
  await discardRestore(contextOf(config), restoreId);
}

/**
 * Takes back what dead runs left. Which runs are dead is asked of Temporal; without it, all count as
 * dead, since nobody could go on with them.
 * @throws HoldfastError TEMPORAL_UNREACHABLE unless `withoutTemporal`
 */
export async function recoverNow(
  config: Config,
  { withoutTemporal, leave }: RecoverOptions,
): Promise<RecoveryReport> {
  const context = contextOf(config);
  await context.engine.ping();
  const recover = async (isAlive: IsAlive): Promise<RecoveryReport> => {
    const left = leave === undefined ? [] : [await leaveRestore(context, leave, isAlive)];
    const report = await bringBackStopped(context, isAlive);
    return { ...report, superseded: [...left, ...report.superseded] };
  };
  if (withoutTemporal) return recover(() => Promise.resolve(false));
  const { client, close } = await connectClient();
  try {
    return await recover(aliveAt(client));
  } finally {
    await close();
  }
}

export interface RecoverOptions {
  readonly withoutTemporal: boolean;
  /** Id of a dead restore that is not to be taken back, but closed as it is. */
  readonly leave?: string | undefined;
}
