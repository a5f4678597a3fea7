/** Who takes a stack's work, by what the server remembers of those who asked for some. */
import type { Client } from '@temporalio/client';
import { lightQueue, stackQueue } from '../plan/shared/ids.js';
import type { Poller, Pollers } from '../plan/shared/worker-presence.js';

/** Of `temporal.api.enums.v1`; the package that has the names is large, and is needed for nothing else. */
const TASK_QUEUE_TYPE = { workflow: 1, activity: 2 } as const;

/** @param host the one whose activities are asked about; without it only the workflows are */
export async function pollersOf(
  client: Client,
  stack: string,
  host: string | undefined,
): Promise<Pollers> {
  const queue = stackQueue(stack);
  const [workflows, activities] = await Promise.all([
    pollersOn(client, queue, TASK_QUEUE_TYPE.workflow),
    host === undefined
      ? undefined
      : pollersOn(client, lightQueue(queue, host), TASK_QUEUE_TYPE.activity),
  ]);
  return { workflows, ...(activities === undefined ? {} : { activities }) };
}

async function pollersOn(client: Client, name: string, taskQueueType: 1 | 2): Promise<Poller[]> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name },
    // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- see TASK_QUEUE_TYPE
    taskQueueType,
  });
  return pollers.map(({ identity, lastAccessTime }) => ({
    identity: identity ?? '',
    lastSeenMs: Number(lastAccessTime?.seconds ?? 0) * 1000,
  }));
}
