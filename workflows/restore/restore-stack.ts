/**
 * Restores the stack: permit → choose the set → plan → preflight everything → stop, dependents
 * first → stage by stage: restore, start, health gate → notify. Nothing is touched before every
 * artifact has been read and every check has passed; on failure or cancel what was swapped is
 * swapped back in reverse order and what ran before is started again.
 */
import {
  CancellationScope,
  CancelledFailure,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { z } from 'zod';
import { serviceWorkflowId } from '../../src/plan/shared/ids.js';
import { restoreStackInputSchema } from '../../src/plan/shared/inputs.js';
import { planChosen } from '../../src/plan/restore/plan-chosen.js';
import type {
  PerformedStep,
  RestoredService,
  RestorePlan,
  RestoreStackResult,
} from '../../src/plan/restore/restore-types.js';
import { count, formatBytes, formatDuration } from '../../src/base/words.js';
import { hostActivities, resolveStack } from '../shared/activity-options.js';
import { Approval } from './approval.js';
import { causeOf, parseInput, raise } from '../shared/failure.js';
import { takePermit } from '../shared/permit.js';
import type { restoreService } from './restore-service.js';
import { preflight } from './restore-preflight.js';
import { planOrFail, searchAttributes } from '../shared/support.js';
import { describeRollBack, takeBack } from '../rollback/take-back.js';
import { Story } from '../shared/story.js';
import { asksDryRun, notifyEnd, notifyOnFailure } from '../notify/tell.js';
import {
  type Run,
  withOutcome,
  measurementsOf,
  asError,
  problemsOf,
  resultOf,
} from './restore-result.js';

/** What was healthy a moment ago answers at once. */
const STILL_HEALTHY_MS = 20_000;

export async function restoreStack(rawInput?: unknown): Promise<RestoreStackResult> {
  const startedMs = Date.now();
  const silent = asksDryRun(rawInput);
  const story = new Story(silent ? 'restore (dry run)' : 'restore');
  const approval = new Approval(story);
  const { input, view, stamp } = await notifyOnFailure(
    'The restore',
    async () => {
      const asked = parseInput(restoreStackInputSchema, rawInput, 'restoreStack');
      const { stack, host, map } = asked;
      return { input: asked, ...(await resolveStack({ stack, host, map }).catch(raise)) };
    },
    { silent },
  );
  const activities = hostActivities(view.hostId);
  upsertSearchAttributes(searchAttributes({ stack: view.stack, status: 'running' }));
  const run: Run = { input, view, restoreId: stamp, activities, story, approval, startedMs };

  // A wrong set or service is said before waiting for anybody.
  const what = `Restore of set ${input.set}`;
  const early = { activities, silent };
  const plan = await notifyOnFailure(what, () => makePlan(run).catch(raise), early);
  upsertSearchAttributes(searchAttributes({ set: plan.setId }));
  if (input.dryRun) return resultOf(run, plan, [], []);

  const permit = await notifyOnFailure(
    what,
    () => takePermit(view.stack, input.onBusy, activities, story),
    early,
  );
  try {
    // The catalogue may have changed while we waited.
    const agreed = await notifyOnFailure(what, () => makePlan(run).catch(raise), early);
    const result = await carryOut(run, agreed);
    const status = problemsOf(result.services).length > 0 ? 'degraded' : 'success';
    upsertSearchAttributes(searchAttributes({ status }));
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
  const chosen = await activities.chooseRestoreSet(`choose set ${input.set}`, {
    set: input.set,
    services: input.services,
    sets: input.sets,
    sources: input.sources,
    databases: input.databases,
    map: input.map,
    isAsked: true,
  });
  return planOrFail(() => planChosen(view, chosen, input));
}

async function carryOut(begun: Run, plan: RestorePlan): Promise<RestoreStackResult> {
  const { activities, story, view, input } = begun;
  const { configDigest } = view;
  for (const service of plan.stages.flat()) {
    for (const { source } of service.sources) story.step(service.service, source, 'pending');
  }
  const checkedFromMs = Date.now();
  const what = `Restore of set ${plan.setId}`;
  const early = { activities };
  const { restoreId: wished } = begun;
  const { map } = input;
  await notifyOnFailure(
    what,
    () => preflight({ activities, story, configDigest, map, plan, restoreId: wished }),
    early,
  );
  const checkedMs = Date.now() - checkedFromMs;
  // Before the first stage nothing is touched yet, not even stopped.
  if (plan.pauseBefore === 1) await waitForPerson(begun, plan, 1);

  const { setId, setTier, otherSets } = plan;
  const opened = await notifyOnFailure(
    what,
    () =>
      activities.beginRestore('open the record', {
        restoreId: wished,
        setId,
        map,
        setTier,
        otherSets,
      }),
    early,
  );
  const restoreId = restoreIdOf(opened, wished);
  const run: Run = { ...begun, restoreId };

  const services: RestoredService[] = [];
  const steps: PerformedStep[] = [];
  try {
    story.phase('stopping');
    for (const service of plan.stopOrder) {
      const beganMs = Date.now();
      await story.during(
        service,
        'stop',
        () => activities.stopService(`stop ${service}`, { restoreId, configDigest, service }),
        ({ stopped }) => (stopped.length === 0 ? 'nothing ran' : stopped.join(', ')),
      );
      steps.push({ stage: 0, service, step: 'stop', durationMs: Date.now() - beganMs });
    }
    for (const [index, stage] of plan.stages.entries()) {
      if (index > 0 && plan.pauseBefore === index + 1) await waitForPerson(run, plan, index + 1);
      story.phase(`restoring ${stage.map(({ service }) => service).join(', ')}`);
      const restored = await restoreStage(run, stage);
      services.push(...restored);
      for (const { service, steps: performed } of restored) {
        steps.push(...performed.map((one) => ({ stage: index + 1, service, ...one })));
      }
    }
    await confirmHealthy(run, services);
    // Activities that were done before they saw a cancel do not tell of it.
    if (CancellationScope.current().consideredCancelled) {
      throw new CancelledFailure('the restore was cancelled');
    }
  } catch (error) {
    throw await givenUp(run, plan, error);
  }
  story.phase('finishing');
  const result = resultOf(run, plan, services, steps);
  try {
    // From here on it is done: a cancel now must not leave a record that somebody takes back later.
    await CancellationScope.nonCancellable(() =>
      activities.finishRestore('keep the safety copies', {
        restoreId,
        state: 'finished',
        measured: [
          {
            ...{ kind: 'check', service: '', source: '' },
            ...{ bytes: plan.contentBytes, durationMs: checkedMs },
          },
          ...measurementsOf(services),
        ],
      }),
    );
  } catch (error) {
    // What is not on disk as finished would be taken back some night: better now, and said.
    throw await givenUp(run, plan, error);
  }
  const message =
    `Restore of set ${plan.setId} done: ${count(services.length, 'service')}, ` +
    `${formatBytes(plan.contentBytes)} in ${formatDuration(result.durationMs)}`;
  const problems = problemsOf(services);
  if (problems.length === 0) await notifyEnd(activities, 'success', message);
  else
    await notifyEnd(activities, 'degraded', `${message}; not brought back: ${problems.join('; ')}`);
  story.phase('done');
  return result;
}

/** Takes back what was done, tells it, and gives the error the run is to end with. */
async function givenUp(run: Run, plan: RestorePlan, error: unknown): Promise<unknown> {
  const { activities, story, restoreId, view } = run;
  const { configDigest } = view;
  const taken = await CancellationScope.nonCancellable(async () => {
    const outcome = await takeBack({ activities, story, restoreId, configDigest, plan });
    const hint = isCancellation(error) ? undefined : causeOf(error).hint;
    await notifyEnd(activities, 'failed', describeRollBack(plan.setId, error, outcome), { hint });
    return outcome;
  });
  return isCancellation(error) ? error : withOutcome(error, taken);
}

const openedSchema = z.object({ restoreId: z.string() });

/** Runs begun by an earlier version were told nothing. */
function restoreIdOf(opened: unknown, wished: string): string {
  return openedSchema.safeParse(opened).data?.restoreId ?? wished;
}

async function waitForPerson(run: Run, plan: RestorePlan, stage: number): Promise<void> {
  const names = plan.stages[stage - 1]?.map(({ service }) => service).join(', ') ?? '';
  upsertSearchAttributes(searchAttributes({ status: 'waiting' }));
  const by = await run.approval.of(`stage ${stage} (${names})`);
  upsertSearchAttributes(searchAttributes({ status: 'running' }));
  run.story.step('', 'approval', 'done', `stage ${stage} by ${by}`);
}

/** A container can die after its gate: at the end everything must be healthy at one time. */
async function confirmHealthy(run: Run, services: readonly RestoredService[]): Promise<void> {
  const { activities, story, restoreId, view } = run;
  story.phase('looking once more');
  const started = services.filter(({ healthyAfterMs }) => healthyAfterMs !== undefined);
  const outcomes = await Promise.allSettled(
    started.map(({ service }) =>
      story.during(service, 'still healthy', () =>
        activities.waitHealthy(`${service}: still healthy?`, {
          restoreId,
          configDigest: view.configDigest,
          service,
          withinMs: STILL_HEALTHY_MS,
        }),
      ),
    ),
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw asError(failed.reason);
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
