/** The services of one stage, each backed up by a child of its own. */
import {
  CancellationScope,
  CancelledFailure,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  workflowInfo,
} from '@temporalio/workflow';
import type { PlannedService } from '../../src/plan/backup/backup-plan.js';
import { serviceWorkflowId } from '../../src/plan/shared/ids.js';
import { formatBytes } from '../../src/base/words.js';
import type { HostCalls } from '../shared/activity-options.js';
import type { backupService, BackupServiceResult } from './backup-service.js';
import { causeOf } from '../shared/failure.js';
import type { Story } from '../shared/story.js';

export interface ServiceBackups {
  readonly setId: string;
  readonly configDigest: string;
  readonly hostId: string;
  readonly activities: HostCalls;
  readonly story: Story;
}

export async function startService(
  service: PlannedService,
  { setId, configDigest, hostId, story }: ServiceBackups,
): Promise<BackupServiceResult> {
  const result = await executeChild<typeof backupService>('backupService', {
    workflowId: serviceWorkflowId(workflowInfo().workflowId, service.service),
    args: [{ setId, configDigest, hostId, service }],
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    staticSummary: `back up ${service.service} for set ${setId}`,
  });
  showService(story, result);
  return result;
}

/**
 * Every child has ended before anything else happens: one that still holds containers must not see the
 * set discarded and the permit given back. One that ended without a result (somebody terminated it)
 * costs its own service only; what it held still is let go of here, since it can't do that any more.
 */
export async function allServices(
  services: readonly PlannedService[],
  run: ServiceBackups,
): Promise<BackupServiceResult[]> {
  const outcomes = await Promise.allSettled(services.map((service) => startService(service, run)));
  const results: BackupServiceResult[] = [];
  for (const [at, outcome] of outcomes.entries()) {
    const service = services[at];
    if (service === undefined) continue;
    if (outcome.status === 'fulfilled') {
      results.push(outcome.value);
      continue;
    }
    // A cancelled one has let go of everything itself.
    if (!isCancellation(outcome.reason)) {
      await CancellationScope.nonCancellable(() => letGo(service, run));
    }
    const result = withoutResult(service, outcome.reason);
    showService(run.story, result);
    results.push(result);
  }
  if (CancellationScope.current().consideredCancelled) {
    throw new CancelledFailure('the backup was cancelled');
  }
  return results;
}

/** Nothing held is fine, and what can't be started now is on record for whoever comes next. */
async function letGo(
  { service, sources }: PlannedService,
  { setId, configDigest, activities }: ServiceBackups,
): Promise<void> {
  for (const { source, artifactPath, quiesced } of sources) {
    if (!quiesced) continue;
    await activities
      .releaseSource(`release ${service}/${source}`, {
        ...{ setId, configDigest, service, source, artifactPath, onlyHeld: true },
      })
      .catch(() => undefined);
  }
}

function withoutResult({ service, sources }: PlannedService, reason: unknown): BackupServiceResult {
  const { code, message } = causeOf(reason);
  const names = sources.map(({ source }) => source);
  return {
    service,
    artifacts: [],
    problems: names.map((source) => ({
      ...{ service, source, code },
      message: `the backup of ${service} ended early: ${message}`,
    })),
    failedSources: names,
  };
}

function showService(story: Story, result: BackupServiceResult): void {
  for (const artifact of result.artifacts) {
    story.step(
      artifact.service,
      artifact.source,
      'done',
      `${formatBytes(artifact.contentBytes)} → ${formatBytes(artifact.storedBytes)}`,
    );
  }
  for (const problem of result.problems) {
    if (result.artifacts.some(({ source }) => source === problem.source)) continue;
    story.step(problem.service, problem.source, 'failed', problem.message);
  }
}
