/** Taking a restore back, from what is on disk. */
import { swapBack } from '../src/archive/replace.js';
import { restoreAside } from '../src/docker/volume-undo.js';
import {
  readRestoreRecord,
  readSteps,
  writeRestoreRecord,
  writeStep,
  type RestoreRecord,
} from '../src/store/restore-record.js';
import { discardRecord } from '../src/docker/running-record.js';
import { stopContainer } from '../src/docker/containers.js';
import { containersOf } from './containers.js';
import { stoppedFile } from './places.js';
import { guarded, serviceOf, withHeartbeat, type ActivityDependencies } from './runtime.js';

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createRollBackActivities({ config, engine, runLog }: ActivityDependencies) {
  const { root } = config.backups;
  return {
    /**
     * Stops what of the service runs by now and puts back, last step first, what was replaced.
     * Starting it again is another activity's work: all services must be back first.
     */
    rollBackService: guarded(
      async (input: {
        restoreId: string;
        configDigest: string;
        service: string;
      }): Promise<{ undone: number }> => {
        const service = serviceOf(config, input.service);
        return withHeartbeat(
          { service: input.service, source: 'roll back' },
          'roll back',
          async (work) => {
            const steps = await readSteps(root, input.restoreId, input.service);
            const open = steps.filter(({ state }) => state !== 'undone');
            if (open.length === 0) return { undone: 0 };
            const containers = await containersOf(engine, input.service, service);
            // Not recorded: what ran before the restore is in the record of `stopService` already.
            for (const { id } of containers) await stopContainer(engine, id, service.stopGrace);
            for (const step of open) {
              if (step.undo.kind === 'tree') await swapBack(step.undo);
              else
                await restoreAside(
                  engine,
                  { volume: step.undo.volume, asideId: input.restoreId },
                  work,
                );
              await writeStep(root, input.restoreId, { ...step, state: 'undone' });
              await runLog.write(`Put back ${step.service}/${step.source} as it was`);
            }
            return { undone: open.length };
          },
        );
      },
    ),

    /** Closes the record. Safety copies of a finished restore stay until they are discarded. */
    finishRestore: guarded(
      async (input: { restoreId: string; state: RestoreRecord['state'] }): Promise<void> => {
        const record = await readRestoreRecord(root, input.restoreId);
        if (record !== undefined) await writeRestoreRecord(root, { ...record, state: input.state });
        for (const service of Object.keys(config.services)) {
          await discardRecord(stoppedFile(root, input.restoreId, service));
        }
      },
    ),
  };
}
