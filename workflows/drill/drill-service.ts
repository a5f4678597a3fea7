/** One service of a drill: restored beside the real one, compared, started, its gates passed; timed. */
import { isCancellation } from '@temporalio/workflow';
import type {
  ComparedTables,
  DrillFailure,
  DrillStep,
  NotTried,
  SampledSource,
} from '../../src/format/drill-result.js';
import type {
  RestoreServicePlan,
  RestoreSourceStep,
} from '../../src/plan/restore/restore-types.js';
import { describeTables } from '../../src/plan/drill/drill.js';
import { count, formatDuration } from '../../src/base/words.js';
import type { HostCalls } from '../shared/activity-options.js';
import { causeOf } from '../shared/failure.js';
import type { Story } from '../shared/story.js';

/** What a drill has seen so far. */
export class DrillLog {
  readonly steps: DrillStep[] = [];
  readonly failures: DrillFailure[] = [];
  readonly notTried: NotTried[] = [];
  readonly sampled: SampledSource[] = [];
  readonly warnings: string[] = [];
  /** What the backup does not bring back, by name. */
  readonly problems: string[] = [];
  /** Of each server that was loaded. */
  readonly tables: ComparedTables[] = [];

  /** Does the work and notes how long it took; one that fails is noted, too, and thrown on. */
  async timed<T>(
    step: Omit<DrillStep, 'durationMs'>,
    work: () => Promise<T>,
    detail: (result: T) => string | undefined = () => undefined,
  ): Promise<T> {
    const beganMs = Date.now();
    try {
      const result = await work();
      const text = detail(result);
      this.steps.push({
        ...step,
        durationMs: Date.now() - beganMs,
        ...(text === undefined ? {} : { detail: text }),
      });
      return result;
    } catch (error) {
      this.steps.push({ ...step, durationMs: Date.now() - beganMs });
      if (!isCancellation(error)) {
        const { code, message } = causeOf(error);
        const { service, source } = step;
        this.failures.push({
          service,
          ...(source === undefined ? {} : { source }),
          step: step.step,
          code,
          reason: message,
        });
      }
      throw error;
    }
  }
}

export interface DrillServiceInput {
  readonly drillId: string;
  readonly configDigest: string;
  readonly service: RestoreServicePlan;
  readonly activities: HostCalls;
  readonly story: Story;
  readonly log: DrillLog;
}

/** @throws what failed, after it was noted in the log together with the containers' last output */
export async function drillService(input: DrillServiceInput): Promise<void> {
  const { drillId, service: plan, activities, story, log } = input;
  const { service, hasContainers } = plan;
  try {
    let adapted: Adapted | undefined;
    for (const step of plan.sources) {
      if (step.kind === 'postgres') {
        // The server is started by its compose file, which must be the drill's own by then.
        adapted ??= await adapt(input);
        await load(input, step);
      } else {
        await unpack(input, step);
      }
    }
    if (!hasContainers) return;
    adapted ??= await adapt(input);
    if (adapted.started.length === 0) {
      story.step(service, 'start', 'skipped', 'nothing of it can be started in a drill');
      return;
    }
    await startAndGate(input);
  } catch (error) {
    if (isCancellation(error)) throw error;
    story.step(service, 'drill', 'failed', causeOf(error).message);
    if (!log.failures.some((one) => one.service === service)) {
      const { code, message } = causeOf(error);
      log.failures.push({ service, step: 'prepare', code, reason: message });
    }
    const last = log.failures.findLast((one) => one.service === service);
    if (
      hasContainers &&
      last !== undefined &&
      ['load', 'compare', 'start', 'gate'].includes(last.step)
    ) {
      const { output } = await activities
        .readDrillOutput(`the last output of ${service}`, { restoreId: drillId, service })
        .catch(() => ({ output: '' }));
      if (output !== '') log.failures[log.failures.indexOf(last)] = { ...last, output };
    }
    throw error;
  }
}

type Adapted = Awaited<ReturnType<HostCalls['adaptDrillService']>>;

