/** The real outside world. Everything heavy is loaded when it is first needed. */
import { findConfigFile, loadConfig, loadConfigFile } from '../../config/load.js';
import type { Config } from '../../format/config/schema.js';
import { HoldfastError, messageOf } from '../../base/errors.js';
import type { ServerFacts } from '../../observe/server-facts.js';
import { serviceWorkflowId, stackQueue } from '../../plan/shared/ids.js';
import type { RunIdentity } from '../../format/run-identity.js';
import { probeAddress } from './probe-address.js';
import type { HostFinding, Ports, RunGateway, ScheduleGateway } from './ports.js';
import { mergeSnapshots, servicesAtWork } from '../progress/merge.js';

/** Ids hold the second a run was asked for in; more of one kind than this are a loop. */
const MOST_IN_ONE_SECOND = 100;

export const realPorts: Ports = {
  findConfigFile: (explicit) => findConfigFile(explicit),
  loadConfig,
  configJsonSchema: async () => {
    const { configJsonSchema } = await import('../../format/config/json-schema.js');
    return configJsonSchema();
  },
  readCatalogue: async (root) => {
    const { readCatalogue } = await import('../../store/catalogue/catalogue.js');
    const { sets, unreadable } = await readCatalogue(root);
    return { sets, unreadable };
  },
  hostProbe: lookAtHost,
  testNotifications: async (config, what) => {
    const { testChannels } = await import('../../notify/test-channels.js');
    return testChannels(config, what);
  },
  connectRuns,
  askServer,
  connectSchedules,
  temporalAddress: async () => {
    const { temporalEndpoint } = await import('../../temporal/connect.js');
    return temporalEndpoint().address;
  },
  probeTemporal: async () => {
    const { probeTemporal } = await import('../../temporal/connect.js');
    return probeTemporal();
  },
  planRestore: async (config, input) => {
    const { planRestoreHere } = await import('../../temporal/plan-here.js');
    return planRestoreHere(config, input);
  },
  planUndo: async (config, restore) => {
    const { planUndoHere } = await import('../../temporal/plan-here.js');
    return planUndoHere(config, restore);
  },
  runWorker: async (config, options) => {
    const { runWorker } = await import('../../temporal/worker.js');
    await runWorker(config, options);
  },
  pastRestores: async (config) => {
    const { pastRestoresOf } = await import('../../temporal/host-care.js');
    return pastRestoresOf(config);
  },
  markDiscarded: async (config, restoreIds) => {
    const { markDiscardedOf } = await import('../../temporal/host-care.js');
    await markDiscardedOf(config, restoreIds);
  },
  discardRestore: async (config, restoreId) => {
    const { discardRestoreOf } = await import('../../temporal/host-care.js');
    await discardRestoreOf(config, restoreId);
  },
  workerRuns: async (config) => {
    const { workerRuns } = await import('../../temporal/worker-lock.js');
    return workerRuns(config);
  },
  recover: async (config, options) => {
    const { recoverNow } = await import('../../temporal/host-care.js');
    return recoverNow(config, options);
  },
  startDevServer: async (options) => {
    const { startDevServer } = await import('../../temporal/dev-server.js');
    return startDevServer(options);
  },
};

async function lookAtHost(config: Config, signal: AbortSignal): Promise<readonly HostFinding[]> {
  const [{ surveyStack }, { connectEngine }, { formatPath }] = await Promise.all([
    import('../../../activities/survey/stack-survey.js'),
    import('../../docker/engine/engine.js'),
    import('../../config/check/problems.js'),
  ]);
  const engine = connectEngine();
  await engine.ping();
  const { locate } = await loadConfigFile(config.file);
  const { findings } = await surveyStack(config, engine, signal);
  return findings
    .map(({ path, ...finding }) => ({ ...finding, path: formatPath(path), at: locate(path) }))
    .sort((left, right) => left.at.line - right.at.line)
    .map(({ severity, code, path, at, message, fix }) => ({
      severity,
      code,
      where: path === '' ? config.file : `${config.file}:${at.line}:${at.column} ${path}`,
      message,
      ...(fix === '' ? {} : { hint: fix }),
    }));
}

