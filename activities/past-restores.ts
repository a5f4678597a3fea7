/** The restores whose records are on disk: what they replaced, where the old state lies, its size. */
import { findAside, discardAside } from '../src/docker/aside.js';
import { readableMountpoint } from '../src/docker/volumes.js';
import { dropAsideDatabase } from '../src/postgres/replace-database.js';
import { HoldfastError, messageOf } from '../src/errors.js';
import type { PastRestore, ReplacedSource } from '../src/plan/undo-plan.js';
import {
  listRestores,
  readAllSteps,
  writeRestoreRecord,
  writeStep,
  type RestoreStep,
} from '../src/store/restore-record.js';
import { diskUsage } from '../src/system/disk-usage.js';
import { pathExists, removeTree } from '../src/system/durable.js';
import { routeInto } from './database-server.js';
import { postgresSource } from './dump.js';
import { forRestore, withRestoreRecord } from './restore-context.js';
import type { ActivityDependencies } from './runtime.js';

type Context = Pick<ActivityDependencies, 'config' | 'engine' | 'runLog'>;

/** Oldest first. */
export async function pastRestores(root: string): Promise<PastRestore[]> {
  const found: PastRestore[] = [];
  for (const record of await listRestores(root)) {
    // A drill replaced nothing.
    if (record.purpose === 'drill') continue;
    const { restoreId, setId, startedAt, state } = record;
    const steps = await readAllSteps(root, restoreId);
    found.push({
      restoreId,
      setId,
      startedAt,
      state,
      replaced: steps.filter((step) => step.state !== 'undone').map(replacedOf),
    });
  }
  return found;
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
 * Throws the safety copies of a finished restore away: it can't be undone after that. Repeatable.
 * @throws HoldfastError SET_NOT_FOUND; RESTORE_FAILED for a restore that is not finished; what can't
 *   be removed
 */
export async function discardRestore(context: Context, restoreId: string): Promise<void> {
  const { root } = context.config.backups;
  await withRestoreRecord(root, restoreId, async (record) => {
    if (record.state === 'running' || record.state === 'undoing') {
      throw new HoldfastError('RESTORE_FAILED', `restore ${restoreId} is not finished`, {
        hint: 'its old state is needed to take it back; `holdfast recover` does that when its run is dead',
        facts: { restoreId, state: record.state },
      });
    }
    // Said before anything goes: what is left of half a copy must not be put back.
    await writeRestoreRecord(root, { ...record, state: 'discarded' });
  });
  const named = await forRestore(context, restoreId);
  for (const step of await readAllSteps(root, restoreId)) {
    if (step.state === 'undone') continue;
    await discardStep(named, restoreId, step);
    await writeStep(root, restoreId, { ...step, state: 'undone' });
  }
  await context.runLog.write(`Discarded the safety copies of restore ${restoreId}`);
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

/** Discards what is older than the age limit. What fails is told, and tried again next time. */
export async function discardOldRestores(context: Context, now: Date): Promise<void> {
  const { keepSafetyCopies } = context.config.restore;
  for (const { restoreId, state, startedAt } of await pastRestores(context.config.backups.root)) {
    if (state !== 'finished') continue;
    if (now.getTime() - Date.parse(startedAt) < keepSafetyCopies) continue;
    await discardRestore(context, restoreId).catch(async (error: unknown) => {
      await context.runLog.write(
        `The safety copies of restore ${restoreId} can't be discarded: ${messageOf(error)}`,
      );
    });
  }
}
