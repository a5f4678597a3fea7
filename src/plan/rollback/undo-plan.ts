/** What taking a finished restore back will do, as data. Pure. */
import { HoldfastError } from '../../base/errors.js';
import { dependentsOf, stagesOf, stopOrder } from '../shared/order.js';
import { serviceOrder, type StackView } from '../shared/stack-view.js';

/** A restore as its record on disk tells it. */
export interface PastRestore {
  readonly restoreId: string;
  readonly setId: string;
  readonly startedAt: string;
  readonly state:
    | 'running'
    | 'finished'
    | 'rolled-back'
    | 'undoing'
    | 'undone'
    | 'discarded'
    /** Its safety copies are being thrown away, or that was broken off. */
    | 'discarding'
    /** Its record can't be read: what it was and what it touched is not known for sure. */
    | 'unreadable';
  /** What it replaced and could be put back, `service/source`, with where the old state lies. */
  readonly replaced: readonly ReplacedSource[];
  /** What it ever replaced: also what was put back, or has no safety copy any more. */
  readonly touched?: readonly ReplacedSource[];
  /** Files of its record that can't be read, a sentence each. */
  readonly unreadable?: readonly string[];
  /** Of one whose record can't be read: the state that is still legible in it, if any. */
  readonly legibleState?: string;
  /** Its run died, and what it replaced was left: these later restores had replaced it again. */
  readonly supersededBy?: readonly string[];
  /** When it was left; its safety copies are kept from then on. */
  readonly supersededAt?: string;
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
  const later = laterOver(restores, chosen, chosen.replaced);
  const [last] = later;
  if (last !== undefined) {
    throw new HoldfastError('RESTORE_FAILED', describeLater(last), {
      hint: hintLater(last),
      facts: { restoreId: chosen.restoreId, later: later.map(({ restoreId }) => restoreId) },
    });
  }
  return chosen;
}

/**
 * Restores that came after this one and have, or may have, replaced some of these things since; the
 * newest first. One that was taken back or undone is none of them: what it brought is gone.
 */
export function laterOver(
  restores: readonly PastRestore[],
  { restoreId, startedAt }: Pick<PastRestore, 'restoreId' | 'startedAt'>,
  things: readonly ReplacedSource[],
): PastRestore[] {
  return restores
    .filter(
      (other) =>
        other.restoreId !== restoreId &&
        other.state !== 'rolled-back' &&
        other.state !== 'undone' &&
        (other.startedAt > startedAt ||
          (other.startedAt === startedAt && other.restoreId > restoreId)) &&
        mayTouch(other, things),
    )
    .sort((left, right) => (left.startedAt < right.startedAt ? 1 : -1));
}

/** Where not even its steps can be read, it may have touched anything. */
export function mayTouch(restore: PastRestore, things: readonly ReplacedSource[]): boolean {
  const { touched = restore.replaced } = restore;
  if (restore.state === 'unreadable' && touched.length === 0) return things.length > 0;
  return touched.some((theirs) => things.some((ours) => overlaps(theirs, ours)));
}

function describeLater({ restoreId, state, unreadable = [] }: PastRestore): string {
  switch (state) {
    case 'running':
    case 'undoing':
      return `restore ${restoreId} touched the same things since, and is not finished`;
    case 'unreadable':
      return `restore ${restoreId} may have replaced the same things since: ${unreadable.join('; ')}`;
    default:
      return `restore ${restoreId} has replaced the same things since`;
  }
}

function hintLater({ restoreId, state }: PastRestore): string {
  switch (state) {
    case 'running':
    case 'undoing':
      return '`holdfast recover` takes it back when its run is dead, or says what is in the way';
    case 'unreadable':
      return 'put the file back from a copy of the store, or install the newer version again';
    case 'discarded':
    case 'discarding':
      return 'its safety copies were discarded: what it brought could not be had back';
    default:
      return `undo ${restoreId} first`;
  }
}

/** What is to become of a restore whose run is dead. */
export type RollBackDecision =
  | {
      readonly kind: 'take-back';
      /**
       * What stays as it is, since later restores have replaced it and finished; with it all else of
       * its service, whose containers are theirs by now.
       */
      readonly leave: readonly ReplacedSource[];
      /** Their ids. */
      readonly by: readonly string[];
    }
  | { readonly kind: 'wait'; readonly reason: string };

/**
 * Nothing touches what a later run made good: of an open restore only that is put back which no later
 * restore has replaced and finished. Where a later one is open itself, or its record can't be read,
 * that is not known yet.
 */
export function decideRollBack(
  restores: readonly PastRestore[],
  open: PastRestore,
): RollBackDecision {
  const left = new Set<string>();
  const by = new Set<string>();
  for (const thing of open.replaced) {
    for (const later of laterOver(restores, open, [thing])) {
      switch (later.state) {
        case 'running':
        case 'undoing':
        case 'unreadable':
          return { kind: 'wait', reason: describeLater(later) };
        default:
          by.add(later.restoreId);
          left.add(thing.service);
      }
    }
  }
  const leave = open.replaced.filter(({ service }) => left.has(service));
  return { kind: 'take-back', leave, by: [...by] };
}

/** Restores that are not finished and hold, or half hold, some of these things. */
export function openOver(
  restores: readonly PastRestore[],
  things: readonly ReplacedSource[],
  { byName }: { readonly byName: boolean } = { byName: true },
): PastRestore[] {
  const meets = byName ? overlaps : overlapsInPlace;
  return restores.filter(
    (restore) =>
      (restore.state === 'running' || restore.state === 'undoing') &&
      restore.replaced.some((theirs) => things.some((ours) => meets(theirs, ours))),
  );
}

/** Could a restore whose record can't be read be one that is not finished? */
export function mayBeOpen({ state, legibleState }: PastRestore): boolean {
  if (state !== 'unreadable') return false;
  const closed = ['finished', 'rolled-back', 'undone', 'discarded'];
  return legibleState === undefined || !closed.includes(legibleState);
}

/** The same source, the same place, or one directory within the other. */
export function overlaps(left: ReplacedSource, right: ReplacedSource): boolean {
  if (left.service === right.service && left.source === right.source) return true;
  return overlapsInPlace(left, right);
}

function overlapsInPlace(left: ReplacedSource, right: ReplacedSource): boolean {
  const within = (inner: string, outer: string): boolean =>
    outer.startsWith('/') && (inner === outer || inner.startsWith(`${outer}/`));
  return (
    left.target === right.target ||
    within(left.target, right.target) ||
    within(right.target, left.target)
  );
}

function whyNot({ state, replaced, unreadable = [] }: PastRestore): string | undefined {
  switch (state) {
    case 'running':
      return 'is not finished: cancel it, and it is taken back';
    case 'rolled-back':
      return 'failed and was taken back: there is nothing to undo';
    case 'undone':
      return 'is undone already';
    case 'discarded':
    case 'discarding':
      return 'can’t be undone: its safety copies were discarded';
    case 'unreadable':
      return `can’t be undone: ${unreadable.join('; ')}`;
    case 'finished':
    case 'undoing':
      if (unreadable.length > 0) return `can’t be undone: ${unreadable.join('; ')}`;
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
