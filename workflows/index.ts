/** What the worker registers, by name. */
export { backupService } from './backup-service.js';
export { backupStack } from './backup-stack.js';
export { deliverNotifications } from './deliver-notifications.js';
export { checkBackups } from './check-backups.js';
export { pruneBackups } from './prune-backups.js';
export { drillRestore } from './drill-restore.js';
export { restoreService } from './restore-service.js';
export { restoreStack } from './restore-stack.js';
export { scheduledBackup } from './scheduled-backup.js';
export { stackPermit } from './stack-permit.js';
export { verifyBackups } from './verify-backups.js';
export { undoRestore } from './undo-restore.js';
