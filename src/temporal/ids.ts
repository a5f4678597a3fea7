export {
  WORKFLOW_TASK_QUEUE,
  backupWorkflowId,
  formatStamp,
  heavyQueue,
  lightQueue,
  permitWorkflowId,
  restoreWorkflowId,
  SEARCH_ATTRIBUTES,
  serviceWorkflowId,
} from '../plan/ids.js';