async function adapt({
  drillId,
  configDigest,
  service: { service },
  activities,
  story,
  log,
}: DrillServiceInput): Promise<Adapted> {
  const adapted = await story.during(
    service,
    'adapt',
    () =>
      activities.adaptDrillService(`adapt the compose files of ${service}`, {
        restoreId: drillId,
        configDigest,
        service,
      }),
    ({ started }) => started.join(', '),
  );
  log.notTried.push(...adapted.notTried);
  log.warnings.push(...adapted.notes);
  return adapted;
}

function referenceOf(input: DrillServiceInput, step: RestoreSourceStep) {
  return {
    restoreId: input.drillId,
    configDigest: input.configDigest,
    service: input.service.service,
    source: step.source,
    artifactPath: step.artifact.path,
  };
}

async function unpack(input: DrillServiceInput, step: RestoreSourceStep): Promise<void> {
  const { activities, story, log } = input;
  const { service } = input.service;
  const { source } = step;
  const what = `${service}/${source}`;
  const reference = referenceOf(input, step);
  const about = { service, source, bytes: step.artifact.contentBytes };
  await story.during(
    service,
    source,
    async () => {
      await log.timed(
        { ...about, step: 'unpack' },
        () => activities.unpackSource(`unpack ${what}`, reference),
        ({ entries }) => count(entries, 'entry', 'entries'),
      );
      const compared = await log.timed(
        { ...about, step: 'compare' },
        () => activities.compareDrillSource(`compare ${what} with the backup`, reference),
        ({ entries, expected }) =>
          expected === 0
            ? `${entries} entries are as backed up`
            : `${expected} differences foretold`,
      );
      if (compared.notRead !== undefined) {
        log.notTried.push({ service, what: `${source}: compare`, reason: compared.notRead });
      }
      await log.timed({ ...about, step: 'swap' }, () =>
        activities.swapSource(`put ${what} in its place`, reference),
      );
      return compared;
    },
    ({ entries }) => `${count(entries, 'entry', 'entries')} as backed up`,
  );
}

async function load(input: DrillServiceInput, step: RestoreSourceStep): Promise<void> {
  const { activities, story, log } = input;
  const { service } = input.service;
  const { source } = step;
  const about = { service, source, bytes: step.artifact.contentBytes };
  const { compareMs, problems = [] } = await log.timed(
    { ...about, step: 'load' },
    () =>
      story.during(
        service,
        source,
        () => activities.restoreDatabase(`load ${service}/${source}`, referenceOf(input, step)),
        ({ verified }) => verified,
      ),
    ({ verified }) => verified,
  );
  // Rows are all there, or it would have failed; this is what a restore would not bring back.
  log.problems.push(...problems.map((text) => `${service}/${source}: ${text}`));
  // The comparison is part of a restore of databases; it is told apart all the same.
  log.steps.push({ service, source, step: 'compare', durationMs: compareMs });
  // This one is not: hashing what was loaded takes time that a restore does not.
  const { tables, notCompared = [] } = await log.timed(
    { ...about, step: 'compare' },
    () =>
      story.during(
        service,
        `compare ${source}`,
        () =>
          activities.compareDrillDatabases(
            `compare ${service}/${source} with the backup`,
            referenceOf(input, step),
          ),
        (compared) => describeTables(compared.tables),
      ),
    (compared) => describeTables(compared.tables),
  );
  log.tables.push(tables);
  log.warnings.push(...notCompared.map((text) => `${service}/${source}: ${text}`));
}

async function startAndGate(input: DrillServiceInput): Promise<void> {
  const { drillId, configDigest, activities, story, log } = input;
  const { service } = input.service;
  const reference = { restoreId: drillId, configDigest, service };
  await log.timed(
    { service, step: 'start' },
    () =>
      story.during(
        service,
        'start',
        () => activities.startService(`start ${service}`, { ...reference, restored: true }),
        ({ started }) => started.join(', '),
      ),
    ({ started }) => count(started.length, 'container'),
  );
  const { notTried } = await log.timed(
    { service, step: 'gate' },
    () =>
      story.during(
        service,
        'health',
        () => activities.passDrillGates(`${service}: health gate`, reference),
        ({ waitedMs }) => `after ${formatDuration(waitedMs)}`,
      ),
    ({ checks }) => checks.join('; '),
  );
  log.notTried.push(...notTried);
}
