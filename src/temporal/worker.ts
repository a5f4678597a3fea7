/**
 * The worker of a host: workflows from the stack's queue, activities from the host's own.
 * Heavy work (moving data) has few slots; light work has its own, so that a dump never keeps a
 * roll-back waiting.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import os from 'node:os';
import type { Client } from '@temporalio/client';
import {
  DefaultLogger,
  type NativeConnection,
  Runtime,
  Worker,
  type LogEntry,
  type WorkflowBundleOption,
} from '@temporalio/worker';
import { createStackActivities } from '../../activities/index.js';
import { hostActivitiesByConfig } from '../../activities/shared/by-config.js';
import { observationOf } from '../../activities/backup/backup-run.js';
import { recoverHost } from '../../activities/rollback/recovery.js';
import { LiveConfig } from '../config/live.js';
import type { Config } from '../format/config/schema.js';
import { messageOf } from '../base/errors.js';
import { connectEngine } from '../docker/engine/engine.js';
import { redirectLog, structuredLog } from '../observe/log.js';
import { Metrics, serveMetrics } from '../observe/metrics.js';
import { RunLog } from '../observe/run-log.js';
import { goodSets } from '../plan/check/good-sets.js';
import { tierSchema } from '../format/manifest.js';
import { readStoreKnowledge } from '../store/catalogue/set-knowledge.js';
import { configVersions } from '../config/config-versions.js';
import { drillQueue, heavyQueue, lightQueue, stackQueue } from '../plan/shared/ids.js';
import { connectClient, connectWorker } from './connect.js';
import { followConfig } from './follow-config.js';
import { asOnlyWorker } from './worker-lock.js';
import { registerSearchAttributes } from './search-attributes.js';

/** Two data movers at once: more only make a disk seek. */
const HEAVY_SLOTS = 2;
const LIGHT_SLOTS = 16;
/** Time running activities get to finish when the worker is told to stop. */
const SHUTDOWN_GRACE_MS = 20_000;
const SHUTDOWN_FORCE_MS = 60_000;
/** Cancellation, progress and checkpoints all travel with heartbeats: the default minute is too long. */
const HEARTBEAT_THROTTLE_MS = 2_000;

export interface WorkerOptions {
  /** Ends the worker: it stops taking work, gives activities their grace, then cancels them. */
  readonly signal: AbortSignal;
  readonly onReady?: () => void;
  /** It ends with one command: schedules are not its to make, nor is anybody there to read its log. */
  readonly embedded?: boolean;
  /** Takes the lines of the log, JSON each, instead of standard output. */
  readonly log?: ((line: string) => void) | undefined;
}

/** Runs until the signal fires. @throws TEMPORAL_UNREACHABLE */
export async function runWorker(config: Config, options: WorkerOptions): Promise<void> {
  if (options.log !== undefined) redirectLog(options.log);
  installRuntime();
  const { connection, namespace } = await connectWorker();
  const connected = await connectClient();
  try {
    await registerSearchAttributes(connected.client, namespace);
    await asOnlyWorker(config, () =>
      serve(config, options, connection, connected.client, namespace),
    );
  } finally {
    await connected.close();
    await connection.close();
  }
}

