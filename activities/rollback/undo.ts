/** Undoing a finished restore: choosing it, opening it again. The steps are those of a roll-back. */
import { chooseUndo, type PastRestore } from '../../src/plan/rollback/undo-plan.js';
import { readRestoreRecord, writeRestoreRecord } from '../../src/store/records/restore-record.js';
import { withRestoreRecord } from '../restore/restore-context.js';
import { HoldfastError } from '../../src/base/errors.js';
import { pastRestores } from './past-restores.js';
import { recoverHost } from './recovery.js';
import { guarded, whileWaiting, runOf, type ActivityDependencies } from '../shared/runtime.js';
import { lookOnceMore, noteWhatRuns, type FinalLook } from './final-look.js';
import { reopenStopped } from './close-restore.js';
import { recordRunning } from './dead-restores.js';

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createUndoActivities(dependencies: ActivityDependencies) {
  const { config, runLog } = dependencies;
  const { root } = config.backups;
  return {
    /** @throws HoldfastError SET_NOT_FOUND, RESTORE_FAILED when it can't be undone */
    chooseUndo: guarded(async ({ restore }: { restore: string }): Promise<PastRestore> =>
      whileWaiting({ service: '', source: 'choose' }, 'choose', async () =>
        chooseUndo(await pastRestores(root), restore),
      ),
    ),

    /** Opens the restore's record again: from here on it is taken back, whoever dies meanwhile. */
    beginUndo: guarded(async ({ restoreId }: { restoreId: string }): Promise<void> => {
      await whileWaiting({ service: '', source: 'undo' }, 'check', async () => {
        // What a dead undo has begun is taken over; else whatever is open is settled before this is.
        if ((await readRestoreRecord(root, restoreId))?.state !== 'undoing') {
          await recoverHost(dependencies);
        }
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
          // Those that came since count as they are now.
          chooseUndo(await pastRestores(root), restoreId);
          await writeRestoreRecord(root, { ...record, ...runOf(), state: 'undoing' });
        });
        await reopenStopped(root, restoreId);
        await recoverHost(dependencies);
        await noteWhatRuns(dependencies, restoreId);
        await runLog.write(`Undoing restore ${restoreId}`);
      });
    }),

    /**
     * Looks at the rest of the stack when all is back: what ran when the undo began and does not run
     * any more is started, or named.
     */
    lookOnceMore: guarded(
      async (input: { restoreId: string; touched: readonly string[] }): Promise<FinalLook> =>
        whileWaiting({ service: '', source: 'look' }, 'look', () =>
          lookOnceMore(dependencies, input.restoreId, input.touched),
        ),
    ),

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
