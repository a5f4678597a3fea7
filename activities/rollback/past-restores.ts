/** The restores whose records are on disk: what they replaced, where the old state lies, its size. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { findAside, discardAside } from '../../src/docker/volumes/aside.js';
import { readableMountpoint } from '../../src/docker/volumes/volumes.js';
import { dropAsideDatabase } from '../../src/postgres/replace/replace-database.js';
import { HoldfastError, isHoldfastError, messageOf, systemCodeOf } from '../../src/base/errors.js';
import { isDrillId } from '../../src/format/drill-names.js';
import type { PastRestore, ReplacedSource } from '../../src/plan/rollback/undo-plan.js';
import type { RestoreStep } from '../../src/store/records/restore-shapes.js';
import {
  readAllSteps,
  readRestoreRecord,
  readRestores,
  readStepFiles,
  restoreDirectory,
  writeRestoreRecord,
  writeStep,
} from '../../src/store/records/restore-record.js';
import { diskUsage } from '../../src/base/files/disk-usage.js';
import { pathExists, removeTree } from '../../src/base/files/durable.js';
import { routeInto } from '../restore/database-server.js';
import { postgresSource } from '../shared/postgres-source.js';
import { forRestore, withRestoreRecord } from '../restore/restore-context.js';
import type { ActivityDependencies } from '../shared/runtime.js';

type Context = Pick<ActivityDependencies, 'config' | 'engine' | 'runLog'>;

/**
 * Oldest first, with those whose record can't be read. Drills are not among them: they replaced
 * nothing.
 */
export async function pastRestores(root: string): Promise<PastRestore[]> {
  const { records, unreadable } = await readRestores(root);
  const found: PastRestore[] = [];
  for (const record of records) {
    if (record.purpose === 'drill') continue;
    const { restoreId, setId, startedAt, state, superseded } = record;
    const { steps, unreadable: lost } = await readStepFiles(root, restoreId);
    const open = steps.filter(({ step }) => step.state !== 'undone');
    // Whatever a step says whose file can't be read: it is not put back and not discarded yet.
    const unknown = lost.map(({ service, source, file }) => ({ service, source, target: file }));
    const replaced = [...open.map(({ step }) => replacedOf(step)), ...unknown];
    found.push({
      restoreId,
      setId,
      startedAt,
      state: state === 'discarded' && replaced.length > 0 ? 'discarding' : state,
      replaced,
      touched: [...steps.map(({ step }) => replacedOf(step)), ...unknown],
      ...(lost.length === 0 ? {} : { unreadable: lost.map(describeUnreadable) }),
      ...(superseded === undefined
        ? {}
        : { supersededBy: superseded.by, supersededAt: superseded.at }),
    });
  }
  for (const lost of unreadable) {
    if (isDrillId(lost.restoreId)) continue;
    const { steps, unreadable: lostSteps } = await readStepFiles(root, lost.restoreId);
    const unknown = lostSteps.map(({ service, source, file }) => ({
      ...{ service, source, target: file },
    }));
    const touched = [...steps.map(({ step }) => replacedOf(step)), ...unknown];
    found.push({
      restoreId: lost.restoreId,
      setId: lost.setId ?? 'unknown',
      startedAt: lost.startedAt ?? (await lastStepAt(root, lost.restoreId)),
      state: 'unreadable',
      ...(lost.state === undefined ? {} : { legibleState: lost.state }),
      replaced: touched,
      touched,
      unreadable: [lost, ...lostSteps].map(describeUnreadable),
    });
  }
  return found.sort((left, right) => (left.restoreId < right.restoreId ? -1 : 1));
}

export function describeUnreadable({ file, reason }: { file: string; reason: string }): string {
  return `${file} can't be read: ${reason}`;
}

/**
 * When a restore last wrote a step, by the disk: what it has replaced it had replaced by then. Its id
 * does not tell, since a run may have waited for hours. One of which nothing is known may be the latest.
 */
async function lastStepAt(root: string, restoreId: string): Promise<string> {
  try {
    const { mtime } = await stat(path.join(restoreDirectory(root, restoreId), 'steps'));
    return mtime.toISOString();
  } catch {
    return '9999-12-31T00:00:00.000Z';
  }
}

function replacedOf({ service, source, undo }: RestoreStep): ReplacedSource {
  switch (undo.kind) {
    case 'tree':
      return {
        service,
        source,
        target: undo.base,
        ...(undo.existed ? { aside: undo.aside } : {}),
      };
    case 'volume':
      return {
        service,
        source,
        target: `volume ${undo.volume}`,
        ...(undo.existed ? { aside: `volume ${undo.volume}, aside` } : {}),
      };
    case 'databases':
      return {
        service,
        source,
        target: undo.databases
          .map(({ database }) => `database ${database} in ${undo.container}`)
          .join(', '),
        ...(undo.databases.some(({ existed }) => existed)
          ? { aside: undo.databases.map(({ aside }) => aside).join(', ') }
          : {}),
      };
  }
}

/** Bytes the safety copies of a restore take; undefined where a part of it can't be seen. */
export async function safetyCopyBytes(
  { config, engine }: Pick<Context, 'config' | 'engine'>,
  restoreId: string,
): Promise<number | undefined> {
  let total = 0;
  for (const step of await readAllSteps(config.backups.root, restoreId)) {
    if (step.state === 'undone') continue;
    const place = await placeOf(engine, restoreId, step).catch(() => undefined);
    if (place === undefined) return undefined;
    if (place !== null && (await pathExists(place))) total += await diskUsage(place);
  }
  return total;
}

