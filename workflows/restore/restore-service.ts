/**
 * Restores one service: each source is unpacked beside its place and swapped in, the server's
 * databases are loaded into an empty data directory, then the containers are started and must pass
 * the health gate. How to take a step back is written to disk by the activity before it acts.
 */
import type {
  RestoredService,
  RestoredSource,
  RestoreServicePlan,
  RestoreSourceStep,
} from '../../src/plan/restore/restore-types.js';
import { count, formatDuration } from '../../src/base/words.js';
import { hostActivities, type HostCalls } from '../shared/activity-options.js';
import { raise } from '../shared/failure.js';
import { Story } from '../shared/story.js';

export interface RestoreServiceInput {
  readonly restoreId: string;
  readonly configDigest: string;
  readonly hostId: string;
  readonly service: RestoreServicePlan;
}

type Timed = <T>(step: string, work: () => Promise<T>) => Promise<T>;

export async function restoreService(input: RestoreServiceInput): Promise<RestoredService> {
  const { service } = input;
  const story = new Story(`restore of ${service.service}`);
  const activities = hostActivities(input.hostId);
  for (const { source } of service.sources) story.step(service.service, source, 'pending');
  const performed: { step: string; durationMs: number }[] = [];
  const timed: Timed = async (step, work) => {
    const beganMs = Date.now();
    const result = await work();
    performed.push({ step, durationMs: Date.now() - beganMs });
    return result;
  };
  try {
    const sources: RestoredSource[] = [];
    for (const step of service.sources) {
      story.phase(`restoring ${step.source}`);
      sources.push(
        await story.during(
          service.service,
          step.source,
          () => restoreSource(input, step, activities, timed),
          ({ verified }) => verified,
        ),
      );
    }
    const started = await startAndGate(input, activities, story, timed);
    story.phase('done');
    return { service: service.service, sources, ...started, steps: performed };
  } catch (error) {
    raise(error);
  }
}

async function restoreSource(
  input: RestoreServiceInput,
  step: RestoreSourceStep,
  activities: HostCalls,
  timed: Timed,
): Promise<RestoredSource> {
  const startedMs = Date.now();
  const service = input.service.service;
  const what = `${service}/${step.source}`;
  const reference = {
    restoreId: input.restoreId,
    configDigest: input.configDigest,
    service,
    source: step.source,
    artifactPath: step.artifact.path,
  };
  const common = {
    source: step.source,
    kind: step.kind,
    contentBytes: step.artifact.contentBytes,
  };
  if (step.kind === 'postgres') {
    const { aside, verified, warnings, problems } = await timed(`load ${step.source}`, () =>
      step.databases === undefined
        ? activities.restoreDatabase(`load ${what}`, {
            ...reference,
            ...(step.serverSettings === undefined ? {} : { serverSettings: step.serverSettings }),
          })
        : activities.restoreSomeDatabases(`load ${step.databases.join(', ')} of ${what}`, {
            ...reference,
            databases: step.databases,
          }),
    );
    return {
      ...common,
      durationMs: Date.now() - startedMs,
      ...(aside === undefined ? {} : { aside }),
      verified,
      ...(warnings === undefined ? {} : { warnings }),
      ...(problems === undefined ? {} : { problems }),
    };
  }
  const { entries } = await timed(`unpack ${step.source}`, () =>
    activities.unpackSource(`unpack ${what} beside its place`, reference),
  );
  const { aside } = await timed(`swap ${step.source}`, () =>
    activities.swapSource(`swap ${what} in`, reference),
  );
  return {
    ...common,
    durationMs: Date.now() - startedMs,
    ...(aside === undefined ? {} : { aside }),
    verified: count(entries, 'entry', 'entries'),
  };
}

async function startAndGate(
  input: RestoreServiceInput,
  activities: HostCalls,
  story: Story,
  timed: Timed,
): Promise<Pick<RestoredService, 'startedContainers' | 'healthyAfterMs'>> {
  const { service, hasContainers, sources } = input.service;
  if (!hasContainers) return { startedContainers: [] };
  const beganMs = Date.now();
  story.phase('starting');
  const reference = {
    restoreId: input.restoreId,
    configDigest: input.configDigest,
    service,
    restored: sources.length > 0,
  };
  const { started, gated } = await story.during(
    service,
    'start',
    () => timed('start', () => activities.startService(`start ${service}`, reference)),
    (result) => result.started.join(', '),
  );
  if (!gated) return { startedContainers: [] };
  story.phase('waiting for the health gate');
  await story.during(
    service,
    'health',
    () => timed('health', () => activities.waitHealthy(`${service}: health gate`, reference)),
    ({ waitedMs }) => `after ${formatDuration(waitedMs)}`,
  );
  return { startedContainers: started, healthyAfterMs: Date.now() - beganMs };
}
