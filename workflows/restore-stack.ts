/**
 * Restores the stack: permit → choose the set → plan → preflight everything → stop, dependents
 * first → stage by stage: restore, start, health gate → notify. Nothing is touched before every
 * artifact has been read and every check has passed; on failure or cancel what was swapped is
 * swapped back in reverse order and what ran before is started again.
 */
import {
  CancellationScope,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { serviceWorkflowId } from '../src/plan/ids.js';
import { restoreStackInputSchema } from '../src/plan/inputs.js';
import { planRestore } from '../src/plan/restore-plan.js';
import type {
  RestoredService,
  RestorePlan,
  RestoreStackResult,
} from '../src/plan/restore-types.js';
import { formatBytes, formatDuration } from '../src/plan/words.js';
import { hostActivities, resolveStack, type HostCalls } from './activity-options.js';
import { causeOf, failure, hintOf, parseInput, raise } from './failure.js';
import { takePermit } from './permit.js';
import type { restoreService } from './restore-service.js';
import { planOrFail, searchAttributes } from './support.js';
import { Story } from './story.js';

type View = Awaited<ReturnType<typeof resolveStack>>['view'];
type Input = ReturnType<typeof restoreStackInputSchema.parse>;

interface Run {
  readonly input: Input;
  readonly view: View;
  readonly restoreId: string;
  readonly activities: HostCalls;
  readonly story: Story;
  readonly startedMs: number;
}

export async function restoreStack(rawInput?: unknown): Promise<RestoreStackResult> {
  const startedMs = Date.now();
  const input = parseInput(restoreStackInputSchema, rawInput, 'restoreStack');
  const story = new Story(input.dryRun ? 'restore (dry run)' : 'restore');
  const { view, stamp } = await resolveStack({ stack: input.stack, host: input.host }).catch(raise);
  const activities = hostActivities(view.hostId);
  upsertSearchAttributes(searchAttributes({ stack: view.stack, status: 'running' }));
  const run: Run = { input, view, restoreId: stamp, activities, story, startedMs };

  // A wrong set or service is said before waiting for anybody.
  const plan = await makePlan(run).catch(raise);
  upsertSearchAttributes(searchAttributes({ set: plan.setId }));
  if (input.dryRun) return resultOf(run, plan, []);

  const permit = await takePermit(view.stack, input.onBusy, activities, story);
  try {
    // The catalogue may have changed while we waited.
    const result = await carryOut(run, await makePlan(run).catch(raise));
    upsertSearchAttributes(searchAttributes({ status: 'success' }));
    return result;
  } catch (error) {
    upsertSearchAttributes(
      searchAttributes({ status: isCancellation(error) ? 'cancelled' : 'failed' }),
    );
    if (isCancellation(error)) throw error;
    raise(error);
  } finally {
    await permit.release();
  }
}

async function makePlan({ input, view, activities, story }: Run): Promise<RestorePlan> {
  story.phase('planning');
  const { set, warnings } = await activities.chooseRestoreSet(`choose set ${input.set}`, {
    set: input.set,
    services: input.services,
  });
  return planOrFail(() => {
    const plan = planRestore(view, set, { services: input.services });
    return { ...plan, warnings: [...new Set([...warnings, ...plan.warnings])] };
  });
}

async function carryOut(run: Run, plan: RestorePlan): Promise<RestoreStackResult> {
  const { activities, story, restoreId, view } = run;
  for (const service of plan.stages.flat()) {
    for (const { source } of service.sources) story.step(service.service, source, 'pending');
  }
  await preflight(run, plan);

  await activities.beginRestore('open the record', { restoreId, setId: plan.setId });

  const services: RestoredService[] = [];
  try {
    story.phase('stopping');
    for (const service of plan.stopOrder) {
      await story.during(
        service,
        'stop',
        () =>
          activities.stopService(`stop ${service}`, {
            restoreId,
            configDigest: view.configDigest,
            service,
          }),
        ({ stopped }) => (stopped.length === 0 ? 'nothing ran' : stopped.join(', ')),
      );
    }
    for (const stage of plan.stages) {
      story.phase(`restoring ${stage.map(({ service }) => service).join(', ')}`);
      services.push(...(await restoreStage(run, stage)));
    }
  } catch (error) {
    await CancellationScope.nonCancellable(() => takeBack(run, plan, error));
    throw error;
  }
  story.phase('finishing');
  const result = resultOf(run, plan, services);
  await activities.finishRestore('keep the safety copies', { restoreId, state: 'finished' });
  const message =
    `Restore of set ${plan.setId} done: ${services.length} services, ` +
    `${formatBytes(plan.contentBytes)} in ${formatDuration(result.durationMs)}`;
  await tell(activities, 'success', message);
  story.phase('done');
  return result;
}

/** Everything that can be known to be wrong is found here, all of it, before anything is touched. */
async function preflight(run: Run, plan: RestorePlan): Promise<void> {
  const { activities, story, view, restoreId } = run;
  story.phase('checking');
  const steps = plan.stages.flat();
  const checks = [
    story.during('', 'host', () =>
      activities.preflightHost('check Docker, compose and free space', {
        restoreId,
        configDigest: view.configDigest,
        plan,
      }),
    ),
    ...steps.flatMap(({ service, sources }) =>
      sources.map(({ source, artifact }) =>
        story.during(service, `check ${source}`, () =>
          activities.preflightArtifact(`check ${service}/${source}`, {
            service,
            source,
            artifact,
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
    first.code === 'INTERNAL' ? 'RESTORE_FAILED' : codeOrRestoreFailed(first.code),
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

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

async function restoreStage(
  run: Run,
  stage: RestorePlan['stages'][number],
): Promise<RestoredService[]> {
  const { story, view, restoreId } = run;
  const outcomes = await Promise.allSettled(
    stage.map(async (service) => {
      story.step(service.service, 'restore', 'running');
      const result = await executeChild<typeof restoreService>('restoreService', {
        workflowId: serviceWorkflowId(workflowInfo().workflowId, service.service),
        args: [{ restoreId, configDigest: view.configDigest, hostId: view.hostId, service }],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        staticSummary: `restore ${service.service}`,
      });
      for (const source of result.sources) {
        story.step(service.service, source.source, 'done', source.verified);
      }
      story.step(
        service.service,
        'restore',
        'done',
        result.healthyAfterMs === undefined
          ? undefined
          : `healthy after ${formatDuration(result.healthyAfterMs)}`,
      );
      return result;
    }),
  );
  // Every child has ended before anything is taken back.
  const restored: RestoredService[] = [];
  let failed: Error | undefined;
  for (const [at, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') restored.push(outcome.value);
    else {
      failed ??= asError(outcome.reason);
      story.step(stage[at]?.service ?? '', 'restore', 'failed', causeOf(outcome.reason).message);
    }
  }
  if (failed !== undefined) throw failed;
  return restored;
}

/** Puts the old state back, last first, and starts what ran before. Says what is now true. */
async function takeBack(run: Run, plan: RestorePlan, error: unknown): Promise<void> {
  const { activities, story, restoreId, view } = run;
  const { message } = causeOf(error);
  story.phase('rolling back');
  const stuck: string[] = [];
  for (const { service } of plan.stages.flat().reverse()) {
    try {
      await story.during(service, 'roll back', () =>
        activities.rollBackService(`roll ${service} back`, {
          restoreId,
          configDigest: view.configDigest,
          service,
        }),
      );
    } catch (problem) {
      stuck.push(`${service}: ${causeOf(problem).message}`);
    }
  }
  for (const { service } of plan.stages.flat()) {
    try {
      await story.during(service, 'start again', () =>
        activities.startStopped(`start ${service} again`, { restoreId, service }),
      );
    } catch (problem) {
      stuck.push(`${service}: ${causeOf(problem).message}`);
    }
  }
  const now =
    stuck.length === 0
      ? 'the state from before is back and what ran before runs again'
      : `not everything could be taken back: ${stuck.join('; ')}`;
  if (stuck.length === 0) {
    await activities
      .finishRestore('close the record', { restoreId, state: 'rolled-back' })
      .catch(() => undefined);
  }
  const reason = isCancellation(error) ? 'was cancelled' : `failed: ${message}`;
  story.phase(stuck.length === 0 ? 'rolled back' : 'failed');
  const hint = isCancellation(error) ? undefined : hintOf(error);
  await tell(activities, 'failed', `Restore of set ${plan.setId} ${reason}; ${now}`, hint);
}

async function tell(
  activities: HostCalls,
  status: 'success' | 'failed',
  message: string,
  hint?: string,
): Promise<void> {
  await Promise.allSettled([
    activities.writeRunLog('log the result', { lines: [message] }),
    activities.notify(`notify: ${status}`, { status, message, hint }),
  ]);
}

function resultOf(
  run: Run,
  plan: RestorePlan,
  services: readonly RestoredService[],
): RestoreStackResult {
  return {
    restoreId: run.restoreId,
    setId: plan.setId,
    dryRun: run.input.dryRun,
    plan,
    services,
    durationMs: Date.now() - run.startedMs,
    warnings: plan.warnings,
  };
}
