/**
 * Drills a restore: the plan of a real one, carried out under throw-away names beside the running
 * stack → every artifact read → unpacked, compared, started, each gate passed → recorded with the time
 * it took → torn down, however it ends. It changes nothing of the stack, so it holds no permit of it;
 * one drill at a time is enough, and that is a permit of its own.
 */
import {
  CancellationScope,
  isCancellation,
  upsertSearchAttributes,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import { drillId } from '../../src/format/drill-names.js';
import {
  describeMeasured,
  drilledServices,
  drillStages,
  restoreTime,
  sumTables,
} from '../../src/plan/drill/drill.js';
import type { DrillFailure, DrillResult } from '../../src/format/drill-result.js';
import {
  drillRestoreInputSchema,
  type DrillRestoreResult,
} from '../../src/plan/drill/drill-types.js';
import { drillPermit } from '../../src/plan/shared/ids.js';
import { planRestore } from '../../src/plan/restore/restore-plan.js';
import type { RestorePlan, RestoreServicePlan } from '../../src/plan/restore/restore-types.js';
import { hostActivities, resolveStack, type HostCalls } from '../shared/activity-options.js';
import { sampleServices } from './drill-sample.js';
import { DrillLog, drillService } from './drill-service.js';
import { causeOf, failure, parseInput, raise } from '../shared/failure.js';
import { takePermit } from '../shared/permit.js';
import { Story } from '../shared/story.js';
import { planOrFail, searchAttributes } from '../shared/support.js';
import { notifyEnd, notifyOnFailure } from '../notify/tell.js';

type View = Awaited<ReturnType<typeof resolveStack>>['view'];
type Input = ReturnType<typeof drillRestoreInputSchema.parse>;

interface Run {
  readonly input: Input;
  readonly view: View;
  readonly id: string;
  readonly activities: HostCalls;
  readonly story: Story;
  readonly startedMs: number;
}

export async function drillRestore(rawInput?: unknown): Promise<DrillRestoreResult> {
  const startedMs = Date.now();
  const story = new Story('drill');
  const { input, view, stamp } = await notifyOnFailure('The drill', async () => {
    const asked = parseInput(drillRestoreInputSchema, rawInput, 'drillRestore');
    const { stack, host } = asked;
    return { input: asked, ...(await resolveStack({ stack, host }).catch(raise)) };
  });
  const activities = hostActivities(view.hostId, { forDrill: true });
  upsertSearchAttributes(searchAttributes({ stack: view.stack, status: 'running' }));
  const run: Run = {
    input,
    view,
    id: drillId(stamp, uuid4()),
    activities,
    story,
    startedMs,
  };
  if (input.reap) {
    const { reaped } = await activities
      .reapDrills('remove left-overs', { kept: true })
      .catch(raise);
    upsertSearchAttributes(searchAttributes({ status: 'success' }));
    return { reaped };
  }
  // A wrong set or service is said before waiting for anybody.
  const what = `Drill of set ${input.set}`;
  await notifyOnFailure(what, () => makePlan(run).catch(raise), { activities });
  const permit = await notifyOnFailure(
    what,
    () => takePermit(drillPermit(view.stack), 'wait', activities, story),
    { activities },
  );
  try {
    // The catalogue may have changed while we waited.
    const plan = await notifyOnFailure(what, () => makePlan(run), { activities });
    upsertSearchAttributes(searchAttributes({ set: plan.setId }));
    const done = await carryOut(run, plan);
    upsertSearchAttributes(searchAttributes({ status: 'success' }));
    return done;
  } catch (error) {
    const status = isCancellation(error) ? 'cancelled' : 'failed';
    upsertSearchAttributes(searchAttributes({ status }));
    if (isCancellation(error)) throw error;
    raise(error);
  } finally {
    await permit.release();
  }
}

async function makePlan({ input, view, activities, story }: Run): Promise<RestorePlan> {
  story.phase('planning');
  const { services, added } = drilledServices(view, input.services);
  const { set, warnings } = await activities.chooseRestoreSet(`choose set ${input.set}`, {
    set: input.set,
    services: input.services,
  });
  return planOrFail(() => {
    const held = new Set(set.artifacts.map(({ service }) => service));
    // What it comes after is drilled where the set holds it; whether it misses it shows by its gate.
    const wanted = services?.filter(
      (name) => held.has(name) || input.services?.includes(name) === true,
    );
    const plan = planRestore(view, set, { services: wanted });
    const brought = added.filter((name) => held.has(name));
    const note = `${brought.join(', ')}: drilled too, since what was asked for comes after`;
    return {
      ...plan,
      warnings: [...new Set([...warnings, ...plan.warnings])],
      notes: brought.length === 0 ? plan.notes : [...plan.notes, note],
    };
  });
}

async function carryOut(run: Run, plan: RestorePlan): Promise<DrillRestoreResult> {
  const { activities, story, id, view, input } = run;
  const log = new DrillLog();
  let stages = drillStages(plan);
  for (const { service, sources } of stages.flat()) {
    for (const { source } of sources) story.step(service, source, 'pending');
  }
  let checkMs = 0;
  let reaped: readonly string[] = [];
  try {
    ({ reaped } = await activities.reapDrills('remove what dead drills left', { kept: false }));
    story.phase('preparing');
    // First of all: from here on retention leaves the set alone.
    const begun = await story.during('', 'prepare', () =>
      activities.beginDrill('open the record', {
        drillId: id,
        configDigest: view.configDigest,
        setId: plan.setId,
        setTier: plan.setTier,
        services: stages.flat(),
      }),
    );
    log.notTried.push(...begun.notTried);
    const all = stages.flat();
    stages = stages
      .map((stage) => stage.filter(({ service }) => begun.services.includes(service)))
      .filter((stage) => stage.length > 0);
    checkMs = await checkAll(run, stages.flat(), log);
    const { sample } = begun;
    if (sample !== undefined) {
      const sampled = all.filter(({ service }) => sample.services.includes(service));
      // Not part of the time of a restore: these services are not restored.
      await checkAll(run, sampled, log);
      if (log.failures.length === 0) {
        const { configDigest } = view;
        const { mostBytes } = sample;
        await sampleServices(
          { drillId: id, configDigest, mostBytes, activities, story, log },
          sampled,
        );
      }
    }
    for (const stage of stages) {
      if (log.failures.length > 0) break;
      story.phase(`drilling ${stage.map(({ service }) => service).join(', ')}`);
      await drillStage(run, stage, log);
    }
  } catch (error) {
    if (isCancellation(error)) {
      await CancellationScope.nonCancellable(() => tearDown(run));
      throw error;
    }
    const { code, message } = causeOf(error);
    log.failures.push({ service: '', step: 'prepare', code, reason: message });
  }
  const result = resultOf(run, plan, stages, checkMs, log);
  return CancellationScope.nonCancellable(async () => {
    story.phase('recording');
    await activities.recordDrill('record what was found', { result });
    if (input.keep) {
      await activities.keepDrill('leave it up', { drillId: id }).catch(() => undefined);
    } else {
      await tearDown(run);
    }
    return { drill: await report(run, result), reaped };
  });
}

/** Everything is read first, as before a restore: each damaged artifact is named. */
async function checkAll(
  { activities, story }: Run,
  services: readonly RestoreServicePlan[],
  log: DrillLog,
): Promise<number> {
  story.phase('checking');
  const beganMs = Date.now();
  const checks = services.flatMap(({ service, sources }) =>
    sources.map(async ({ source, artifact }) => {
      const bytes = artifact.contentBytes;
      await log.timed({ service, source, step: 'check', bytes }, () =>
        story.during(service, `check ${source}`, () =>
          activities.checkDrillArtifact(`check ${service}/${source}`, {
            service,
            source,
            artifact,
          }),
        ),
      );
    }),
  );
  throwCancelled(await Promise.allSettled(checks));
  return Date.now() - beganMs;
}

async function drillStage(
  { activities, story, id, view }: Run,
  stage: readonly RestoreServicePlan[],
  log: DrillLog,
): Promise<void> {
  const { configDigest } = view;
  const outcomes = await Promise.allSettled(
    stage.map((service) =>
      drillService({ drillId: id, configDigest, service, activities, story, log }),
    ),
  );
  throwCancelled(outcomes);
}

/** Steps that failed are in the log; a cancel and what nobody expected end the drill. */
function throwCancelled(outcomes: readonly PromiseSettledResult<unknown>[]): void {
  const reasons = outcomes.flatMap((outcome): unknown[] =>
    outcome.status === 'rejected' ? [outcome.reason] : [],
  );
  const cancelled = reasons.find((reason) => isCancellation(reason));
  if (cancelled instanceof Error) throw cancelled;
}

async function tearDown({ activities, story, id }: Run): Promise<void> {
  story.phase('tearing down');
  await story
    .during('', 'tear down', () => activities.tearDownDrill('tear it down', { drillId: id }))
    .catch(async (error: unknown) => {
      const line = `The drill ${id} could not be torn down: ${causeOf(error).message}`;
      await activities.writeRunLog('log it', { lines: [line] }).catch(() => undefined);
    });
}

async function report({ activities, story }: Run, result: DrillResult): Promise<DrillResult> {
  const { status, setId, failures } = result;
  const passed = status === 'passed';
  const why = failures.map(describeFailure);
  const { problems = [] } = result;
  const lacks = problems.length === 0 ? '' : `; it does not bring back: ${problems.join('; ')}`;
  const message = passed
    ? `Drill of set ${setId} passed: ${describeMeasured(result)}${lacks}`
    : `Drill of set ${setId} failed: ${why.join('; ')}`;
  const hint = `holdfast show ${setId}-${result.setTier} has the details; --keep leaves the next one up`;
  const told = !passed ? 'failed' : lacks === '' ? 'success' : 'degraded';
  await notifyEnd(activities, told, message, {
    hint: passed ? undefined : hint,
  });
  story.phase(status);
  if (passed) return result;
  throw failure('DRILL_FAILED', `the drill of set ${setId} failed: ${why.join('; ')}`, {
    hint,
    facts: { drillId: result.drillId, problems: why, output: outputOf(failures) },
  });
}

function describeFailure({ service, source, step, reason }: DrillFailure): string {
  const what = source === undefined ? service : `${service}/${source}`;
  return `${what === '' ? '' : `${what}: `}${step}: ${reason}`;
}

function outputOf(failures: readonly DrillFailure[]): string[] {
  return failures.flatMap(({ output }) =>
    output === undefined ? [] : output.split('\n').slice(-20),
  );
}

function resultOf(
  { id, startedMs, input }: Run,
  plan: RestorePlan,
  stages: readonly (readonly RestoreServicePlan[])[],
  checkMs: number,
  log: DrillLog,
): DrillResult {
  const services = stages.flat().map(({ service }) => service);
  const names = stages.map((stage) => stage.map(({ service }) => service));
  return {
    drillId: id,
    setId: plan.setId,
    setTier: plan.setTier,
    status: log.failures.length === 0 ? 'passed' : 'failed',
    startedAt: new Date(startedMs).toISOString(),
    finishedAt: new Date().toISOString(),
    workflowId: workflowInfo().workflowId,
    services,
    whole: input.services === undefined && log.notTried.length === 0,
    contentBytes: plan.contentBytes,
    restoreMs: restoreTime(checkMs, names, log.steps),
    durationMs: Date.now() - startedMs,
    steps: log.steps,
    failures: log.failures,
    ...(log.tables.length === 0 ? {} : { tables: sumTables(log.tables) }),
    ...(log.sampled.length === 0 ? {} : { sampled: log.sampled }),
    notTried: log.notTried,
    warnings: [...plan.warnings, ...log.warnings],
    ...(log.problems.length === 0 ? {} : { problems: log.problems }),
    kept: input.keep,
  };
}
