/** All activities, by family. */
import { createArchiveActivities } from './backup/archive.js';
import { createBackupRunActivities } from './backup/backup-run.js';
import { createCheckActivities } from './check/check.js';
import { createContainerActivities } from './shared/containers.js';
import { createDrillActivities } from './drill/drill.js';
import { createDrillCompareActivities } from './drill/drill-compare.js';
import { createDrillSampleActivities } from './drill/drill-sample.js';
import { createDrillServiceActivities } from './drill/drill-service.js';
import { createDumpActivities } from './backup/dump.js';
import { createHoldActivities } from './backup/hold.js';
import { createPermitActivities } from './shared/permit.js';
import { createPruneActivities } from './retention/prune.js';
import { createRestoreDatabaseActivities } from './restore/restore-database.js';
import { createPreflightActivities } from './preflight/preflight-host.js';
import { createRestorePlanActivities } from './restore/restore-plan.js';
import { createRestoreSomeDatabasesActivities } from './restore/restore-some-databases.js';
import { createRestoreTreeActivities } from './restore/restore-tree.js';
import { createRollBackActivities } from './rollback/roll-back.js';
import type { ActivityDependencies } from './shared/runtime.js';
import { createStackActivities as createResolveActivities } from './shared/stack.js';
import { createTellActivities } from './notify/tell.js';
import { createVerifyStoreActivities } from './verify/verify-store.js';
import { createUndoActivities } from './rollback/undo.js';
import { createVerifyActivities } from './verify/verify.js';

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
