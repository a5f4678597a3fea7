/**
 * The permit: a workflow whose id names the stack. The server allows one running workflow per id,
 * and that is the lock. Its parent is the run that holds it, with the policy to terminate it, so the
 * permit goes when the run goes, however it ends. Runs that wait for it say so, and are told, the one
 * that waits longest first, when it is given back.
 */
import {
  condition,
  getExternalWorkflowHandle,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import {
  permitFreeSignal,
  permitWantedSignal,
  releasePermitSignal,
  type Waiter,
} from './messages.js';

export async function stackPermit(holder: string): Promise<void> {
  setCurrentDetails(`held by \`${holder}\``);
  let released = false;
  const waiters = new Map<string, Waiter>();
  setHandler(releasePermitSignal, () => {
    released = true;
  });
  setHandler(permitWantedSignal, (waiter) => {
    waiters.set(`${waiter.workflowId} ${waiter.runId}`, waiter);
    const names = [...waiters.values()].map(({ workflowId }) => `\`${workflowId}\``);
    setCurrentDetails(`held by \`${holder}\`; waiting: ${names.join(', ')}`);
  });
  await condition(() => released);
  // The permit is free when this ends, a moment after they hear of it: they try more than once.
  for (const { workflowId, runId } of waiters.values()) {
    // One that has given up meanwhile is not there any more.
    await getExternalWorkflowHandle(workflowId, runId)
      .signal(permitFreeSignal)
      .catch(() => undefined);
  }
}
