/** Runs that wait for a person, and letting them go on. */
import type { Client } from '@temporalio/client';
import { WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { HoldfastError, messageOf } from '../base/errors.js';
import { SEARCH_ATTRIBUTES } from '../plan/shared/ids.js';

/** Ids of the stack's runs that wait for an approval now. */
export async function waitingRuns(client: Client, stack: string): Promise<readonly string[]> {
  const query = [
    `${SEARCH_ATTRIBUTES.stack} = '${stack}'`,
    `${SEARCH_ATTRIBUTES.status} = 'waiting'`,
    "ExecutionStatus = 'Running'",
  ].join(' AND ');
  const ids: string[] = [];
  for await (const { workflowId } of client.workflow.list({ query })) ids.push(workflowId);
  return ids;
}

/** @throws HoldfastError INPUT_INVALID when there is no such run, or it does not wait for anybody */
export async function approveRun(
  client: Client,
  workflowId: string,
  by: string | undefined,
): Promise<string> {
  try {
    return await client.workflow
      .getHandle(workflowId)
      .executeUpdate<string, [{ by?: string }]>('approve', {
        args: [by === undefined ? {} : { by }],
      });
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) {
      throw new HoldfastError('INPUT_INVALID', `there is no run ${workflowId} that goes on`, {
        facts: { workflowId },
        cause: error,
      });
    }
    if (error instanceof WorkflowUpdateFailedError) {
      throw new HoldfastError('INPUT_INVALID', messageOf(error.cause ?? error), {
        facts: { workflowId },
        hint: '`holdfast approve` without an id names the runs that wait',
        cause: error,
      });
    }
    throw error;
  }
}
