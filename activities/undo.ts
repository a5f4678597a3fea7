/** Undoing a finished restore: choosing it, opening it again. The steps are those of a roll-back. */
import { chooseUndo, type PastRestore } from '../src/plan/undo-plan.js';
import { readRestoreRecord, writeRestoreRecord } from '../src/store/restore-record.js';
import { withRestoreRecord } from './restore-context.js';
import { HoldfastError } from '../src/errors.js';
import { pastRestores } from './past-restores.js';
import { recoverHost } from './recovery.js';
import { guarded, whileWaiting, runOf, type ActivityDependencies } from './runtime.js';
import { recordRunning, reopenStopped } from './take-back.js';

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createUndoActivities(dependencies: ActivityDependencies) {
  const { config, runLog } = dependencies;
  const { root } = config.backups;
  return {
    /** @throws HoldfastError SET_NOT_FOUND, RESTORE_FAILED when it can't be undone */
    chooseUndo: guarded(async ({ restore }: { restore: string }): Promise<PastRestore> => {
      return chooseUndo(await pastRestores(root), restore);
    }),

    /** Opens the restore's record again: from here on it is taken back, whoever dies meanwhile. */
    beginUndo: guarded(async ({ restoreId }: { restoreId: string }): Promise<void> => {
      await whileWaiting({ service: '', source: 'undo' }, 'check', async () => {
        await withRestoreRecord(root, restoreId, async (record) => {
          if (record.state !== 'finished' && record.state !== 'undoing') {
            throw new HoldfastError(
              'RESTORE_FAILED',
              `restore ${restoreId} is ${record.state} now`,
              {
                facts: { restoreId, state: record.state },
                hint: '`holdfast restores` lists what can be undone',
              },
            );
          }
          await writeRestoreRecord(root, { ...record, ...runOf(), state: 'undoing' });
        });
        await reopenStopped(root, restoreId);
        await recoverHost(dependencies);
        await runLog.write(`Undoing restore ${restoreId}`);
      });
    }),

    /** Stops a service for an undo: what the restore made is not to be started again. */
    stopForUndo: guarded(
      async ({ restoreId, service }: { restoreId: string; service: string }): Promise<void> => {
        await whileWaiting({ service, source: 'stop' }, 'stop', async () => {
          const record = await readRestoreRecord(root, restoreId);
          if (record !== undefined) await recordRunning(dependencies, record, service);
        });
      },
    ),
  };
}