async function serve(
  config: Config,
  options: WorkerOptions,
  connection: NativeConnection,
  client: Client,
  namespace: string,
): Promise<void> {
  const engine = connectEngine();
  const runLog = new RunLog(config.log?.file);
  const metrics = await workerMetrics(config);
  const live = new LiveConfig(config, configVersions);
  const dependencies = { config, live, engine, runLog, client, metrics: metrics.metrics };
  const common = {
    connection,
    namespace,
    identity: `${config.hostId}/${os.hostname()}/${process.pid}`,
    shutdownGraceTime: SHUTDOWN_GRACE_MS,
    shutdownForceTime: SHUTDOWN_FORCE_MS,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
  };
  const queue = stackQueue(config.stack);
  const hostActivities = hostActivitiesByConfig(dependencies);
  const workers = await Promise.all([
    Worker.create({
      ...common,
      taskQueue: queue,
      workflowBundle: workflowBundle(),
      activities: createStackActivities(dependencies),
    }),
    Worker.create({
      ...common,
      taskQueue: heavyQueue(queue, config.hostId),
      activities: hostActivities,
      maxConcurrentActivityTaskExecutions: HEAVY_SLOTS,
    }),
    Worker.create({
      ...common,
      taskQueue: drillQueue(queue, config.hostId),
      activities: hostActivities,
      maxConcurrentActivityTaskExecutions: HEAVY_SLOTS,
    }),
    Worker.create({
      ...common,
      taskQueue: lightQueue(queue, config.hostId),
      activities: hostActivities,
      maxConcurrentActivityTaskExecutions: LIGHT_SLOTS,
    }),
  ]);
  // What an earlier worker stopped and a dead run never started again comes back first.
  await recoverHost(dependencies);
  const stop = (): void => {
    for (const worker of workers) {
      if (worker.getState() === 'RUNNING') worker.shutdown();
    }
  };
  options.signal.addEventListener('abort', stop, { once: true });
  const running = Promise.all(workers.map((worker) => worker.run().finally(stop)));
  options.onReady?.();
  if (options.signal.aborted) stop();
  const ended = new AbortController();
  if (options.embedded !== true) {
    void followConfig(live, client, { signal: ended.signal, log: structuredLog() });
  }
  try {
    await running;
  } finally {
    ended.abort();
    await metrics.close();
  }
}

/**
 * Prometheus metrics on loopback, where `HOLDFAST_METRICS_PORT` names a port. What the sets on disk
 * tell is there from the start: a worker that was restarted must not look like one that never ran.
 */
async function workerMetrics(
  config: Config,
): Promise<{ metrics: Metrics; close: () => Promise<void> }> {
  const metrics = new Metrics();
  const port = process.env['HOLDFAST_METRICS_PORT'];
  if (port === undefined || port === '') return { metrics, close: () => Promise.resolve() };
  try {
    const { sets, knowledge } = await readStoreKnowledge(config.backups.root, config.stack);
    for (const tier of tierSchema.options) {
      const facts = { sets, unsound: knowledge.unsound, now: new Date() };
      const [newest] = goodSets(facts, tier);
      if (newest !== undefined) metrics.recordNewestSet(observationOf(newest));
    }
  } catch (error) {
    // A store that can't be read is for the check to tell; it must not keep the worker from running.
    structuredLog().warn({ reason: messageOf(error) }, 'the sets on disk could not be read');
  }
  const server = await serveMetrics(metrics, Number(port));
  return { metrics, close: () => server.close() };
}

/** The bundle made at build time; `HOLDFAST_WORKFLOW_BUNDLE` lets tests bring their own. */
export function workflowBundle(): WorkflowBundleOption {
  const told = process.env['HOLDFAST_WORKFLOW_BUNDLE'];
  if (told !== undefined && told !== '') return { codePath: told };
  // dist/src/temporal/worker.js → dist/workflow-bundle.js; from the sources: the built one.
  for (const relative of ['../../workflow-bundle.js', '../../dist/workflow-bundle.js']) {
    const codePath = fileURLToPath(new URL(relative, import.meta.url));
    if (existsSync(codePath)) return { codePath };
  }
  throw new Error('the workflow bundle is missing; run `npm run build`');
}

let installed = false;

/** Temporal's native core logs through our structured log; once per process. */
function installRuntime(): void {
  if (installed) return;
  installed = true;
  const log = structuredLog();
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('WARN', (entry: LogEntry) => {
      // Activity workers have none, on purpose.
      if (entry.message.startsWith('No workflows registered')) return;
      const fields = { ...entry.meta, component: 'temporal' };
      if (entry.level === 'ERROR') log.error(fields, entry.message);
      else log.warn(fields, entry.message);
    }),
    telemetryOptions: { logging: { forward: {}, filter: { core: 'ERROR', other: 'ERROR' } } },
  });
}
