/** Containers that a dead run has stopped come back: at worker start and before the next run. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { listRecords, startRecorded } from '../src/docker/running-record.js';
import { messageOf } from '../src/errors.js';
import { stoppedDirectory } from './places.js';
import type { ActivityDependencies } from './runtime.js';

/**
 * Starts what the records of runs that are over still list as stopped. A run that goes on keeps its
 * records: it starts them itself.
 */
export async function bringBackStopped({
  config,
  engine,
  runLog,
  client,
}: Pick<ActivityDependencies, 'config' | 'engine' | 'runLog' | 'client'>): Promise<void> {
  for (const { file, record } of await listRecords(stoppedDirectory(config.backups.root))) {
    if (await runs(client, record.workflowId)) continue;
    try {
      const { started } = await startRecorded(engine, file);
      if (started.length > 0) {
        await runLog.write(
          `Started again ${started.join(', ')}: stopped by ${record.workflowId}, which is over`,
        );
      }
    } catch (error) {
      await runLog.write(`Could not start what ${record.workflowId} stopped: ${messageOf(error)}`);
    }
  }
}

async function runs(client: Client, workflowId: string): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    return !(error instanceof WorkflowNotFoundError);
  }
}
