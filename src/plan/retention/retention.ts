/**
 * Which sets go and which stay. Pure; what it decides is carried out set files first, then paths.
 *
 * The rule: a set goes once `keep` newer sets of its tier are at least as good and cover at least
 * as much. So good ones are pushed out by good ones only, a degraded one by degraded or good ones,
 * a failed one by any, and a backup of one service never pushes out one of the whole stack. Every
 * status is bounded by `keep`, so that a month of failures neither costs a good set nor fills the
 * disk. Good sets within `keepWithin` of the newest good one of their tier stay besides.
 *
 * What counts is what could be restored: a set that is damaged or not all there pushes out nothing
 * but its like, one in which a source suddenly shrank ({@link file://./anomaly.ts}) counts as failed.
 * What is not there may come back with a mount, so that it takes as much to push such a set out as if
 * it were whole. One that could not be looked at stays.
 *
 * Whatever the rule says, these stay:
 * - sets made by hand: they are removed by hand;
 * - pinned sets: they are not touched, and count for nothing in their tier;
 * - sets that lie in the future: a clock was wrong, and they count for nothing, or they would push
 *   out the real ones for years;
 * - of every source the newest sound artifact of the best status: the last good backup, also
 *   of a source that is no longer in the configuration;
 * - everything, while the newest backup of a source is a shrink that nobody accepted;
 * - what is over the limit of one run: it goes with the next ones.
 */
import type { SetArtifact, SetFile } from '../../format/manifest.js';
import { findShrinks, describeShrink, type AnomalyRule, type Shrink } from '../backup/anomaly.js';
import { isOfFuture, newestFirst, setName } from '../../format/set-order.js';
import type { ScheduledTier, StackView } from '../shared/stack-view.js';
import { formatSpan } from '../../base/words.js';
import type { SetKnowledge } from '../../format/set-knowledge.js';
import { WORTH, Worths, standsFor } from './worth.js';

/** `keep` of one source: how many versions of it stay, where that is fewer than the sets that stay. */
export interface SourceKeep {
  readonly service: string;
  readonly source: string;
  readonly keep: number;
}

/** The sources of the stack with a number of their own. */
export function sourceKeeps(stack: Pick<StackView, 'services'>): SourceKeep[] {
  return stack.services.flatMap(({ name, sources }) =>
    sources.flatMap(({ source, keep }) =>
      keep === undefined ? [] : [{ service: name, source, keep }],
    ),
  );
}

export interface TierKeep {
  /** How many sets, at least 1. */
  readonly keep: number;
  /** Good ones this much older than the newest good one of the tier stay, too. */
  readonly keepWithinMs?: number | undefined;
}

export interface RetentionPolicy {
  readonly tiers: Readonly<Record<ScheduledTier, TierKeep>>;
  readonly sources: readonly SourceKeep[];
  /** Without it no shrink is looked for. */
  readonly anomaly?: AnomalyRule | undefined;
  /** How many sets of one tier, and of how many sets old versions, go at a time. No limit by default. */
  readonly limit?: number | undefined;
}

export interface DecidedSet {
  readonly set: SetFile;
  /** Why it stays or goes, in words. */
  readonly reason: string;
}

export interface TrimmedSet {
  /** The set as it is now; its file is written again without `artifacts`. */
  readonly set: SetFile;
  readonly artifacts: readonly SetArtifact[];
}

export interface RetentionPlan {
  /** Newest first, as are the others. */
  readonly keep: readonly DecidedSet[];
  readonly remove: readonly DecidedSet[];
  /** By the rule they would go, but not this time. */
  readonly later: readonly DecidedSet[];
  /** Shrinks that nobody accepted: while there are some, nothing goes. */
  readonly held: readonly Shrink[];
  /** Kept sets that lose old versions of a source with a `keep` of its own. */
  readonly trimArtifacts: readonly TrimmedSet[];
  /** Artifact directories, relative to the root, that no set names any more once the above is done. */
  readonly deletePaths: readonly string[];
}

