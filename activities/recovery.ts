/** What a dead run left undone: at worker start and before the next run. */
import path from 'node:path';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { releaseHold } from '../src/docker/holds.js';
import { listRecords } from '../src/docker/running-record.js';
import { messageOf } from '../src/errors.js';
import { askedOnce, type IsAlive, type RunIdentity } from '../src/plan/run-identity.js';
import type { Work } from '../src/progress.js';
import { readRestoreRecord } from '../src/store/restore-record.js';
import { startAgain } from './containers.js';
import { runLeftHooks } from './hooks.js';
import { stoppedDirectory } from './places.js';
import { reapDrills } from './drill-teardown.js';
import { forRestore } from './restore-context.js';
import { discardOldRestores } from './past-restores.js';
import type { ActivityDependencies } from './runtime.js';
import { takeBackDeadRestores } from './take-back.js';

export type RecoveryDependencies = Pick<ActivityDependencies, 'config' | 'engine' | 'runLog'>;

/** What was found and done, in words. */
export interface RecoveryReport {
  /** Ids of restores (and undos) that were taken back. */
  readonly takenBack: readonly string[];
  /** Names of containers started again. */
  readonly started: readonly string[];
  /** What could not be done, one sentence each: it stays as it is, and is tried again next time. */
  readonly problems: readonly string[];
}

/**
 * Takes unfinished restores of dead runs back, starts what records of dead runs still list as
 * stopped, and lets safety copies go that are older than their limit. A run that goes on keeps its
 * records: it starts them itself.
 */
export async function bringBackStopped(
  dependencies: RecoveryDependencies,
  ask: IsAlive,
): Promise<RecoveryReport> {
  const isAlive = askedOnce(ask);
  const { config, runLog } = dependencies;
  const { root } = config.backups;
  const work = { signal: new AbortController().signal, report: () => undefined };
  const { takenBack, stuck } = await takeBackDeadRestores(dependencies, isAlive, work);
  const started: string[] = [];
  const problems = [...stuck].map(
    ([id, reason]) => `restore ${id} could not be taken back: ${reason}`,
  );
  // Nothing of the stack depends on what a dead drill left: it must not keep anything from coming back.
  await reapDrills(dependencies, isAlive, { kept: false }, work).catch((error: unknown) => {
    problems.push(`what dead drills left is still there: ${messageOf(error)}`);
  });
  for (const { file, record } of await listRecords(stoppedDirectory(root))) {
    const [runId = ''] = path.basename(file, '.json').split('--');
    // Half new and half old is worse than stopped.
    if (stuck.has(runId) || (await isAlive(record))) continue;
    if (await belongsToOpenRestore(root, runId, isAlive)) continue;
    try {
      const names = await startAgainOf(dependencies, file, isAlive, work);
      started.push(...names);
      if (names.length > 0) {
        await runLog.write(
          `Started again ${names.join(', ')}: stopped by ${record.workflowId}, which is over`,
        );
      }
    } catch (error) {
      const sentence = `what ${record.workflowId} stopped could not be started: ${messageOf(error)}`;
      problems.push(sentence);
      await runLog.write(sentence);
    }
  }
  // Hooks are commands in containers: these run by now.
  problems.push(...(await runLeftHooks(dependencies, isAlive, work.signal)));
  await discardOldRestores(dependencies, new Date());
  return { takenBack, started, problems };
}

/** An undo takes over records that a run before it has written. */
async function belongsToOpenRestore(
  root: string,
  runId: string,
  isAlive: IsAlive,
): Promise<boolean> {
  const restore = await readRestoreRecord(root, runId);
  if (restore === undefined || !['running', 'undoing'].includes(restore.state)) return false;
  return isAlive(restore);
}

/** A restore's containers may have to be made again; a backup's are where they were. */
async function startAgainOf(
  dependencies: RecoveryDependencies,
  file: string,
  isAlive: IsAlive,
  work: Work,
): Promise<readonly string[]> {
  const [runId = '', service = ''] = path.basename(file, '.json').split('--');
  const { root } = dependencies.config.backups;
  if ((await readRestoreRecord(root, runId)) === undefined) {
    // What a run that goes on holds still is that one's to start.
    return (await releaseHold(dependencies.engine, file, { isAlive, signal: work.signal })).started;
  }
  return (await startAgain(await forRestore(dependencies, runId), file, service, work)).started;
}

/** {@link bringBackStopped} for whoever has a connection to the server that knows the runs. */
export function recoverHost(
  dependencies: RecoveryDependencies & Pick<ActivityDependencies, 'client'>,
): Promise<RecoveryReport> {
  return bringBackStopped(dependencies, aliveAt(dependencies.client));
}

/** Asks the server that knows the runs. */
export function aliveAt(client: Client): IsAlive {
  return (run) => workflowRuns(client, run);
}

/** Is the run still there? When the server can't say, it is taken to be: nothing of it is touched. */
export async function workflowRuns(
  client: Client,
  { workflowId, runId }: RunIdentity,
): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflowId, runId).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    return !(error instanceof WorkflowNotFoundError);
  }
}
