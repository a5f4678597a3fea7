/** Taking a failed or cancelled restore back from within its workflow, and saying what is now true. */
import { isCancellation } from '@temporalio/workflow';
import type { RestorePlan } from '../../src/plan/restore/restore-types.js';
import type { HostCalls } from '../shared/activity-options.js';
import { causeOf } from '../shared/failure.js';
import type { Story } from '../shared/story.js';

export interface TakeBack {
  readonly activities: HostCalls;
  readonly story: Story;
  readonly restoreId: string;
  readonly configDigest: string;
  readonly plan: RestorePlan;
}

/** What is true once a restore has been taken back. */
export interface TakenBack {
  /** Everything is as it was; false when something could not be put back or started. */
  readonly complete: boolean;
  /** In words, for the person. */
  readonly now: string;
}

/**
 * Puts the old state back, last first, starts what ran before and looks whether it is healthy.
 * Never throws: what could not be done is said.
 */
export async function takeBack(run: TakeBack): Promise<TakenBack> {
  const { activities, story, restoreId, configDigest, plan } = run;
  story.phase('rolling back');
  const stuck: string[] = [];
  const attempt = async <T>(service: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (problem) {
      stuck.push(`${service}: ${causeOf(problem).message}`);
      return undefined;
    }
  };
  const services = plan.stages.flat().map(({ service }) => service);
  const failed = new Set<string>();
  for (const service of [...services].reverse()) {
    const back = await attempt(service, () =>
      story.during(service, 'roll back', () =>
        activities.rollBackService(`roll ${service} back`, { restoreId, configDigest, service }),
      ),
    );
    if (back === undefined) failed.add(service);
  }
  const unhealthy: string[] = [];
  // Half new and half old is worse than stopped; so is what comes after it.
  const broken = plan.stages.findIndex((stage) => stage.some(({ service }) => failed.has(service)));
  const later = broken === -1 ? [] : plan.stages.slice(broken + 1).flat();
  const stopped = new Set([...failed, ...later.map(({ service }) => service)]);
  if (stopped.size > 0) unhealthy.push(`left stopped: ${[...stopped].join(', ')}`);
  for (const service of services.filter((name) => !stopped.has(name))) {
    const outcome = await attempt(service, () =>
      story.during(service, 'start again', () =>
        activities.startStopped(`start ${service} again`, { restoreId, service }),
      ),
    );
    if (outcome === undefined) continue;
    const { started, missing = [] } = outcome;
    if (missing.length > 0) unhealthy.push(`${missing.join(', ')} ran before and is gone`);
    if (started.length === 0) continue;
    try {
      await story.during(service, 'health again', () =>
        activities.waitHealthy(`${service}: health gate`, {
          restoreId,
          configDigest,
          service,
        }),
      );
    } catch (problem) {
      // It may have been ill before: that is why somebody restores.
      unhealthy.push(`${service} runs again and is not healthy: ${causeOf(problem).message}`);
    }
  }
  const complete = stuck.length === 0;
  if (complete) {
    await activities
      .finishRestore('close the record', { restoreId, state: 'rolled-back', measured: [] })
      .catch(() => undefined);
  }
  story.phase(complete ? 'rolled back' : 'failed');
  const back = complete
    ? 'the state from before is back and what ran before runs again'
    : `not everything could be taken back: ${stuck.join('; ')}`;
  return { complete, now: [back, ...unhealthy].join('; ') };
}

/** How a restore that ended badly is told. */
export function describeRollBack(setId: string, error: unknown, { now }: TakenBack): string {
  const reason = isCancellation(error) ? 'was cancelled' : `failed: ${causeOf(error).message}`;
  return `Restore of set ${setId} ${reason}; ${now}`;
}
