/** Restores and undos whose run is over without having closed them: what is to be put back, and what not. */
import { readRecord, recordAndStop } from '../../src/docker/containers/running-record.js';
import { HoldfastError, messageOf } from '../../src/base/errors.js';
import type { Work } from '../../src/base/progress.js';
import { isSameRun, type IsAlive } from '../../src/format/run-identity.js';
import { decideRollBack, type ReplacedSource } from '../../src/plan/rollback/undo-plan.js';
import type { RestoreRecord } from '../../src/store/records/restore-shapes.js';
import {
  isMarkedFinished,
  readAllSteps,
  readRestores,
  readSteps,
  unmarkFinished,
  writeRestoreRecord,
} from '../../src/store/records/restore-record.js';
import { closeRestore, keepStopped, reopenStopped, stoppedBy } from './close-restore.js';
import { containersOf } from '../shared/containers.js';
import { pastRestores } from './past-restores.js';
import { stoppedFile } from '../shared/places.js';
import { forRestore, withRestoreRecord } from '../restore/restore-context.js';
import { serviceOf } from '../shared/runtime.js';
import { discardStaged, rollBackReplaced, type RollBackDependencies } from './take-back.js';

export interface DeadRestores {
  readonly takenBack: readonly string[];
  /** Closed with what later restores had replaced left as it is, a sentence each. */
  readonly superseded: readonly string[];
  /** Those that could not be taken back, with the reason: what they stopped stays stopped. */
  readonly stuck: ReadonlyMap<string, string>;
}

export function isOpenRestore({ state, purpose }: RestoreRecord): boolean {
  // What a dead drill left is torn down, see drill-teardown.ts; there is nothing to put back.
  return purpose !== 'drill' && (state === 'running' || state === 'undoing');
}

/**
 * Takes back restores whose run is over without having closed its record: it was terminated, or its
 * Temporal is gone. Their containers must not be started on half of a restore. The latest first: what
 * it put aside is what the one before it had brought.
 */
export async function rollBackDeadRestores(
  dependencies: RollBackDependencies,
  isAlive: IsAlive,
  work: Work,
): Promise<DeadRestores> {
  const { config, runLog } = dependencies;
  const { root } = config.backups;
  const takenBack: string[] = [];
  const superseded: string[] = [];
  const stuck = new Map<string, string>();
  const { records } = await readRestores(root);
  for (const record of [...records].reverse()) {
    const { restoreId } = record;
    try {
      if (record.state === 'finished' && (await isMarkedFinished(root, restoreId))) {
        await closeRestore(dependencies, restoreId, 'finished');
      }
      if (!isOpenRestore(record) || (await isAlive(record))) continue;
      const done = await takeBack(dependencies, record, work);
      if (done === 'taken-back') takenBack.push(restoreId);
      else if (done !== 'closed') superseded.push(done.sentence);
    } catch (error) {
      work.signal.throwIfAborted();
      stuck.set(restoreId, messageOf(error));
      await runLog.write(`Restore ${restoreId} could not be taken back: ${messageOf(error)}`);
    }
  }
  return { takenBack, superseded, stuck };
}

/** Under the record's lock: an undo that begins meanwhile waits, and finds it closed. */
async function takeBack(
  dependencies: RollBackDependencies,
  found: RestoreRecord,
  work: Work,
): Promise<'taken-back' | 'closed' | { readonly sentence: string }> {
  const { config, runLog } = dependencies;
  const { root } = config.backups;
  const { restoreId } = found;
  return withRestoreRecord(root, restoreId, async (record) => {
    // Somebody was faster, or a new run has taken it over.
    if (!isOpenRestore(record) || !isSameRun(record, found)) return 'closed';
    await readAllSteps(root, restoreId);
    const past = await pastRestores(root);
    const open = past.find((one) => one.restoreId === restoreId);
    const decision =
      open === undefined
        ? { kind: 'take-back' as const, leave: [], by: [] }
        : decideRollBack(past, open);
    if (decision.kind === 'wait') {
      throw new HoldfastError('RESTORE_FAILED', decision.reason, { facts: { restoreId } });
    }
    const { leave, by } = decision;
    await unmarkFinished(root, restoreId);
    if (record.state === 'undoing') await reopenStopped(root, restoreId);
    const undone = await putBack(dependencies, record, leave, work);
    await discardStaged(dependencies, restoreId);
    const undoing = record.state === 'undoing';
    if (leave.length > 0) {
      return { sentence: await closeSuperseded(dependencies, record, leave, by) };
    }
    const state = undoing ? 'undone' : 'rolled-back';
    await writeRestoreRecord(root, { ...record, state });
    await runLog.write(
      `${undoing ? 'The undo of restore' : 'Restore'} ${restoreId} ended without finishing; ` +
        `${undone} steps were taken back`,
    );
    return 'taken-back';
  });
}

/**
 * @param leave all that is left of a service: a service is put back as a whole, or not at all
 * @returns how many steps were taken back
 * @throws HoldfastError MANIFEST_INVALID; UNKNOWN_SERVICE: what is not configured can't be passed over
 */
