/** What a dead run left undone: at worker start and before the next run. */
import path from 'node:path';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { listRecords, startRecorded } from '../src/docker/running-record.js';
import { messageOf } from '../src/errors.js';
import { stoppedDirectory } from './places.js';
import { reapDrills } from './drill-teardown.js';
import type { ActivityDependencies } from './runtime.js';
import { takeBackDeadRestores } from './take-back.js';

/**
 * Takes unfinished restores of dead runs back, then starts what records of dead runs still list as
 * stopped. A run that goes on keeps its records: it starts them itself.
 */
export async function bringBackStopped(dependencies: ActivityDependencies): Promise<void> {
  const { config, engine, runLog, client } = dependencies;
  const work = { signal: new AbortController().signal, report: () => undefined };
  const isAlive = (workflowId: string): Promise<boolean> => workflowRuns(client, workflowId);
  const stuck = await takeBackDeadRestores(dependencies, isAlive, work);
  // Nothing of the stack depends on what a dead drill left: it must not keep anything from coming back.
  await reapDrills(dependencies, isAlive, { kept: false }, work).catch((error: unknown) =>
    runLog.write(`What dead drills left is still there: ${messageOf(error)}`),
  );
  for (const { file, record } of await listRecords(stoppedDirectory(config.backups.root))) {
    if (await isAlive(record.workflowId)) continue;
    // Half new and half old is worse than stopped.
    if (stuck.has(path.basename(file).split('--')[0] ?? '')) continue;
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

/** Is the run still there? When the server can't say, it is taken to be: nothing of it is touched. */
export async function workflowRuns(client: Client, workflowId: string): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    return !(error instanceof WorkflowNotFoundError);
  }
}
