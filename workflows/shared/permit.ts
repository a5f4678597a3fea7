/** Taking the stack's permit: at once, by waiting, or not at all. */
import {
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  ParentClosePolicy,
  patched,
  setHandler,
  sleep,
  startChild,
  workflowInfo,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { permitWorkflowId } from '../../src/plan/shared/ids.js';
import { permitLookMs } from '../../src/plan/shared/permit-wait.js';
import type { HostCalls } from './activity-options.js';
import { failure } from './failure.js';
import { permitFreeSignal, permitWantedSignal, releasePermitSignal } from './messages.js';
import type { stackPermit } from './stack-permit.js';
import type { Story } from './story.js';

/** How runs that began before waiters were signalled wait. */
const POLL_MS = 5_000;
/** A backup that waits longer than this would collide with the next night's. */
const MAXIMUM_WAIT_MS = 12 * 3_600_000;

export interface Permit {
  readonly release: () => Promise<void>;
}

/**
 * Whoever waits tells the permit, and is signalled when it is given back. One that dies with its holder
 * signals nobody: so it is looked at now and then as well, less and less often. The history of a run
 * that waits for the whole of twelve hours has some thousands of events, a tenth of what is allowed.
 *
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
  const beganMs = Date.now();
  let freed = 0;
  let heeded = 0;
  let looks = 0;
  let since: 'begin' | 'word' = 'begin';
  let told: string | undefined;
  for (let polledMs = 0; ;) {
    const permit = await startPermit(permitId);
    if (permit !== undefined) return permit;
    const { holder, runId } = await activities.describePermitHolder('who holds the permit?', {
      permitId,
    });
    if (holder === null) {
      // Given back between the two calls: try again at once, but never in a tight loop.
      await sleep('1s');
      continue;
    }
    const signalled = patched('permit-signals');
    const waitedMs = signalled ? Date.now() - beganMs : polledMs;
    if (onBusy === 'refuse' || waitedMs >= MAXIMUM_WAIT_MS) {
      throw failure('PERMIT_HELD', `the stack ${stack} is being changed by ${holder}`, {
        hint: `wait for it (temporal workflow show -w ${holder} --follow), or cancel it`,
        facts: { holder, stack },
      });
    }
    story.waitFor(holder);
    if (!signalled) {
      await sleep(POLL_MS, { summary: `waiting for ${holder}` });
      polledMs += POLL_MS;
      continue;
    }
    setHandler(permitFreeSignal, () => {
      freed += 1;
    });
    // Once to each permit: the next holder's is another run.
    const key = `${holder} ${runId ?? ''}`;
    if (told !== key) {
      if (!(await askFor(permitId, runId))) continue;
      told = key;
      looks = 0;
      since = 'begin';
    }
    const seen = heeded;
    if (await condition(() => freed > seen, permitLookMs(looks, since))) {
      heeded = freed;
      looks = 0;
      since = 'word';
    } else {
      looks += 1;
    }
  }
}

/** Starts the permit's workflow under this run. @returns undefined where another run holds it */
async function startPermit(permitId: string): Promise<Permit | undefined> {
  const { workflowId } = workflowInfo();
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
    if (error instanceof WorkflowExecutionAlreadyStartedError) return undefined;
    throw error;
  }
}

/** Asks the permit to tell when it is given back. @returns false where that has happened meanwhile */
async function askFor(permitId: string, runId: string | undefined): Promise<boolean> {
  const { workflowId, runId: own } = workflowInfo();
  try {
    await getExternalWorkflowHandle(permitId, runId).signal(permitWantedSignal, {
      workflowId,
      runId: own,
    });
    return true;
  } catch (error) {
    if (CancellationScope.current().consideredCancelled) throw error;
    // Never in a tight loop, whatever the reason was.
    await sleep('1s');
    return false;
  }
}
