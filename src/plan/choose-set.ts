/** Which set a restore starts from. Pure. */
import { HoldfastError } from '../errors.js';
import type { SetFile } from '../store/manifest.js';
import { newestFirst, setName as nameOf } from './set-order.js';

export interface ChosenSet {
  readonly set: SetFile;
  /** What to know before agreeing to it. */
  readonly warnings: readonly string[];
}

function holds(set: SetFile, services: readonly string[] | undefined): boolean {
  if (services === undefined) return set.scope === 'all';
  return services.every((name) => set.artifacts.some((artifact) => artifact.service === name));
}

function notFound(message: string, sets: readonly SetFile[], wanted: string): HoldfastError {
  const ids = newestFirst(sets).map(nameOf);
  // A mistyped id usually has its beginning right: the sets that share most of it come first.
  const shared = (id: string): number => {
    let length = 0;
    while (length < wanted.length && id[length] === wanted[length]) length += 1;
    return length;
  };
  const near = [...ids].sort((left, right) => shared(right) - shared(left)).slice(0, 5);
  const hint =
    near.length === 0
      ? 'There are no sets in the catalogue.'
      : `${near.length < ids.length ? 'Near ones' : 'There are'}: ${near.join(', ')}.`;
  return new HoldfastError('SET_NOT_FOUND', message, { hint, facts: { wanted, near } });
}

function chooseLatest(sets: readonly SetFile[], services: readonly string[] | undefined) {
  const able = newestFirst(sets).filter((set) => holds(set, services));
  const usable = able.filter((set) => set.status !== 'failed');
  const [set] = usable;
  if (set === undefined) {
    const what =
      services === undefined ? 'of the whole stack' : `that holds ${services.join(', ')}`;
    const failed = able.length > 0 ? '; failed ones can be chosen by their id' : '';
    throw notFound(`there is no good set ${what}${failed}`, sets, 'latest');
  }
  const warnings: string[] = [];
  if (set.status === 'degraded') warnings.push(`the newest set, ${nameOf(set)}, is degraded`);
  const newerFailed = newestFirst(sets).filter(
    (other) =>
      other.status === 'failed' &&
      other.id !== set.id &&
      Date.parse(other.startedAt) > Date.parse(set.startedAt) &&
      concerns(other, services),
  );
  if (newerFailed.length > 0) {
    const names = newerFailed.map(nameOf).join(', ');
    warnings.push(`newer than ${nameOf(set)}, but failed: ${names}`);
  }
  return { set, warnings };
}

/** Was it a run that should have held the services? A failed one may hold none of them. */
function concerns(set: SetFile, services: readonly string[] | undefined): boolean {
  const { scope } = set;
  if (scope === 'all') return true;
  return services?.every((name) => scope.includes(name)) ?? false;
}

/**
 * Chooses the set for `wanted`: `latest`, an id (`20241212_010000`) or an id with its tier
 * (`20241212_010000-weekly`). `latest` is the newest set, success or degraded, that holds all of
 * `services`; without services, the newest of the whole stack: a backup of one service by hand is
 * not what "the latest" means then. An exact id is taken whatever its status; planRestore warns.
 *
 * @throws SET_NOT_FOUND with the nearest ids as hint.
 */
export function chooseSet(
  sets: readonly SetFile[],
  wanted: string,
  services?: readonly string[],
): ChosenSet {
  if (wanted === 'latest') return chooseLatest(sets, services);
  const matching = newestFirst(sets).filter((set) => set.id === wanted || nameOf(set) === wanted);
  const [first] = matching;
  if (first === undefined) throw notFound(`there is no set ${wanted}`, sets, wanted);
  const able = matching.find((set) => services === undefined || holds(set, services));
  // With what it lacks, planRestore names the services it does not hold.
  return { set: able ?? first, warnings: [] };
}
