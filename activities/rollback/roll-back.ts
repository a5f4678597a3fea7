/** The activities that take a restore back or close it. */
import { log } from '@temporalio/activity';
import { messageOf } from '../../src/base/errors.js';
import type { Measurement } from '../../src/format/measurement.js';
import { addMeasured } from '../../src/store/records/measured.js';
import type { RestoreRecord } from '../../src/store/records/restore-shapes.js';
import { readRestoreRecord } from '../../src/store/records/restore-record.js';
import {
  guarded,
  whileWaiting,
  withHeartbeat,
  type ActivityDependencies,
} from '../shared/runtime.js';
import { closeRestore } from './close-restore.js';
import { rollBackReplaced } from './take-back.js';

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createRollBackActivities(dependencies: ActivityDependencies) {
  const { root } = dependencies.config.backups;
  return {
    rollBackService: guarded(
      async (input: {
        restoreId: string;
        configDigest: string;
        service: string;
      }): Promise<{ undone: number }> => {
        const subject = { service: input.service, source: 'roll back' };
        return withHeartbeat(subject, 'roll back', async (work) => ({
          undone: await rollBackReplaced(dependencies, input.restoreId, input.service, work),
        }));
      },
    ),

    /** Closes the record. Safety copies of a finished restore stay until they are discarded. */
    finishRestore: guarded(
      async (input: {
        restoreId: string;
        state: RestoreRecord['state'];
        measured: readonly Omit<Measurement, 'at'>[];
      }): Promise<void> => {
        const at = new Date().toISOString();
        // A memory for estimates: a restore that is done does not fail for it.
        await addMeasured(
          root,
          input.measured.map((one) => ({ ...one, at })),
        ).catch((error: unknown) => {
          log.warn('not noted', { error: messageOf(error) });
        });
        await whileWaiting({ service: '', source: 'finish' }, 'finish', () =>
          closeRestore(dependencies, input.restoreId, input.state),
        );
        const record = await readRestoreRecord(root, input.restoreId);
        if (record === undefined) return;
        dependencies.metrics.recordRestore({
          stack: dependencies.config.stack,
          ok: input.state === 'finished',
          finishedAt: new Date(),
          durationMs: Date.now() - Date.parse(record.startedAt),
        });
      },
    ),
  };
}