/** By set: the sources of which it is the last good backup. */
function lastBackups(newest: readonly SetFile[], worths: Worths): Map<SetFile, string[]> {
  const best = new Map<string, { set: SetFile; worth: number }>();
  for (const set of newest) {
    for (const artifact of set.artifacts) {
      const key = `${artifact.service}/${artifact.source}`;
      const worth = worths.ofArtifact(set, artifact);
      const known = best.get(key);
      if (known === undefined || worth > known.worth) best.set(key, { set, worth });
    }
  }
  const lasts = new Map<SetFile, string[]>();
  for (const [key, { set }] of best) lasts.set(set, [...(lasts.get(set) ?? []), key]);
  return lasts;
}

interface Judgement {
  readonly stays: boolean;
  readonly reason: string;
}

/** The rule. `newer` are those before it that count, newest first. */
function judge(
  set: SetFile,
  newer: readonly SetFile[],
  policy: RetentionPolicy,
  worths: Worths,
): Judgement {
  const note = worths.knowledge.pins?.get(setName(set));
  if (note !== undefined)
    return { stays: true, reason: note === '' ? 'pinned' : `pinned: ${note}` };
  if (set.tier === 'manual') return { stays: true, reason: 'made by hand' };
  const { keep, keepWithinMs = 0 } = policy.tiers[set.tier];
  const unsound = worths.unsound(set);
  if (unsound?.state === 'unknown') return { stays: true, reason: unsound.reason };
  const what = unsound === undefined ? set.status : `counts for nothing (${unsound.reason})`;
  const better = newer.filter((other) => standsFor(other, set, worths)).length;
  if (better < keep) {
    return { stays: true, reason: `${set.tier}: ${what}, ${better + 1} of ${keep}` };
  }
  if (worths.own(set) >= WORTH.degraded) {
    // Counted from the newest good set, not from now: backups must not go because time passes.
    const newest = newer.find(
      (other) => other.tier === set.tier && worths.pushing(other) >= WORTH.degraded,
    );
    const ageMs =
      newest === undefined ? 0 : Date.parse(newest.startedAt) - Date.parse(set.startedAt);
    if (ageMs < keepWithinMs) {
      return { stays: true, reason: `${set.tier}: within ${formatSpan(keepWithinMs)}` };
    }
  }
  return {
    stays: false,
    reason: `${set.tier}: ${what}, ${better} newer ${better === 1 ? 'one' : 'ones'} as good`,
  };
}

/**
 * Old versions of sources with a `keep` of their own. Versions are moments: the sets of several
 * tiers that share one count once. Only good sets that stay count; sets made by hand and pinned ones
 * neither count nor lose anything.
 */
function trim(
  kept: readonly SetFile[],
  perSourceKeep: readonly SourceKeep[],
  worths: Worths,
): TrimmedSet[] {
  const scheduled = kept.filter((set) => set.tier !== 'manual' && !worths.isPinned(set));
  const trimmed = new Map<SetFile, SetArtifact[]>();
  for (const { service, source, keep } of perSourceKeep) {
    const goodIds = new Set<string>();
    for (const set of scheduled) {
      const found = set.artifacts.find(
        (artifact) => artifact.service === service && artifact.source === source,
      );
      if (found === undefined) continue;
      if (goodIds.size >= keep && !goodIds.has(set.id)) {
        trimmed.set(set, [...(trimmed.get(set) ?? []), found]);
      } else if (worths.ofArtifact(set, found) === WORTH.success) {
        goodIds.add(set.id);
      }
    }
  }
  return [...trimmed].map(([set, artifacts]) => ({ set, artifacts }));
}

/** The oldest `limit` of each tier; the rest waits. */
function withinLimit(gone: readonly DecidedSet[], limit: number): ReadonlySet<SetFile> {
  const taken = new Set<SetFile>();
  const counts = new Map<string, number>();
  for (const { set } of [...gone].reverse()) {
    const count = counts.get(set.tier) ?? 0;
    if (count >= limit) continue;
    counts.set(set.tier, count + 1);
    taken.add(set);
  }
  return taken;
}

/**
 * Plans retention over all sets of one stack. `now`: the present, to tell sets of the future. The
 * module's comment is the rule.
 */
