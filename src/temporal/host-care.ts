/** What a person does on the host itself, without a run: looking after past restores and dead runs. */
import { pastRestores, discardRestore, safetyCopyBytes } from '../../activities/past-restores.js';
import { aliveAt, bringBackStopped, type RecoveryReport } from '../../activities/recovery.js';
import type { Config } from '../config/schema.js';
import { connectEngine } from '../docker/engine.js';
import { RunLog } from '../observe/run-log.js';
import type { PastRestore } from '../plan/undo-plan.js';
import { connectClient } from './connect.js';

function contextOf(config: Config) {
  return { config, engine: connectEngine(), runLog: new RunLog(config.log?.file) };
}

/** Newest first, each with the bytes its safety copies take where they can be measured. */
export async function pastRestoresOf(
  config: Config,
): Promise<(PastRestore & { sizeBytes?: number })[]> {
  const context = contextOf(config);
  const found: (PastRestore & { sizeBytes?: number })[] = [];
  for (const restore of await pastRestores(config.backups.root)) {
    const sizeBytes =
      restore.state === 'finished'
        ? await safetyCopyBytes(context, restore.restoreId).catch(() => undefined)
        : 0;
    found.unshift({ ...restore, ...(sizeBytes === undefined ? {} : { sizeBytes }) });
  }
  return found;
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
  { withoutTemporal }: { readonly withoutTemporal: boolean },
): Promise<RecoveryReport> {
  const context = contextOf(config);
  await context.engine.ping();
  if (withoutTemporal) return bringBackStopped(context, () => Promise.resolve(false));
  const { client, close } = await connectClient();
  try {
    return await bringBackStopped(context, aliveAt(client));
  } finally {
    await close();
  }
}
