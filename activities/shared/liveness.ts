/** Does a run still live? Asked of the server by whoever finds something of it. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { IsAlive, RunIdentity } from '../../src/format/run-identity.js';

/** Asks the server that knows the runs. */
export function aliveAt(client: Client): IsAlive {
  return (run) => workflowRuns(client, run);
}

/** Is the run still there? When the server can't say, it is taken to be: nothing of it is touched. */
export async function workflowRuns(
  client: Client,
  { workflowId, runId }: RunIdentity,
): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflowId, runId).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    return !(error instanceof WorkflowNotFoundError);
  }
}
