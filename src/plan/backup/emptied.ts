/**
 * An empty volume: a state like any other where nobody has written to it yet, an alarm where backups
 * before had content. Pure.
 */
import type { SetArtifact, SetFile } from '../../format/manifest.js';
import type { AcceptedShrink } from '../../format/set-knowledge.js';
import { findShrinks, type AnomalyRule, type Shrink } from './anomaly.js';
import { isOfFuture } from '../../format/set-order.js';

export type Emptiness =
  /** No backup that counts had content. */
  | { readonly state: 'always' }
  /** As retention and the check will see it: nothing is removed until it is accepted. */
  | { readonly state: 'shrunk'; readonly shrink: Shrink }
  /**
   * A backup had content, and the rule for shrinks would not hold its removal: it is switched off, the
   * set with content failed, or what is gone had no bytes beside directories that are still there.
   */
  | { readonly state: 'emptied'; readonly setId: string };

/** What is to become part of a set. */
export interface EmptyArtifact {
  readonly setId: string;
  readonly at: Date;
  readonly artifact: SetArtifact;
}

/**
 * Judges an artifact of nothing by the sets before it (of the stack, in any order).
 * @param known.accepted of the stack: content before the moment of acceptance counts no more
 */
export function judgeEmptiness(
  sets: readonly SetFile[],
  { setId, at, artifact }: EmptyArtifact,
  known: {
    readonly rule: AnomalyRule | undefined;
    readonly accepted: readonly AcceptedShrink[];
    readonly isSound?: (set: SetFile, artifact: SetArtifact) => boolean;
  },
): Emptiness {
  const { service, source, kind } = artifact;
  const isOwn = (one: SetArtifact): boolean =>
    one.service === service && one.source === source && one.kind === kind;
  const earlier = sets
    .filter((set) => set.id !== setId)
    .map((set) => ({ ...set, artifacts: set.artifacts.filter(isOwn) }))
    .filter(({ artifacts }) => artifacts.length > 0);
  const word = known.accepted.find((one) => one.service === service && one.source === source);
  const counts = ({ startedAt }: SetFile): boolean =>
    word === undefined || Date.parse(startedAt) > Date.parse(word.upTo);
  const had = [...earlier]
    .filter(counts)
    .sort((left, right) => Date.parse(right.startedAt) - Date.parse(left.startedAt))
    .find(({ artifacts }) => artifacts.some((one) => hasMore(one, artifact)));
  if (had === undefined && (word === undefined || !hasMore(word, artifact))) {
    return { state: 'always' };
  }
  const like = earlier[0];
  if (known.rule !== undefined && like !== undefined) {
    const startedAt = at.toISOString();
    const next: SetFile = {
      ...like,
      id: setId,
      status: 'success',
      startedAt,
      artifacts: [artifact],
    };
    const present = earlier.filter((set) => !isOfFuture(set, at));
    const isSound = (set: SetFile, one: SetArtifact): boolean =>
      set === next || (known.isSound?.(set, one) ?? true);
    const shrink = findShrinks([...present, next], known.rule, known.accepted, isSound).find(
      (one) => one.setId === setId && one.current,
    );
    if (shrink !== undefined) return { state: 'shrunk', shrink };
  }
  return had === undefined ? { state: 'always' } : { state: 'emptied', setId: had.id };
}

/** Files of no bytes and links are content, too. */
function hasMore(
  was: Pick<SetArtifact, 'contentBytes' | 'entries'>,
  is: Pick<SetArtifact, 'contentBytes' | 'entries'>,
): boolean {
  return was.contentBytes > is.contentBytes || was.entries > is.entries;
}
