/** Taking the stack's permit: at once, by waiting, or not at all. */
import {
  CancellationScope,
  ParentClosePolicy,
  sleep,
  startChild,
  workflowInfo,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { permitWorkflowId } from '../src/plan/ids.js';
import type { HostCalls } from './activity-options.js';
import { failure } from './failure.js';
import { releasePermitSignal } from './messages.js';
import type { stackPermit } from './stack-permit.js';
import type { Story } from './story.js';

const POLL_MS = 5_000;
/** A backup that waits longer than this would collide with the next night's. */
const MAXIMUM_WAIT_MS = 12 * 3_600_000;

export interface Permit {
  readonly release: () => Promise<void>;
}

/**
 * @throws ApplicationFailure PERMIT_HELD, naming the run that holds it, when told to refuse or when
 * it was not free for twelve hours
 */
export async function takePermit(
  stack: string,
  onBusy: 'wait' | 'refuse',
  activities: HostCalls,
  story: Story,
): Promise<Permit> {
  const permitId = permitWorkflowId(stack);
  const { workflowId } = workflowInfo();
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    try {
      // Not cancelled with the run: the permit must hold while the run is being taken back.
      const child = await CancellationScope.nonCancellable(() =>
        startChild<typeof stackPermit>('stackPermit', {
          workflowId: permitId,
          args: [workflowId],
          parentClosePolicy: ParentClosePolicy.TERMINATE,
          workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
          staticSummary: `held by ${workflowId}`,
          memo: { holder: workflowId },
        }),
      );
      return {
        // Somebody may have ended it by hand; the run's own outcome must not change for that.
        release: () =>
          CancellationScope.nonCancellable(() =>
            child.signal(releasePermitSignal).catch(() => undefined),
          ),
      };
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    const { holder } = await activities.describePermitHolder('who holds the permit?', { permitId });
    if (holder === null) {
      // Given back between the two calls: try again at once, but never in a tight loop.
      await sleep('1s');
      continue;
    }
    if (onBusy === 'refuse' || waitedMs >= MAXIMUM_WAIT_MS) {
      throw failure('PERMIT_HELD', `the stack ${stack} is being changed by ${holder}`, {
        hint: `wait for it (temporal workflow show -w ${holder} --follow), or cancel it`,
        facts: { holder, stack },
      });
    }
    story.waitFor(holder);
    await sleep(POLL_MS, { summary: `waiting for ${holder}` });
  }
}
