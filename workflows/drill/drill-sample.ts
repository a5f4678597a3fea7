/** The services a drill has no room for: some files of each of their sources, one source at a time. */
import { isCancellation } from '@temporalio/workflow';
import { describeExtent } from '../../src/plan/drill/drill.js';
import type { RestoreServicePlan } from '../../src/plan/restore/restore-types.js';
import type { HostCalls } from '../shared/activity-options.js';
import type { DrillLog } from './drill-service.js';
import type { Story } from '../shared/story.js';

export interface SampleInput {
  readonly drillId: string;
  readonly configDigest: string;
  /** What one sample may take on disk; each is removed before the next. */
  readonly mostBytes: number;
  readonly activities: HostCalls;
  readonly story: Story;
  readonly log: DrillLog;
}

/** What differs is noted in the log, and the next source is looked at. @throws a cancel */
export async function sampleServices(
  { drillId, configDigest, mostBytes, activities, story, log }: SampleInput,
  services: readonly RestoreServicePlan[],
): Promise<void> {
  story.phase('sampling');
  for (const { service, sources } of services) {
    for (const { source, kind, artifact } of sources) {
      if (kind === 'postgres') {
        story.step(service, source, 'skipped', 'read only: the service does not fit');
        continue;
      }
      const sample = (): ReturnType<HostCalls['sampleDrillSource']> =>
        activities.sampleDrillSource(`sample ${service}/${source}`, {
          restoreId: drillId,
          configDigest,
          service,
          source,
          artifactPath: artifact.path,
          mostBytes,
        });
      try {
        const { files, bytes, ofBytes } = await log.timed(
          { service, source, step: 'sample' },
          () => story.during(service, source, sample, describe),
          describe,
        );
        if (files > 0) log.sampled.push({ service, source, files, bytes, ofBytes });
        else log.notTried.push({ service, what: source, reason: 'it has no file that fits' });
      } catch (error) {
        // Any other is in the log by now.
        if (isCancellation(error)) throw error;
      }
    }
  }
}

function describe(seen: Awaited<ReturnType<HostCalls['sampleDrillSource']>>): string {
  return seen.files === 0 ? 'no file fits' : describeExtent(seen);
}
