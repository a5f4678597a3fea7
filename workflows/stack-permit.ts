/**
 * The permit: a workflow whose id names the stack. The server allows one running workflow per id,
 * and that is the lock. Its parent is the run that holds it, with the policy to terminate it, so the
 * permit goes when the run goes, however it ends.
 */
import { condition, setCurrentDetails, setHandler } from '@temporalio/workflow';
import { releasePermitSignal } from './messages.js';

export async function stackPermit(holder: string): Promise<void> {
  setCurrentDetails(`held by \`${holder}\``);
  let released = false;
  setHandler(releasePermitSignal, () => {
    released = true;
  });
  await condition(() => released);
}
