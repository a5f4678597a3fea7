/** What the worker registers, by name. */
export { backupService } from './backup/backup-service.js';
export { backupStack } from './backup/backup-stack.js';
export { deliverNotifications } from './notify/deliver-notifications.js';
export { checkBackups } from './check/check-backups.js';
export { pruneBackups } from './retention/prune-backups.js';
export { drillRestore } from './drill/drill-restore.js';
export { restoreService } from './restore/restore-service.js';
export { restoreStack } from './restore/restore-stack.js';
export { scheduledBackup } from './schedule/scheduled-backup.js';
export { stackPermit } from './shared/stack-permit.js';
export { verifyBackups } from './verify/verify-backups.js';
export { undoRestore } from './rollback/undo-restore.js';
