/** How good sets are, from all that is known of them. Pure. */
import type { SetArtifact, SetFile } from '../../format/manifest.js';
import { type Shrink } from '../backup/anomaly.js';
import { setName } from '../../format/set-order.js';
import type { UnsoundSet, SetKnowledge } from '../../format/set-knowledge.js';

/** An unsound artifact is worth nothing. */
export const WORTH = { success: 3, degraded: 2, failed: 1, unsound: 0 } as const;

/** How good the sets are, from all that is known. */
export class Worths {
  readonly #shrunk: ReadonlySet<string>;

  constructor(
    readonly knowledge: SetKnowledge,
    shrinks: readonly Shrink[],
  ) {
    this.#shrunk = new Set(
      shrinks.map(({ setId, service, source }) => `${setId} ${service}/${source}`),
    );
  }

  unsound(set: SetFile): UnsoundSet | undefined {
    return this.knowledge.unsound?.get(setName(set));
  }

  isPinned(set: SetFile): boolean {
    return this.knowledge.pins?.has(setName(set)) === true;
  }

  /** How good it is as it is now. */
  own(set: SetFile): number {
    return this.unsound(set) === undefined ? WORTH[set.status] : WORTH.unsound;
  }

  /** Does `newer` stand for `set`, as far as it is a matter of how good they are? */
  standsFor(newer: SetFile, set: SetFile): boolean {
    if (this.unsound(newer)?.state === 'unknown') return false;
    if (this.unsound(set)?.state !== 'incomplete') return this.pushing(newer) >= this.own(set);
    const isAlike = this.unsound(newer)?.state === 'incomplete';
    return (isAlike ? WORTH[newer.status] : this.pushing(newer)) >= WORTH[set.status];
  }

  /** What it pushes out: never more than it is worth. */
  pushing(set: SetFile): number {
    const isShrunk = set.artifacts.some((artifact) => this.#isShrunk(set, artifact));
    return isShrunk ? Math.min(this.own(set), WORTH.failed) : this.own(set);
  }

  /** Of one artifact: what else is wrong with its set does not concern it. */
  ofArtifact(set: SetFile, artifact: SetArtifact): number {
    if (this.unsound(set)?.artifacts.has(artifact.path) === true) return WORTH.unsound;
    return this.#isShrunk(set, artifact)
      ? Math.min(WORTH[set.status], WORTH.failed)
      : WORTH[set.status];
  }

  #isShrunk({ id }: SetFile, { service, source }: SetArtifact): boolean {
    return this.#shrunk.has(`${id} ${service}/${source}`);
  }
}

/** Did the run of `set` cover all that the run of `other` covered? */
function coversScope(set: SetFile, other: SetFile): boolean {
  const { scope } = set;
  if (scope === 'all') return true;
  return other.scope !== 'all' && other.scope.every((service) => scope.includes(service));
}

/** Would `newer` do in place of `set`, as far as is known? */
export function standsFor(newer: SetFile, set: SetFile, worths: Worths): boolean {
  return (
    newer.tier === set.tier &&
    !worths.isPinned(newer) &&
    worths.standsFor(newer, set) &&
    coversScope(newer, set)
  );
}
