import { releaseHold } from '../../src/docker/containers/holds.js';
import { listRecords, type FoundRecord } from '../../src/docker/containers/running-record.js';
import { messageOf } from '../../src/base/errors.js';
import { askedOnce, type IsAlive } from '../../src/format/run-identity.js';
import type { PastRestore } from '../../src/plan/rollback/undo-plan.js';
import type { Work } from '../../src/base/progress.js';
import { readRestoreRecord } from '../../src/store/records/restore-record.js';
import { keepStopped } from './close-restore.js';
import { startAgain } from '../restore/service-start.js';
import { isOpenRestore, rollBackDeadRestores } from './dead-restores.js';
import { reapDrills } from '../drill/drill-teardown.js';
import { runLeftHooks } from '../backup/hooks.js';
import { discardOldRestores, pastRestores } from './past-restores.js';
import { stoppedDirectory, stoppedOf, type StoppedOf } from '../shared/places.js';
import { forRestore, withRestoreRecord } from '../restore/restore-context.js';
import type { ActivityDependencies } from '../shared/runtime.js';
import { own } from '../../src/base/own.js';
import { aliveAt } from '../shared/liveness.js';

export type RecoveryDependencies = Pick<ActivityDependencies, 'config' | 'engine' | 'runLog'>;

/** What was found and done, in words. */
export interface RecoveryReport {
  /** Ids of restores (and undos) that were taken back. */
  readonly takenBack: readonly string[];
  /** Names of containers started again. */
  readonly started: readonly string[];
  /** What could not be done, one sentence each: it stays as it is, and is tried again next time. */
  readonly problems: readonly string[];
  /** Dead restores that were closed as they are, since later ones had replaced the same things. */
  readonly superseded: readonly string[];
  /** Restores that are not finished, whether their run goes on or they can't be taken back. */
  readonly open: readonly OpenRestore[];
  /** Restores of whose records something can't be read: what they touched is not known for sure. */
  readonly unreadable: readonly PastRestore[];
  /** Why nothing at all is known of past restores; absent where they could be read. */
  readonly unknown?: string;
}

export interface OpenRestore extends PastRestore {
  /** Why it could not be taken back; absent where its run may go on. */
  readonly reason?: string;
}

/**
 * Takes unfinished restores of dead runs back, starts what records of dead runs still list as
 * stopped, and lets safety copies go that are older than their limit. A run that goes on keeps its
 * records: it starts them itself. What can't be done is reported and keeps nothing else from being
 * done: no record, however damaged, stops a worker or a backup.
 */
export async function bringBackStopped(
  dependencies: RecoveryDependencies,
  ask: IsAlive,
): Promise<RecoveryReport> {
  const isAlive = askedOnce(ask);
  const { config, runLog } = dependencies;
  const { root } = config.backups;
  const work = { signal: new AbortController().signal, report: () => undefined };
  const problems: string[] = [];
  const attempt = async <T>(what: string, action: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await action();
    } catch (error) {
      const sentence = `${what}: ${messageOf(error)}`;
      problems.push(sentence);
      await runLog.write(sentence);
      return undefined;
    }
  };
  const dead = await attempt('the records of restores could not be read', () =>
    rollBackDeadRestores(dependencies, isAlive, work),
  );
  const stuck = dead?.stuck ?? new Map<string, string>();
  problems.push(
    ...[...stuck].map(([id, reason]) => `restore ${id} could not be taken back: ${reason}`),
  );
  // Nothing of the stack depends on what a dead drill left: it must not keep anything from coming back.
  await attempt('what dead drills left is still there', () =>
    reapDrills(dependencies, isAlive, { kept: false }, work),
  );
  const started =
    (await attempt('what dead runs stopped could not be looked at', () =>
      startAllAgain(dependencies, isAlive, attempt, work),
    )) ?? [];
  // Hooks are commands in containers: these run by now.
  problems.push(
    ...((await attempt('hooks that dead runs left could not be run', () =>
      runLeftHooks(dependencies, isAlive, work.signal),
    )) ?? []),
  );
  problems.push(
    ...((await attempt('old safety copies could not be looked at', () =>
      discardOldRestores(dependencies, new Date()),
    )) ?? []),
  );
  const known = await attempt('past restores could not be read', () => pastRestores(root));
  const past = known ?? [];
  const unreadable = past.filter((restore) => (restore.unreadable ?? []).length > 0);
  for (const sentence of unreadable.flatMap((restore) => restore.unreadable ?? [])) {
    await runLog.write(`A restore's record is no good: ${sentence}`);
  }
  const open = past.filter(({ state }) => state === 'running' || state === 'undoing');
  return {
    takenBack: dead?.takenBack ?? [],
    superseded: dead?.superseded ?? [],
    started,
    problems: [...new Set(problems)],
    open: open.map((restore) => {
      const reason = stuck.get(restore.restoreId);
      return { ...restore, ...(reason === undefined ? {} : { reason }) };
    }),
    unreadable,
    ...(known === undefined
      ? { unknown: problems.at(-1) ?? 'past restores could not be read' }
      : {}),
  };
}

