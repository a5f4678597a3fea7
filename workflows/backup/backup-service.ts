/**
 * Backs one service up: each source is held still, read, released, given its owner and verified.
 * A source that fails does not stop the others; it is named in the result.
 */
import { CancellationScope, isCancellation, patched } from '@temporalio/workflow';
import type { PlannedService, PlannedSource } from '../../src/plan/backup/backup-plan.js';
import type { Problem, SetArtifact } from '../../src/format/manifest.js';
import { count, formatBytes } from '../../src/base/words.js';
import { hostActivities, type HostCalls } from '../shared/activity-options.js';
import { causeOf } from '../shared/failure.js';
import { Story } from '../shared/story.js';

export interface BackupServiceInput {
  readonly setId: string;
  readonly configDigest: string;
  readonly hostId: string;
  readonly service: PlannedService;
}

export interface BackupServiceResult {
  readonly service: string;
  readonly artifacts: readonly SetArtifact[];
  readonly problems: readonly Problem[];
  /** Sources without an artifact in this set. */
  readonly failedSources: readonly string[];
}

export async function backupService(input: BackupServiceInput): Promise<BackupServiceResult> {
  const { service } = input;
  const story = new Story(`backup of ${service.service}`);
  const activities = hostActivities(input.hostId);
  for (const { source } of service.sources) story.step(service.service, source, 'pending');
  story.phase('reading');

  const artifacts: SetArtifact[] = [];
  const problems: Problem[] = [];
  const failedSources: string[] = [];
  for (const source of service.sources) {
    try {
      const saved = await story.during(
        service.service,
        source.source,
        () => saveSource(input, source, activities),
        ({ artifact }) =>
          `${formatBytes(artifact.contentBytes)} in ${count(artifact.entries, 'entry', 'entries')}`,
      );
      artifacts.push(saved.artifact);
      problems.push(...saved.problems);
    } catch (error) {
      if (isCancellation(error)) throw error;
      failedSources.push(source.source);
      problems.push({ service: service.service, source: source.source, ...causeOf(error) });
    }
  }
  story.phase(failedSources.length > 0 ? 'failed' : 'done');
  return { service: service.service, artifacts, problems, failedSources };
}

interface Saved {
  readonly artifact: SetArtifact;
  readonly problems: readonly Problem[];
}

async function saveSource(
  input: BackupServiceInput,
  source: PlannedSource,
  activities: HostCalls,
): Promise<Saved> {
  const service = input.service.service;
  const what = `${service}/${source.source}`;
  const reference = {
    setId: input.setId,
    configDigest: input.configDigest,
    service,
    source: source.source,
    artifactPath: source.artifactPath,
  };
  const read = () =>
    source.kind === 'postgres'
      ? activities.dumpDatabase(`dump ${what}`, reference)
      : activities.archiveSource(`archive ${what}`, reference);
  const saved = source.quiesced ? await heldStill(what, reference, activities, read) : await read();
  await activities.ownArtifact(`own ${what}`, reference);
  await activities.verifyWritten(`verify ${what}`, {
    ...reference,
    manifestSha256: saved.artifact.manifestSha256,
  });
  return saved;
}

/**
 * What was stopped is started again whatever happens to the reading. Where somebody else has started it
 * meanwhile, what was read is not what was promised, and the result says so.
 */
async function heldStill(
  what: string,
  reference: Parameters<HostCalls['holdSource']>[1],
  activities: HostCalls,
  read: () => Promise<Saved>,
): Promise<Saved> {
  const { service, source } = reference;
  const release = () =>
    CancellationScope.nonCancellable(() => activities.releaseSource(`release ${what}`, reference));
  let saved: Saved;
  try {
    await activities.holdSource(`hold ${what} still`, reference);
    saved = await read();
  } catch (error) {
    await release();
    throw error;
  }
  const but = (code: string, message: string): Saved => ({
    ...saved,
    problems: [...saved.problems, { service, source, code, message }],
  });
  try {
    const disturbed = (await release())?.disturbed ?? [];
    if (disturbed.length === 0) return saved;
    return but(
      'NOT_HELD_STILL',
      `${disturbed.join(', ')} ran while it was to be held still: what was read is of many moments`,
    );
  } catch (error) {
    // What was read is whole, whatever became of the container.
    if (!patched('saved-though-not-released')) throw error;
    return but('NOT_RELEASED', `it is saved, but ${causeOf(error).message}`);
  }
}
