/**
 * Backs the stack up: permit → plan → services in order, side by side where allowed → publish the
 * set → prune its tier → notify. A set appears only when it is whole on disk; a run in which a
 * source failed publishes what is whole, as a failed set, and fails.
 */
import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  patched,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { planBackup } from '../../src/plan/backup/backup-plan.js';
import { backupStackInputSchema, type BackupStackResult } from '../../src/plan/shared/inputs.js';
import type { Problem, SetArtifact, SetFile, Tier } from '../../src/format/manifest.js';
import { count, formatBytes } from '../../src/base/words.js';
import type { BegunBackup } from '../../activities/backup/backup-run.js';
import { hostActivities, resolveStack, type HostCalls } from '../shared/activity-options.js';
import type { BackupServiceResult } from './backup-service.js';
import { allServices, startService } from './backup-services.js';
import { causeOf, failure, parseInput, raise } from '../shared/failure.js';
import { takePermit } from '../shared/permit.js';
import { planOrFail, searchAttributes } from '../shared/support.js';
import { Story } from '../shared/story.js';
import { notifyEnd, notifyOnFailure } from '../notify/tell.js';

export async function backupStack(rawInput?: unknown): Promise<BackupStackResult> {
  const story = new Story('backup');
  const began = Date.now();
  const { input, view, stamp, at } = await notifyOnFailure('The backup', async () => {
    const asked = parseInput(backupStackInputSchema, rawInput, 'backupStack');
    const { stack, host } = asked;
    return { input: asked, ...(await resolveStack({ stack, host }).catch(raise)) };
  });
  const clock = runClock(began, at);
  const activities = hostActivities(view.hostId);
  upsertSearchAttributes(
    searchAttributes({ stack: view.stack, tier: input.tier, status: 'running' }),
  );
  const permit = await notifyOnFailure(
    `Backup of ${view.stack}`,
    () => {
      // Planned once before waiting, so that an unknown service fails now and not after the permit.
      planOrFail(() => planBackup(view, { tier: input.tier, services: input.services }, stamp));
      return takePermit(view.stack, input.onBusy, activities, story);
    },
    { activities, alsoCancelled: true },
  );
  try {
    return await run(input, view, stamp, activities, story, clock);
  } catch (error) {
    if (!wasTold(error)) {
      await CancellationScope.nonCancellable(() => notifyFailure(error, view.stack, activities));
    }
    upsertSearchAttributes(
      searchAttributes({ status: isCancellation(error) ? 'cancelled' : 'failed' }),
    );
    if (isCancellation(error)) throw error;
    raise(error);
  } finally {
    await permit.release();
  }
}

type View = Awaited<ReturnType<typeof resolveStack>>['view'];
type Input = ReturnType<typeof backupStackInputSchema.parse>;

async function run(
  input: Input,
  view: View,
  stamp: string,
  activities: HostCalls,
  story: Story,
  clock: RunClock,
): Promise<BackupStackResult> {
  const { workflowId } = workflowInfo();
  const scope = input.services ?? 'all';
  story.phase('preparing');
  const begun = await activities.beginBackup('check the host, begin the set', {
    workflowId,
    configDigest: view.configDigest,
    tier: input.tier,
    scope,
    stamp,
  });
  const { setId } = begun;
  upsertSearchAttributes(searchAttributes({ set: setId }));
  const plan = planOrFail(() =>
    planBackup(view, { tier: input.tier, services: input.services }, setId),
  );
  for (const service of plan.stages.flat()) {
    for (const { source } of service.sources) story.step(service.service, source, 'pending');
  }

  const results: BackupServiceResult[] = [];
  let published = false;
  try {
    story.phase('reading');
    const together = patched('services-end-together');
    const { configDigest, hostId } = view;
    const children = { setId, configDigest, hostId, activities, story };
    for (const stage of plan.stages) {
      const services = stage.filter((service) => service.sources.length > 0);
      results.push(
        ...(together
          ? await allServices(services, children)
          : await Promise.all(services.map((service) => startService(service, children)))),
      );
    }
    const set = toSetFile({ input, view, begun, scope, workflowId, clock, results });
    if (set.artifacts.length === 0) {
      throw failure(
        'BACKUP_FAILED',
        `nothing could be saved: ${set.problems.map(describeProblem).join('; ')}`,
        {
          hint: 'no set was written; the sets before it are untouched; holdfast config check --host lists what is missing',
        },
      );
    }
    story.phase('publishing');
    const alsoTiers = furtherTiers(input);
    await activities.publishSet(`publish set ${setId}`, {
      set,
      ...(alsoTiers.length === 0 ? {} : { alsoTiers }),
    });
    published = true;
    const pruned: string[] = [];
    const held = new Set<string>();
    for (const tier of [input.tier, ...alsoTiers]) {
      const done = await prune(tier, activities, story, set);
      pruned.push(...done.removed);
      for (const reason of done.held ?? []) held.add(reason);
    }
    story.phase(set.status);
    upsertSearchAttributes(searchAttributes({ status: set.status }));
    return await finish({ set, alsoTiers, pruned, held, clock }, activities);
  } catch (error) {
    if (!published) {
      await CancellationScope.nonCancellable(() =>
        activities.discardSet(`discard what set ${setId} had written`, { setId, workflowId }),
      ).catch(() => undefined); // the next run clears what is left
    }
    throw error;
  }
}

interface SetParts {
  readonly input: Input;
  readonly view: View;
  readonly begun: BegunBackup;
  readonly scope: 'all' | readonly string[];
  readonly workflowId: string;
  readonly clock: RunClock;
  readonly results: readonly BackupServiceResult[];
}

