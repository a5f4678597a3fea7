/** All activities, by family. */
import { createArchiveActivities } from './archive.js';
import { createBackupRunActivities } from './backup-run.js';
import { createCheckActivities } from './check.js';
import { createContainerActivities } from './containers.js';
import { createDrillActivities } from './drill.js';
import { createDrillCompareActivities } from './drill-compare.js';
import { createDrillSampleActivities } from './drill-sample.js';
import { createDrillServiceActivities } from './drill-service.js';
import { createDumpActivities } from './dump.js';
import { createHoldActivities } from './hold.js';
import { createPermitActivities } from './permit.js';
import { createPruneActivities } from './prune.js';
import { createRestoreDatabaseActivities } from './restore-database.js';
import { createPreflightActivities } from './preflight-host.js';
import { createRestorePlanActivities } from './restore-plan.js';
import { createRestoreSomeDatabasesActivities } from './restore-some-databases.js';
import { createRestoreTreeActivities } from './restore-tree.js';
import { createRollBackActivities } from './roll-back.js';
import type { ActivityDependencies } from './runtime.js';
import { createStackActivities as createResolveActivities } from './stack.js';
import { createTellActivities } from './tell.js';
import { createVerifyStoreActivities } from './verify-store.js';
import { createUndoActivities } from './undo.js';
import { createVerifyActivities } from './verify.js';

/** What runs on the stack's own queue, beside the workflows: before it is known which host serves it. */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createStackActivities(dependencies: ActivityDependencies) {
  return { ...createResolveActivities(dependencies), ...createTellActivities(dependencies) };
}

/** What runs on a host's own queues. */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createHostActivities(dependencies: ActivityDependencies) {
  return {
    ...createArchiveActivities(dependencies),
    ...createBackupRunActivities(dependencies),
    ...createCheckActivities(dependencies),
    ...createContainerActivities(dependencies),
    ...createDrillActivities(dependencies),
    ...createDrillCompareActivities(dependencies),
    ...createDrillSampleActivities(dependencies),
    ...createDrillServiceActivities(dependencies),
    ...createDumpActivities(dependencies),
    ...createHoldActivities(dependencies),
    ...createPermitActivities(dependencies),
    ...createPruneActivities(dependencies),
    ...createRestoreDatabaseActivities(dependencies),
    ...createPreflightActivities(dependencies),
    ...createRestorePlanActivities(dependencies),
    ...createRestoreSomeDatabasesActivities(dependencies),
    ...createRestoreTreeActivities(dependencies),
    ...createRollBackActivities(dependencies),
    ...createTellActivities(dependencies),
    ...createUndoActivities(dependencies),
    ...createVerifyActivities(dependencies),
    ...createVerifyStoreActivities(dependencies),
  };
}

export type HostActivities = ReturnType<typeof createHostActivities>;
export type StackActivities = ReturnType<typeof createStackActivities>;
