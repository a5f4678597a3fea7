/** Which set a restore starts from. Pure. */
import { HoldfastError } from '../../base/errors.js';
import type { SetArtifact, SetFile } from '../../format/manifest.js';
import type { UnsoundSet } from '../../format/set-knowledge.js';
import { isOfFuture, newestFirst, setName as nameOf } from '../../format/set-order.js';

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

/** What is known of the sets besides their files, for whoever looked. */
export interface ChoiceKnowledge {
  /** By `<id>-<tier>`; sets that are not in it are taken to be there. */
  readonly unsound?: ReadonlyMap<string, UnsoundSet> | undefined;
  /** Which artifacts are to be read; all by default. What is wrong with others does not matter. */
  readonly reads?: ((artifact: SetArtifact) => boolean) | undefined;
  /** The present: without it no set is of the future. */
  readonly now?: Date | undefined;
}

function reasonAgainst(
  set: SetFile,
  services: readonly string[] | undefined,
  { unsound, reads = () => true }: ChoiceKnowledge,
): string | undefined {
  const known = unsound?.get(nameOf(set));
  const isConcerned = set.artifacts.some(
    (artifact) =>
      known?.artifacts.has(artifact.path) === true &&
      (services === undefined || services.includes(artifact.service)) &&
      reads(artifact),
  );
  return isConcerned ? known?.reason : undefined;
}

function chooseLatest(
  sets: readonly SetFile[],
  services: readonly string[] | undefined,
  knowledge: ChoiceKnowledge,
): ChosenSet {
  const { now } = knowledge;
  const able = newestFirst(sets).filter((set) => holds(set, services));
  const good = able.filter((set) => set.status !== 'failed');
  const whole = good.filter((set) => reasonAgainst(set, services, knowledge) === undefined);
  const isFuture = (set: SetFile): boolean => now !== undefined && isOfFuture(set, now);
  const present = whole.filter((set) => !isFuture(set));
  // Where all are of the future it is this host's clock that is behind: a new machine, a dead battery.
  const [set] = present.length > 0 ? present : whole;
  const notThere = good.filter((one) => !whole.includes(one));
  if (set === undefined) {
    const what =
      services === undefined ? 'of the whole stack' : `that holds ${services.join(', ')}`;
    const failed = able.length > good.length ? '; failed ones can be chosen by their id' : '';
    const bad = notThere.map((one) => describeObjection(one, services, knowledge)).slice(0, 3);
    const unsound = bad.length === 0 ? '' : `; ${bad.join('; ')}`;
    throw notFound(`there is no good set ${what}${unsound}${failed}`, sets, 'latest');
  }
  const warnings: string[] = [];
  if (set.status === 'degraded') warnings.push(`the newest set, ${nameOf(set)}, is degraded`);
  if (isFuture(set)) {
    warnings.push(
      `every set is dated after now, ${nameOf(set)} too: is the clock of this host right?`,
    );
  }
  const isNewer = (other: SetFile): boolean =>
    other.id !== set.id && Date.parse(other.startedAt) > Date.parse(set.startedAt);
  const newerFailed = newestFirst(sets).filter(
    (other) => other.status === 'failed' && isNewer(other) && concerns(other, services),
  );
  if (newerFailed.length > 0) {
    const names = newerFailed.map(nameOf).join(', ');
    warnings.push(`newer than ${nameOf(set)}, but failed: ${names}`);
  }
  for (const other of notThere.filter(isNewer)) {
    warnings.push(
      `newer than ${nameOf(set)}, but ${describeObjection(other, services, knowledge)}`,
    );
  }
  const ahead = isFuture(set) ? [] : whole.filter(isFuture);
  if (ahead.length > 0) {
    warnings.push(
      `dated after now, and so not the latest: ${ahead.map(nameOf).join(', ')}; they can be chosen by their id`,
    );
  }
  return { set, warnings };
}

function describeObjection(
  set: SetFile,
  services: readonly string[] | undefined,
  knowledge: ChoiceKnowledge,
): string {
  return `${nameOf(set)} is ${reasonAgainst(set, services, knowledge) ?? 'sound'}`;
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
 * not what "the latest" means then. One that is known to be damaged or not all there, or that is dated
 * after now, is passed over, which is said. An exact id is taken whatever its status; planRestore warns.
 *
 * @throws SET_NOT_FOUND with the nearest ids as hint.
 */
export function chooseSet(
  sets: readonly SetFile[],
  wanted: string,
  services?: readonly string[],
  knowledge: ChoiceKnowledge = {},
): ChosenSet {
  if (wanted === 'latest') return chooseLatest(sets, services, knowledge);
  const matching = newestFirst(sets).filter((set) => set.id === wanted || nameOf(set) === wanted);
  const [first] = matching;
  if (first === undefined) throw notFound(`there is no set ${wanted}`, sets, wanted);
  const able = matching.find((set) => services === undefined || holds(set, services));
  // With what it lacks, planRestore names the services it does not hold.
  const set = able ?? first;
  const against = reasonAgainst(set, services, knowledge);
  return { set, warnings: against === undefined ? [] : [`${nameOf(set)} is ${against}`] };
}