/** Where a step's old state lies; null where there was none, undefined where it can't be seen. */
async function placeOf(
  engine: Context['engine'],
  restoreId: string,
  { undo }: RestoreStep,
): Promise<string | null | undefined> {
  switch (undo.kind) {
    case 'tree':
      return undo.existed ? undo.aside : null;
    case 'volume': {
      const aside = await findAside(engine, undo.volume, restoreId);
      return aside === undefined ? null : readableMountpoint(engine, aside.name);
    }
    case 'databases':
      return undefined;
  }
}

/**
 * Says of restores that their safety copies are to go, before any of them does: what is left of half
 * a copy must not be put back, and whoever comes next goes on with what a kill has left.
 * @throws HoldfastError SET_NOT_FOUND; RESTORE_FAILED for a restore that is not finished;
 *   MANIFEST_INVALID for one whose record can't be read
 */
export async function markDiscarded(
  { config }: Pick<Context, 'config'>,
  restoreIds: readonly string[],
): Promise<void> {
  const { root } = config.backups;
  for (const restoreId of restoreIds) {
    await withRestoreRecord(root, restoreId, async (record) => {
      switch (record.state) {
        case 'running':
        case 'undoing':
          throw new HoldfastError('RESTORE_FAILED', `restore ${restoreId} is not finished`, {
            hint: 'its old state is needed to take it back; `holdfast recover` does that when its run is dead',
            facts: { restoreId, state: record.state },
          });
        case 'finished':
          // A step that can't be read may be all that names a safety copy.
          await readAllSteps(root, restoreId);
          await writeRestoreRecord(root, { ...record, state: 'discarded' });
          return;
        case 'rolled-back':
        case 'undone':
        case 'discarded':
          return;
      }
    });
  }
}

/**
 * Throws the safety copies of a finished restore away: it can't be undone after that. Repeatable: it
 * goes on with what is left. What can't be removed does not keep the others.
 * @throws HoldfastError as {@link markDiscarded}; what can't be removed
 */
export async function discardRestore(context: Context, restoreId: string): Promise<void> {
  const { root } = context.config.backups;
  await markDiscarded(context, [restoreId]);
  if ((await readRestoreRecord(root, restoreId))?.state !== 'discarded') return;
  const named = await forRestore(context, restoreId);
  const failures: unknown[] = [];
  let discarded = 0;
  for (const step of await readAllSteps(root, restoreId)) {
    if (step.state === 'undone') continue;
    try {
      await discardStep(named, restoreId, step);
      await writeStep(root, restoreId, { ...step, state: 'undone' });
      discarded += 1;
    } catch (error) {
      failures.push(error);
    }
  }
  const [only, ...others] = failures;
  if (only !== undefined && others.length === 0) throw asHoldfastError(restoreId, only);
  if (only !== undefined) {
    const reasons = failures.map(messageOf);
    throw new HoldfastError('RESTORE_FAILED', reasons.join('; '), {
      facts: { restoreId, reasons },
      hint: 'what is left is tried again by the next `holdfast discard` and by every run',
    });
  }
  if (discarded > 0) {
    await context.runLog.write(`Discarded the safety copies of restore ${restoreId}`);
  }
}

/** What the system or a library says gets a code of ours: it is no bug that a disk is read-only. */
function asHoldfastError(restoreId: string, error: unknown): unknown {
  if (isHoldfastError(error) || systemCodeOf(error) === undefined) return error;
  return new HoldfastError(
    'RESTORE_FAILED',
    `a safety copy of restore ${restoreId} can't be removed: ${messageOf(error)}`,
    {
      facts: { restoreId, errno: systemCodeOf(error) ?? null },
      hint: 'what is left is tried again by the next `holdfast discard` and by every run',
      cause: error,
    },
  );
}

async function discardStep(context: Context, restoreId: string, step: RestoreStep): Promise<void> {
  const { undo } = step;
  switch (undo.kind) {
    case 'tree':
      // The name says what it is: a record that was tampered with must not name anything else.
      if (!undo.aside.includes(`.holdfast-aside-${restoreId}`)) {
        throw new HoldfastError('STORE_UNSAFE', `${undo.aside} is not a safety copy`, {
          facts: { path: undo.aside },
        });
      }
      await removeTree(undo.aside, { ours: true });
      return;
    case 'volume':
      await discardAside(context.engine, undo.volume, restoreId);
      return;
    case 'databases': {
      const source = postgresSource(context, step);
      const { signal } = new AbortController();
      const { pg, login } = await routeInto(context.engine, source, signal);
      for (const { aside } of undo.databases) await dropAsideDatabase(pg, login, aside, signal);
    }
  }
}

/**
 * Discards what is older than the age limit, and goes on with what was broken off.
 * @returns what could not be done, a sentence each; it is tried again next time
 */
export async function discardOldRestores(context: Context, now: Date): Promise<string[]> {
  const { root } = context.config.backups;
  const { keepSafetyCopies } = context.config.restore;
  const problems: string[] = [];
  for (const { restoreId, state, unreadable = [], ...restore } of await pastRestores(root)) {
    if (state !== 'finished' && state !== 'discarding') continue;
    const since = Date.parse(restore.supersededAt ?? restore.startedAt);
    const isYoung = now.getTime() - since < keepSafetyCopies;
    if (state === 'finished' && isYoung) continue;
    // Told as what can't be read.
    if (unreadable.length > 0) continue;
    await discardRestore(context, restoreId).catch(async (error: unknown) => {
      const sentence = `the safety copies of restore ${restoreId} can't be discarded: ${messageOf(error)}`;
      problems.push(sentence);
      await context.runLog.write(sentence);
    });
  }
  return problems;
}
