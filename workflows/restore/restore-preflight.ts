/** Everything that can be known to be wrong is found here, all of it, before anything is touched. */
import { isCancellation } from '@temporalio/workflow';
import type { Mapping } from '../../src/format/mapping.js';
import type { RestorePlan } from '../../src/plan/restore/restore-types.js';
import type { HostCalls } from '../shared/activity-options.js';
import { causeOf, failure, raise } from '../shared/failure.js';
import type { Story } from '../shared/story.js';

export interface Preflight {
  readonly activities: HostCalls;
  readonly story: Story;
  readonly restoreId: string;
  readonly configDigest: string;
  readonly map: Mapping | undefined;
  readonly plan: RestorePlan;
}

/** @throws ApplicationFailure naming all that is wrong; with one problem, that problem's own */
export async function preflight(run: Preflight): Promise<void> {
  const { activities, story, restoreId, configDigest, map, plan } = run;
  story.phase('checking');
  const checks = [
    story.during('', 'host', () =>
      activities.preflightHost('check Docker, compose, images and free space', {
        restoreId,
        configDigest,
        plan,
        map,
      }),
    ),
    ...plan.stages.flat().flatMap(({ service, sources }) =>
      sources.map(({ source, artifact, databases }) =>
        story.during(service, `check ${source}`, () =>
          activities.preflightArtifact(`check ${service}/${source}`, {
            service,
            source,
            artifact,
            databases,
            map,
          }),
        ),
      ),
    ),
  ];
  const failures = (await Promise.allSettled(checks)).flatMap((outcome): unknown[] =>
    outcome.status === 'rejected' ? [outcome.reason] : [],
  );
  const cancelled = failures.find((reason) => isCancellation(reason));
  if (cancelled instanceof Error) throw cancelled;
  const [first, ...others] = failures.map(causeOf);
  if (first === undefined) return;
  if (others.length === 0) raise(failures[0]);
  const all = [first, ...others];
  throw failure(
    codeOrRestoreFailed(first.code),
    `the restore can't begin, nothing was touched: ${all.map(({ message }) => message).join('; ')}`,
    { facts: { problems: all.map(({ code, message }) => `${code}: ${message}`) } },
  );
}

function codeOrRestoreFailed(
  code: string,
): 'INTEGRITY' | 'DOCKER_UNREACHABLE' | 'DISK_FULL' | 'RESTORE_FAILED' {
  switch (code) {
    case 'INTEGRITY':
    case 'DOCKER_UNREACHABLE':
    case 'DISK_FULL':
      return code;
    default:
      return 'RESTORE_FAILED';
  }
}
