/** What taking a finished restore back will do, as data. Pure. */
import { HoldfastError } from '../errors.js';
import { dependentsOf, stagesOf, stopOrder } from './order.js';
import { serviceOrder, type StackView } from './stack-view.js';

/** A restore as its record on disk tells it. */
export interface PastRestore {
  readonly restoreId: string;
  readonly setId: string;
  readonly startedAt: string;
  readonly state: 'running' | 'finished' | 'rolled-back' | 'undoing' | 'undone' | 'discarded';
  /** What it replaced and could be put back, `service/source`, with where the old state lies. */
  readonly replaced: readonly ReplacedSource[];
}

export interface ReplacedSource {
  readonly service: string;
  readonly source: string;
  /** What it was: a directory, a volume, a server's databases. */
  readonly target: string;
  /** Where the old state is; absent where there was nothing before. */
  readonly aside?: string;
}

export interface UndoPlan {
  readonly restoreId: string;
  readonly setId: string;
  readonly stopOrder: readonly string[];
  /** In this order services are put back; the first ones come after all others. */
  readonly putBack: readonly string[];
  /** Services that are started again, stage by stage. */
  readonly stages: readonly (readonly string[])[];
  readonly replaced: readonly ReplacedSource[];
}

/**
 * The restore that is meant by an id or `latest`.
 * @throws HoldfastError SET_NOT_FOUND when there is none like it, RESTORE_FAILED when it can't be
 *   undone: it was not finished, is undone already, or a later one has replaced the same things
 */
export function chooseUndo(restores: readonly PastRestore[], wanted: string): PastRestore {
  const able = restores.filter(({ state }) => state === 'finished' || state === 'undoing');
  const newest = [...able].sort((left, right) => (left.startedAt < right.startedAt ? 1 : -1));
  const chosen =
    wanted === 'latest' ? newest[0] : restores.find(({ restoreId }) => restoreId === wanted);
  if (chosen === undefined) {
    throw new HoldfastError(
      'SET_NOT_FOUND',
      wanted === 'latest' ? 'there is no restore to undo' : `there is no restore ${wanted}`,
      {
        hint:
          newest.length === 0
            ? 'safety copies are kept until they are undone, discarded or too old'
            : `These can be undone: ${newest.map(({ restoreId }) => restoreId).join(', ')}.`,
        facts: { wanted },
      },
    );
  }
  const refusal = whyNot(chosen);
  if (refusal !== undefined) {
    throw new HoldfastError('RESTORE_FAILED', `restore ${chosen.restoreId} ${refusal}`, {
      facts: { restoreId: chosen.restoreId, state: chosen.state },
      hint: '`holdfast restores` lists them',
    });
  }
  const later = newest.filter(
    (other) =>
      other.startedAt > chosen.startedAt &&
      other.replaced.some((theirs) => chosen.replaced.some((ours) => overlaps(theirs, ours))),
  );
  const [last] = later;
  if (last !== undefined) {
    throw new HoldfastError(
      'RESTORE_FAILED',
      `restore ${last.restoreId} has replaced the same things since`,
      {
        hint: `undo ${last.restoreId} first`,
        facts: { restoreId: chosen.restoreId, later: later.map(({ restoreId }) => restoreId) },
      },
    );
  }
  return chosen;
}

/** The same source, the same place, or one directory within the other. */
function overlaps(left: ReplacedSource, right: ReplacedSource): boolean {
  if (left.service === right.service && left.source === right.source) return true;
  const within = (inner: string, outer: string): boolean =>
    outer.startsWith('/') && (inner === outer || inner.startsWith(`${outer}/`));
  return (
    left.target === right.target ||
    within(left.target, right.target) ||
    within(right.target, left.target)
  );
}

function whyNot({ state, replaced }: PastRestore): string | undefined {
  switch (state) {
    case 'running':
      return 'is not finished: cancel it, and it is taken back';
    case 'rolled-back':
      return 'failed and was taken back: there is nothing to undo';
    case 'undone':
      return 'is undone already';
    case 'discarded':
      return 'can’t be undone: its safety copies were discarded';
    case 'finished':
    case 'undoing':
      return replaced.length === 0 ? 'replaced nothing' : undefined;
  }
}

/** Order of the work: dependents first when stopping and putting back, the other way when starting. */
export function planUndo(stack: StackView, { restoreId, setId, replaced }: PastRestore): UndoPlan {
  const order = serviceOrder(stack);
  const known = new Map(stack.services.map((service) => [service.name, service]));
  const named = [...new Set(replaced.map(({ service }) => service))];
  const unknown = named.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new HoldfastError(
      'UNKNOWN_SERVICE',
      `restore ${restoreId} is of services that are no longer configured: ${unknown.join(', ')}`,
      { hint: 'put them back into the configuration', facts: { unknown } },
    );
  }
  const runs = (name: string): boolean => known.get(name)?.hasContainers ?? false;
  const involved = [...named, ...dependentsOf(order, named).filter(runs)];
  const stages = stagesOf(order, involved);
  return {
    restoreId,
    setId,
    stopOrder: stopOrder(order, involved.filter(runs)),
    putBack: stages.flat().reverse(),
    stages: stages.map((stage) => stage.filter(runs)).filter((stage) => stage.length > 0),
    replaced,
  };
}