type Attempt = <T>(what: string, action: () => Promise<T>) => Promise<T | undefined>;

async function startAllAgain(
  dependencies: RecoveryDependencies,
  isAlive: IsAlive,
  attempt: Attempt,
  work: Work,
): Promise<string[]> {
  const { config, runLog } = dependencies;
  const { root } = config.backups;
  const started: string[] = [];
  const lost: { file: string; error: unknown }[] = [];
  const records = await listRecords(stoppedDirectory(root), (file, error) => {
    lost.push({ file, error });
  });
  for (const { file, error } of lost) {
    await attempt(`what ${file} lists was not started again`, () => Promise.reject(asError(error)));
  }
  for (const { file, record } of records) {
    const of = stoppedOf(file, (name) => own(config.services, name) !== undefined);
    await attempt(`what ${record.workflowId} stopped could not be started`, async () => {
      const names = await startOne(dependencies, { file, record, of }, isAlive, work);
      started.push(...names);
      if (names.length === 0) return;
      await runLog.write(
        `Started again ${names.join(', ')}: stopped by ${record.workflowId}, which is over`,
      );
    });
  }
  return started;
}

/** Nothing of a restore that is open: half new and half old is worse than stopped. */
async function startOne(
  dependencies: RecoveryDependencies,
  { file, record, of }: FoundRecord & { of: StoppedOf },
  isAlive: IsAlive,
  work: Work,
): Promise<readonly string[]> {
  const { root } = dependencies.config.backups;
  const { runId, service, source } = of;
  // A backup's containers are where they were.
  const restore = source === undefined ? await readRestoreRecord(root, runId) : undefined;
  if (restore === undefined) {
    if (await isAlive(record)) return [];
    // What a run that goes on holds still is that one's to start.
    return (await releaseHold(dependencies.engine, file, { isAlive, signal: work.signal })).started;
  }
  // An undo takes over records that a run before it has written; one may begin at this moment.
  return withRestoreRecord(root, runId, async (now) => {
    if (isOpenRestore(now) || (await isAlive(now)) || (await isAlive(record))) return [];
    if (now.state === 'finished' && now.superseded === undefined) {
      // Its run ended while it closed the record: an undo needs to know what ran before.
      await keepStopped(root, runId, service, file);
      return [];
    }
    const named = await forRestore(dependencies, runId);
    // It may have to be made again.
    return (await startAgain(named, file, { restoreId: runId, service }, work)).started;
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** {@link bringBackStopped} for whoever has a connection to the server that knows the runs. */
export function recoverHost(
  dependencies: RecoveryDependencies & Pick<ActivityDependencies, 'client'>,
): Promise<RecoveryReport> {
  return bringBackStopped(dependencies, aliveAt(dependencies.client));
}