export function planRetention(
  sets: readonly SetFile[],
  policy: RetentionPolicy,
  knowledge: SetKnowledge,
  now: Date,
): RetentionPlan {
  const ordered = newestFirst(sets);
  const inFuture = (set: SetFile): boolean => isOfFuture(set, now);
  const present = ordered.filter((set) => !inFuture(set));
  const shrinks =
    policy.anomaly === undefined
      ? []
      : findShrinks(
          present,
          policy.anomaly,
          knowledge.accepted ?? [],
          (set, { path }) => knowledge.unsound?.get(setName(set))?.artifacts.has(path) !== true,
        );
  const worths = new Worths(knowledge, shrinks);
  const lasts = lastBackups(present, worths);
  const keep: DecidedSet[] = [];
  const gone: DecidedSet[] = [];
  for (const set of ordered) {
    if (inFuture(set)) {
      keep.push({ set, reason: 'dated in the future' });
      continue;
    }
    const newer = present.slice(0, present.indexOf(set));
    const { stays, reason } = judge(set, newer, policy, worths);
    const last = lasts.get(set);
    if (stays) keep.push({ set, reason });
    else if (last !== undefined) keep.push({ set, reason: `last of ${last.join(', ')}` });
    else gone.push({ set, reason });
  }
  const trimmed = trim(
    keep.map(toSet).filter((set) => !inFuture(set)),
    policy.sources,
    worths,
  );
  // A set of nothing else but old versions goes with them: an empty one could restore nothing.
  const emptied = new Set(
    trimmed.filter(({ set, artifacts }) => artifacts.length === set.artifacts.length).map(toSet),
  );
  const all = inOrder(ordered, [
    ...gone,
    ...[...emptied].map((set) => ({
      set,
      reason: 'holds nothing but versions that newer ones replace',
    })),
  ]);
  const held = shrinks.filter(({ current }) => current);
  const limit = held.length > 0 ? 0 : (policy.limit ?? Number.POSITIVE_INFINITY);
  const taken = withinLimit(all, limit);
  const why =
    held.length > 0
      ? `held: ${held.map(describeShrink).join('; ')}`
      : `over the limit of ${limit} a run`;
  const remove = all.filter(({ set }) => taken.has(set));
  const later = all
    .filter(({ set }) => !taken.has(set))
    .map(({ set, reason }) => ({ set, reason: `${reason}; ${why}` }));
  const left = keep.filter(({ set }) => !emptied.has(set));
  const trimArtifacts = trimmed
    .filter(({ set }) => !emptied.has(set))
    .reverse()
    .slice(0, Number.isFinite(limit) ? limit : undefined)
    .reverse();
  return {
    keep: left,
    remove,
    later,
    held,
    trimArtifacts,
    deletePaths: orphans([...left, ...later].map(toSet), remove.map(toSet), trimArtifacts),
  };
}

function inOrder(ordered: readonly SetFile[], decided: readonly DecidedSet[]): DecidedSet[] {
  const bySet = new Map(decided.map((one) => [one.set, one]));
  return ordered.flatMap((set) => bySet.get(set) ?? []);
}

function toSet({ set }: { readonly set: SetFile }): SetFile {
  return set;
}

/** What removed and trimmed sets named and no kept set names any more: tiers share artifacts. */
function orphans(
  keep: readonly SetFile[],
  remove: readonly SetFile[],
  trimArtifacts: readonly TrimmedSet[],
): string[] {
  const dropped = new Map(trimArtifacts.map(({ set, artifacts }) => [setName(set), artifacts]));
  const named = new Set(
    keep.flatMap((set) =>
      set.artifacts
        .filter((artifact) => !(dropped.get(setName(set)) ?? []).includes(artifact))
        .map(({ path }) => path),
    ),
  );
  const loose = [
    ...remove.flatMap((set) => set.artifacts),
    ...trimArtifacts.flatMap(({ artifacts }) => artifacts),
  ].map(({ path }) => path);
  return [...new Set(loose)].filter((path) => !named.has(path)).sort();
}