async function putBack(
  dependencies: RollBackDependencies,
  record: RestoreRecord,
  leave: readonly ReplacedSource[],
  work: Work,
): Promise<number> {
  const { config } = dependencies;
  const { root } = config.backups;
  const { restoreId } = record;
  const isLeft = (service: string): boolean => leave.some((one) => one.service === service);
  const steps = await readAllSteps(root, restoreId);
  const open = steps.filter(({ state, service }) => state !== 'undone' && !isLeft(service));
  for (const service of new Set(open.map((step) => step.service))) serviceOf(config, service);
  // All is back: what it had stopped may run, and must not be stopped for nothing.
  if (open.length === 0) return 0;
  let undone = 0;
  for (const name of Object.keys(config.services).reverse()) {
    // Its containers are those of the later restore.
    if (isLeft(name)) continue;
    const stopped = await readRecord(stoppedFile(root, restoreId, name));
    if (open.every(({ service }) => service !== name) && stopped === undefined) continue;
    if (!(await isServing(root, restoreId, name))) {
      await recordRunning(dependencies, record, name);
    }
    undone += await rollBackReplaced(dependencies, restoreId, name, work);
  }
  return undone;
}

/**
 * Closes an open restore of a dead run as it is, for somebody who can't or does not want to take it
 * back: its safety copies stay, and it can be undone like a finished one.
 * @returns what is true now
 * @throws HoldfastError SET_NOT_FOUND; RESTORE_FAILED for one that is not open, or whose run goes on
 */
export async function leaveRestore(
  dependencies: RollBackDependencies,
  restoreId: string,
  isAlive: IsAlive,
): Promise<string> {
  const { root } = dependencies.config.backups;
  return withRestoreRecord(root, restoreId, async (record) => {
    const alive = isOpenRestore(record) && (await isAlive(record));
    if (!isOpenRestore(record) || alive) {
      throw new HoldfastError(
        'RESTORE_FAILED',
        `restore ${restoreId} ${alive ? 'is still going on' : `is ${record.state}: there is nothing to leave`}`,
        {
          facts: { restoreId, state: record.state },
          hint: alive ? 'cancel its run, and it is taken back' : '`holdfast restores` lists them',
        },
      );
    }
    const open = (await pastRestores(root)).find((one) => one.restoreId === restoreId);
    return closeSuperseded(dependencies, record, open?.replaced ?? [], []);
  });
}

/** What was left keeps its safety copies; what ran before it is kept for an undo. */
async function closeSuperseded(
  dependencies: RollBackDependencies,
  record: RestoreRecord,
  leave: readonly ReplacedSource[],
  by: readonly string[],
): Promise<string> {
  const { root } = dependencies.config.backups;
  const { restoreId } = record;
  const stopped: string[] = [];
  for (const { file, service } of await stoppedBy(dependencies, restoreId)) {
    if (!leave.some((one) => one.service === service)) continue;
    await keepStopped(root, restoreId, service, file);
    stopped.push(service);
  }
  await writeRestoreRecord(root, {
    ...record,
    state: 'finished',
    superseded: { by: [...by], at: new Date().toISOString() },
  });
  const sentence =
    describeLeft(restoreId, leave, by) +
    // A later restore has started its own.
    (by.length > 0 || stopped.length === 0 ? '' : `; left stopped: ${stopped.join(', ')}`);
  await dependencies.runLog.write(sentence);
  return sentence;
}

function describeLeft(
  restoreId: string,
  leave: readonly ReplacedSource[],
  by: readonly string[],
): string {
  const things = leave.map(({ service, source }) => `${service}/${source}`);
  const copies = leave.flatMap(({ aside }) => (aside === undefined ? [] : [aside]));
  const since =
    by.length === 0 ? 'as it was told to be' : `since ${by.join(', ')} replaced it again`;
  return (
    `Restore ${restoreId} ended half way and was not taken back: ${things.join(', ')} stays as it is, ${since}` +
    (copies.length === 0 ? '' : `; what was there before it is kept in ${copies.join(', ')}`)
  );
}

/** Only databases of it were replaced: the server is not stopped for that. */
async function isServing(root: string, restoreId: string, name: string): Promise<boolean> {
  return (await readSteps(root, restoreId, name)).some(({ undo }) => undo.kind === 'databases');
}

/**
 * Stops a service of a restore that is taken back. What ran before it is in its own record, if that is
 * still there, and nothing that runs by now adds to that: the restore started containers that had been
 * stopped before it, too. Without a record of its own (it has stopped nothing), what runs now is noted.
 */
export async function recordRunning(
  dependencies: RollBackDependencies,
  record: RestoreRecord,
  name: string,
): Promise<void> {
  const { config, engine } = await forRestore(dependencies, record.restoreId);
  const service = serviceOf(config, name);
  const recordFile = stoppedFile(config.backups.root, record.restoreId, name);
  const known = (await readRecord(recordFile))?.containers.map((one) => one.name);
  const containers = (await containersOf(engine, name, service)).filter(
    (container) => known === undefined || known.includes(container.name),
  );
  await recordAndStop(engine, {
    recordFile,
    containers: containers.map(({ id }) => id),
    graceMs: service.stopGrace,
    mode: 'stop',
    recordStands: true,
    deadWithEngineRan: true,
    reason: `taking restore ${record.restoreId} back`,
    workflowId: record.workflowId,
    runId: record.runId,
  });
}
