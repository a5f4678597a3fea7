/** Before a restore: which set, and the record that opens it. */
import { remapConfig } from '../../src/config/remap.js';
import { projectsIn, withProjects } from '../../src/docker/compose/project.js';
import { takeInventory } from '../../src/docker/containers/what-runs.js';
import type { Mapping } from '../../src/format/mapping.js';
import { openRestore } from '../../src/store/records/restore-record.js';
import { noteRunningBefore } from '../../src/store/records/restore-running.js';
import {
  chooseRestoreSet,
  type ChosenRestoreSet,
  type RestoreChoice,
} from './choose-restore-set.js';
import {
  guarded,
  runOf,
  whileWaiting,
  withHeartbeat,
  type ActivityDependencies,
} from '../shared/runtime.js';
import { savedRunning } from './service-start.js';
import { pingStart } from '../notify/start-ping.js';

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createRestorePlanActivities(dependencies: ActivityDependencies) {
  const { config, runLog } = dependencies;
  const { root } = config.backups;
  return {
    chooseRestoreSet: guarded((input: RestoreChoice): Promise<ChosenRestoreSet> =>
      withHeartbeat({ service: '', source: 'choose' }, 'choose', ({ report }) =>
        chooseRestoreSet(dependencies, input, report),
      ),
    ),

    /**
     * Opens the restore's record: from here on something may be touched. Called again by the same run
     * it finds its own. @returns the restore's id: the wished one, or the next free second
     */
    beginRestore: guarded(
      async (input: {
        restoreId: string;
        setId: string;
        map?: Mapping | undefined;
        /** Of the set: several tiers may have its id. Absent in runs of earlier versions. */
        setTier?: string | undefined;
        otherSets?: Readonly<Record<string, string>> | undefined;
      }): Promise<{ restoreId: string }> => {
        pingStart(dependencies);
        return whileWaiting({ service: '', source: 'begin' }, 'begin', async () => {
          const saved = await savedRunning(
            root,
            { id: input.setId, ...(input.setTier === undefined ? {} : { tier: input.setTier }) },
            input.otherSets,
            input.map?.services,
          );
          // On a bare machine only the backup knows what its project was called.
          const savedProjects = Object.fromEntries(saved.map((one) => [one.service, one.project]));
          const known = await withProjects(dependencies.engine, config, {}, savedProjects);
          const restoreId = await openRestore(root, {
            format: 'holdfast-restore',
            version: 1,
            restoreId: input.restoreId,
            setId: input.setId,
            ...runOf(),
            startedAt: new Date().toISOString(),
            state: 'running',
            map: input.map,
            projects: projectsIn(known),
          });
          await noteRunningBefore(root, restoreId, async () => ({
            services: await takeInventory(
              dependencies.engine,
              input.map === undefined ? known : remapConfig(known, input.map),
            ),
            saved,
          }));
          await runLog.write(`Starting restore ${restoreId} of set ${input.setId}`);
          return { restoreId };
        });
      },
    ),
  };
}