async function connectRuns(): Promise<RunGateway> {
  const [
    { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError },
    connection,
    { runSnapshot, runResult },
    { approveRun, waitingRuns },
    { pollersOf },
  ] = await Promise.all([
    import('@temporalio/client'),
    import('../../temporal/connect.js'),
    import('../../temporal/run-status.js'),
    import('../../temporal/approval.js'),
    import('../../temporal/pollers.js'),
  ]);
  await refuseAtOnce(connection.temporalEndpoint().address);
  const { client, address, namespace, close } = await connection.connectClient();
  return {
    address,
    namespace,
    start: async ({ type, workflowId: wanted, input, summary }) => {
      let workflowId = wanted;
      for (let number = 2; ; number += 1) {
        try {
          await client.workflow.start(type, {
            workflowId,
            taskQueue: stackQueue(input.stack),
            args: [input],
            staticSummary: summary,
            // Of two runs of one id the first could not be asked for its result any more.
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
          });
          return workflowId;
        } catch (error) {
          if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
          if (number > MOST_IN_ONE_SECOND) {
            throw new HoldfastError('PERMIT_HELD', `${wanted} was started too often this second`, {
              hint: 'try again in a moment',
              facts: { workflowId: wanted },
              cause: error,
            });
          }
          workflowId = `${wanted}-${number}`;
        }
      }
    },
    pollers: (stack, host) => pollersOf(client, stack, host),
    snapshot: async (workflowId) => {
      const parent = await runSnapshot(client, workflowId);
      const children = await Promise.all(
        servicesAtWork(parent).map((service) =>
          runSnapshot(client, serviceWorkflowId(workflowId, service)).catch((error: unknown) => {
            // Its turn has not come yet.
            if (error instanceof WorkflowNotFoundError) return undefined;
            throw error;
          }),
        ),
      );
      return mergeSnapshots(
        parent,
        children.filter((child) => child !== undefined),
      );
    },
    result: (workflowId) => runResult(client, workflowId),
    cancel: async (workflowId) => {
      await client.workflow.getHandle(workflowId).cancel();
    },
    waiting: (stack) => waitingRuns(client, stack),
    approve: (workflowId, by) => approveRun(client, workflowId, by),
    close,
  };
}

async function connectSchedules(): Promise<ScheduleGateway> {
  const [connection, { applySchedules }, status] = await Promise.all([
    import('../../temporal/connect.js'),
    import('../../temporal/schedules/schedules.js'),
    import('../../temporal/schedules/schedule-status.js'),
  ]);
  await refuseAtOnce(connection.temporalEndpoint().address);
  const { client, close } = await connection.connectClient();
  return {
    apply: (config, options) => applySchedules(client, config, options),
    list: (config) => status.scheduleViews(client, config),
    pause: (stack, name, note) => status.pauseSchedules(client, stack, name, note),
    resume: (stack, name) => status.resumeSchedules(client, stack, name),
    trigger: (stack, name) => status.triggerSchedule(client, stack, name),
    close,
  };
}

async function askServer(stack: string, runs: readonly RunIdentity[]): Promise<ServerFacts> {
  const [connection, { noServerFacts, readServerFacts }] = await Promise.all([
    import('../../temporal/connect.js'),
    import('../../observe/server-facts.js'),
  ]);
  try {
    await refuseAtOnce(connection.temporalEndpoint().address);
    const { client, close } = await connection.connectClient();
    try {
      return await readServerFacts(client, stack, runs);
    } finally {
      await close();
    }
  } catch (error) {
    return noServerFacts(messageOf(error));
  }
}

/** The client waits for its whole deadline also where nobody listens; a person need not. */
async function refuseAtOnce(address: string): Promise<void> {
  if ((await probeAddress(address)) !== 'refused') return;
  throw new HoldfastError('TEMPORAL_UNREACHABLE', `no Temporal server answers at ${address}`, {
    hint: 'start it with `holdfast up`, or set TEMPORAL_ADDRESS (or TEMPORAL_PROFILE) to yours',
    facts: { address },
  });
}
