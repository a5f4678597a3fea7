/**
 * Undoes a finished restore: permit → stop, dependents first → put the safety copies back, dependents
 * first → start what ran before the restore, stage by stage, with its health gates. From its first
 * step on the restore's record says so on disk: whoever dies meanwhile, the undo is finished by whoever
 * comes next.
 */
import {
  CancellationScope,
  isCancellation,
  patched,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { undoRestoreInputSchema, type UndoRestoreResult } from '../../src/plan/shared/inputs.js';
import { planUndo, type UndoPlan } from '../../src/plan/rollback/undo-plan.js';
import { count, formatDuration } from '../../src/base/words.js';
import { hostActivities, resolveStack, type HostCalls } from '../shared/activity-options.js';
import { causeOf, failure, parseInput, raise } from '../shared/failure.js';
import { takePermit } from '../shared/permit.js';
import { Story } from '../shared/story.js';
import { planOrFail, searchAttributes } from '../shared/support.js';
import { asksDryRun, notifyEnd, notifyOnFailure } from '../notify/tell.js';

/** What was healthy a moment ago answers at once. */
const STILL_HEALTHY_MS = 20_000;

type View = Awaited<ReturnType<typeof resolveStack>>['view'];

export async function undoRestore(rawInput?: unknown): Promise<UndoRestoreResult> {
  const startedMs = Date.now();
  const silent = asksDryRun(rawInput);
  const story = new Story(silent ? 'undo (dry run)' : 'undo');
  const { input, view } = await notifyOnFailure(
    'The undo of a restore',
    async () => {
      const asked = parseInput(undoRestoreInputSchema, rawInput, 'undoRestore');
      const { stack, host } = asked;
      return { input: asked, ...(await resolveStack({ stack, host }).catch(raise)) };
    },
    { silent },
  );
  const activities = hostActivities(view.hostId);
  upsertSearchAttributes(searchAttributes({ stack: view.stack, status: 'running' }));
  const makePlan = async (): Promise<UndoPlan> => {
    story.phase('planning');
    const past = await activities
      .chooseUndo(`choose restore ${input.restore}`, { restore: input.restore })
      .catch(raise);
    return planOrFail(() => planUndo(view, past));
  };
  const early = { activities, silent };
  const plan = await notifyOnFailure(`Undo of restore ${input.restore}`, makePlan, early);
  upsertSearchAttributes(searchAttributes({ set: plan.setId }));
  const { restoreId } = plan;
  if (input.dryRun) return { restoreId, dryRun: true, plan, unhealthy: [], durationMs: 0 };

  const permit = await notifyOnFailure(
    `Undo of restore ${restoreId}`,
    () => takePermit(view.stack, input.onBusy, activities, story),
    early,
  );
  try {
    const agreed = await makePlan();
    // Once begun it is finished: half an undo would leave everything stopped.
    const unhealthy = await CancellationScope.nonCancellable(() =>
      carryOut(agreed, view, activities, story),
    );
    const durationMs = Date.now() - startedMs;
    upsertSearchAttributes(
      searchAttributes({ status: unhealthy.length === 0 ? 'success' : 'degraded' }),
    );
    const message = [
      `Restore ${restoreId} of set ${plan.setId} was undone in ${formatDuration(durationMs)}; ` +
        (unhealthy.length === 0
          ? 'the state from before it is back'
          : 'the data from before it is back, but not all that ran'),
      ...unhealthy.map(({ service, reason }) => `${service}: ${reason}`),
    ].join('; ');
    await notifyEnd(activities, unhealthy.length === 0 ? 'success' : 'degraded', message);
    return { restoreId, dryRun: false, plan, unhealthy, durationMs };
  } catch (error) {
    upsertSearchAttributes(
      searchAttributes({ status: isCancellation(error) ? 'cancelled' : 'failed' }),
    );
    if (isCancellation(error)) throw error;
    const { message, hint } = causeOf(error);
    await notifyEnd(activities, 'failed', `Undo of restore ${restoreId} failed: ${message}`, {
      hint,
    });
    raise(error);
  } finally {
    await permit.release();
  }
}

async function carryOut(
  plan: UndoPlan,
  { configDigest }: View,
  activities: HostCalls,
  story: Story,
): Promise<{ service: string; reason: string }[]> {
  const { restoreId } = plan;
  await activities.beginUndo('open the record', { restoreId });
  story.phase('stopping');
  for (const service of plan.stopOrder) {
    await story.during(service, 'stop', () =>
      activities.stopForUndo(`stop ${service}`, { restoreId, service }),
    );
  }
  story.phase('putting back');
  for (const service of plan.putBack) {
    await story.during(
      service,
      'put back',
      () => activities.rollBackService(`put ${service} back`, { restoreId, configDigest, service }),
      ({ undone }) => count(undone, 'step'),
    );
  }
  const unhealthy = new Map<string, string>();
  const notStarted: string[] = [];
  const looksAgain = patched('undo-final-look');
  const bringUp = async (service: string, withinMs?: number): Promise<void> => {
    const again = withinMs !== undefined;
    try {
      const { started, missing = [] } = await story.during(
        service,
        again ? 'still up' : 'start',
        () =>
          activities.startStopped(again ? `${service}: still up?` : `start ${service} again`, {
            restoreId,
            service,
            ...(looksAgain ? { keepRecord: true } : {}),
          }),
      );
      if (missing.length > 0)
        unhealthy.set(service, `${missing.join(', ')} ran before and is gone`);
      // What was ill a moment ago need not be waited for again.
      if (started.length === 0 || (again && unhealthy.has(service))) return;
      await story.during(service, again ? 'still healthy' : 'health', () =>
        activities.waitHealthy(`${service}: ${again ? 'still healthy?' : 'health gate'}`, {
          restoreId,
          configDigest,
          service,
          ...(again ? { withinMs } : {}),
        }),
      );
    } catch (error) {
      if (isCancellation(error)) throw error;
      const { code, message } = causeOf(error);
      // It may have been ill before the restore: that is what was asked for back.
      if (code === 'HEALTH_GATE_FAILED') unhealthy.set(service, message);
      else notStarted.push(`${service}: ${message}`);
    }
  };
  for (const stage of plan.stages) {
    story.phase(`starting ${stage.join(', ')}`);
    await Promise.all(stage.map((service) => bringUp(service)));
  }
  const down: string[] = [];
  if (looksAgain && notStarted.length === 0) {
    story.phase('looking once more');
    // An engine that dies while a gate is waited for takes along what was healthy before.
    for (const stage of plan.stages) {
      await Promise.all(stage.map((service) => bringUp(service, STILL_HEALTHY_MS)));
    }
    const touched = plan.stages.flat();
    const look = await activities
      .lookOnceMore('does all run that ran before?', { restoreId, touched })
      .catch((error: unknown) => ({
        down: [`the stack was not looked at: ${causeOf(error).message}`],
      }));
    down.push(...look.down);
  }
  if (notStarted.length > 0) {
    throw failure(
      'RESTORE_FAILED',
      `the state from before is back, but not all of it runs: ${notStarted.join('; ')}`,
      { hint: '`holdfast recover` tries again to start what ran' },
    );
  }
  await activities.finishRestore('close the record', { restoreId, state: 'undone', measured: [] });
  story.phase('done');
  return [
    ...[...unhealthy].map(([service, reason]) => ({ service, reason })),
    ...down.map((reason) => ({ service: 'stack', reason })),
  ];
}