function toSetFile(parts: SetParts): SetFile {
  const { setId, problems: ofStack = [], uncovered, running } = parts.begun;
  const problems = [...ofStack, ...parts.results.flatMap((result) => result.problems)];
  const artifacts = parts.results.flatMap((result) => result.artifacts);
  const missing = parts.results.some((result) => result.failedSources.length > 0);
  return {
    format: 'holdfast-set',
    version: 1,
    id: setId,
    tier: parts.input.tier,
    stack: parts.view.stack,
    host: parts.view.hostId,
    configDigest: parts.view.configDigest,
    status: missing ? 'failed' : problems.length > 0 ? 'degraded' : 'success',
    problems,
    scope: parts.scope === 'all' ? 'all' : [...parts.scope],
    startedAt: new Date(parts.clock.startedMs).toISOString(),
    finishedAt: new Date(parts.clock.nowMs()).toISOString(),
    workflowId: parts.workflowId,
    ...(uncovered === undefined ? {} : { uncovered: [...uncovered] }),
    artifacts,
    // Of earlier versions' runs nobody asked.
    ...(running === undefined ? {} : { running: [...running] }),
  };
}

/** Retention is tidying: when it fails, the backup is still good, and the failure is a problem to tell. */
async function prune(
  tier: Tier,
  activities: HostCalls,
  story: Story,
  set: SetFile,
): Promise<{ readonly removed: readonly string[]; readonly held?: readonly string[] }> {
  if (tier === 'manual' || set.status === 'failed') return { removed: [] };
  try {
    story.phase('pruning');
    return await activities.pruneTier(`keep the newest sets of ${tier}`, { tier });
  } catch (error) {
    if (isCancellation(error)) throw error;
    const { message } = causeOf(error);
    await activities.writeRunLog('log', { lines: [`Old sets were not removed: ${message}`] });
    return { removed: [] };
  }
}

/** The tiers that get the set by links, each once. */
function furtherTiers({ tier, alsoTiers }: Input): readonly Tier[] {
  return [...new Set(alsoTiers ?? [])].filter((each) => each !== tier);
}

/** When the run began and what time it is, by the clock its set's id was made from. */
interface RunClock {
  readonly startedMs: number;
  readonly nowMs: () => number;
}

/** `at`: the host's time when the run began; the workflow's own where the host did not tell. */
function runClock(beganMs: number, at: string | undefined): RunClock {
  const startedMs = at === undefined ? beganMs : Date.parse(at);
  return { startedMs, nowMs: () => startedMs + Date.now() - beganMs };
}

interface Finished {
  readonly set: SetFile;
  readonly alsoTiers: readonly Tier[];
  readonly pruned: readonly string[];
  /** Why no old set was removed, where something held retention back. */
  readonly held: ReadonlySet<string>;
  readonly clock: RunClock;
}

async function finish(
  { set, alsoTiers, pruned, held, clock }: Finished,
  activities: HostCalls,
): Promise<BackupStackResult> {
  const sum = (pick: (artifact: SetArtifact) => number): number =>
    set.artifacts.reduce((total, artifact) => total + pick(artifact), 0);
  const result: BackupStackResult = {
    setId: set.id,
    tier: set.tier,
    status: set.status,
    problems: set.problems,
    artifacts: set.artifacts,
    contentBytes: sum(({ contentBytes }) => contentBytes),
    storedBytes: sum(({ storedBytes }) => storedBytes),
    linkedBytes: sum(({ linkedBytes }) => linkedBytes ?? 0),
    alsoTiers,
    durationMs: clock.nowMs() - clock.startedMs,
    pruned,
    ...(held.size === 0 ? {} : { pruneHeld: [...held] }),
  };
  const message = summaryOf(result);
  const hint = `holdfast show ${set.id} lists what was saved and what was not`;
  // The set is what it is; but somebody must look.
  const told = set.status === 'success' && held.size > 0 ? 'degraded' : set.status;
  await notifyEnd(activities, told, message, {
    hint: set.status === 'success' ? undefined : hint,
    heedCancel: true,
  });
  if (set.status === 'failed') {
    throw failure('BACKUP_FAILED', message, { hint, details: [result] });
  }
  return result;
}

function summaryOf(result: BackupStackResult): string {
  const head =
    `Backup ${result.setId} (${result.tier}) ${result.status}: ` +
    `${count(result.artifacts.length, 'artifact')}, ${formatBytes(result.contentBytes)} of data, ` +
    `${formatBytes(result.storedBytes)} stored` +
    (result.linkedBytes === 0 ? '' : `, ${formatBytes(result.linkedBytes)} of it unchanged`);
  const held =
    result.pruneHeld === undefined
      ? []
      : [
          `no old set was removed because ${result.pruneHeld.join('; ')}`,
          'is that right? then holdfast prune --accept-shrink',
        ];
  return [head, ...result.problems.map(describeProblem), ...held].join('; ');
}

function describeProblem({ service, source, message }: Problem): string {
  // What is wrong with the stack as a whole is no service's.
  const where = source === '' ? service : `${service}/${source}`;
  return where === '' ? message : `${where}: ${message}`;
}

/** A failed set was told with its list when it was published. */
function wasTold(error: unknown): boolean {
  return error instanceof ApplicationFailure && (error.details?.length ?? 0) > 1;
}

async function notifyFailure(error: unknown, stack: string, activities: HostCalls): Promise<void> {
  const { message } = causeOf(error);
  const cancelled = isCancellation(error);
  await notifyEnd(
    activities,
    'failed',
    cancelled ? `Backup of ${stack} was cancelled` : `Backup of ${stack} failed: ${message}`,
    { hint: cancelled ? undefined : causeOf(error).hint, heedCancel: true },
  );
}
