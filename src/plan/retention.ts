/**
 * Which sets go and which stay. Pure; what it decides is carried out set files first, then paths.
 *
 * The rule: a set goes once `keep` newer sets of its tier are at least as good and cover at least
 * as much. So good ones are pushed out by good ones only, a degraded one by degraded or good ones,
 * a failed one by any, and a backup of one service never pushes out one of the whole stack. Every
 * status is bounded by `keep`, so that a month of failures neither costs a good set nor fills the
 * disk.
 *
 * Whatever the rule says, these stay:
 * - sets made by hand: they are removed by hand;
 * - sets that lie in the future: a clock was wrong, and they count for nothing, or they would push
 *   out the real ones for years;
 * - of every source the newest set of the best status that holds it: the last good backup, also
 *   of a source that is no longer in the configuration.
 */
import type { SetArtifact, SetFile } from '../store/manifest.js';
import { newestFirst, setName } from './set-order.js';
import type { ScheduledTier, StackView } from './stack-view.js';

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

export interface KeptSet {
  readonly set: SetFile;
  /** Why it stays, in words. */
  readonly reason: string;
}

export interface TrimmedSet {
  /** The set as it is now; its file is written again without `artifacts`. */
  readonly set: SetFile;
  readonly artifacts: readonly SetArtifact[];
}

export interface RetentionPlan {
  /** Newest first, as are the others. */
  readonly keep: readonly KeptSet[];
  readonly remove: readonly SetFile[];
  /** Kept sets that lose old versions of a source with a `keep` of its own. */
  readonly trimArtifacts: readonly TrimmedSet[];
  /** Artifact directories, relative to the root, that no set names any more once the above is done. */
  readonly deletePaths: readonly string[];
}

const WORTH = { success: 3, degraded: 2, failed: 1 } as const;

/** Did the run of `set` cover all that the run of `other` covered? */
function coversScope(set: SetFile, other: SetFile): boolean {
  const { scope } = set;
  if (scope === 'all') return true;
  return other.scope !== 'all' && other.scope.every((service) => scope.includes(service));
}

/** Would `newer` do in place of `set`, as far as the two files tell? */
function standsFor(newer: SetFile, set: SetFile): boolean {
  return (
    newer.tier === set.tier && WORTH[newer.status] >= WORTH[set.status] && coversScope(newer, set)
  );
}

/** By set: the sources of which it is the last good backup. */
function lastBackups(newest: readonly SetFile[]): Map<SetFile, string[]> {
  const best = new Map<string, SetFile>();
  for (const set of newest) {
    for (const { service, source } of set.artifacts) {
      const key = `${service}/${source}`;
      const known = best.get(key);
      if (known === undefined || WORTH[set.status] > WORTH[known.status]) best.set(key, set);
    }
  }
  const lasts = new Map<SetFile, string[]>();
  for (const [key, set] of best) lasts.set(set, [...(lasts.get(set) ?? []), key]);
  return lasts;
}

/** Why a set stays; undefined where it goes. `newer` are those before it that count, newest first. */
function reasonToKeep(
  set: SetFile,
  newer: readonly SetFile[],
  tiersKeep: Readonly<Record<ScheduledTier, number>>,
): string | undefined {
  if (set.tier === 'manual') return 'made by hand';
  const keep = tiersKeep[set.tier];
  const better = newer.filter((other) => standsFor(other, set)).length;
  return better < keep ? `${set.tier}: ${set.status}, ${better + 1} of ${keep}` : undefined;
}

/**
 * Old versions of sources with a `keep` of their own. Versions are moments: the sets of several
 * tiers that share one count once. Only good sets that stay count, and sets made by hand neither
 * count nor lose anything.
 */
function trim(kept: readonly SetFile[], perSourceKeep: readonly SourceKeep[]): TrimmedSet[] {
  const scheduled = kept.filter((set) => set.tier !== 'manual');
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
      } else if (set.status === 'success') {
        goodIds.add(set.id);
      }
    }
  }
  return [...trimmed].map(([set, artifacts]) => ({ set, artifacts }));
}

/**
 * Plans retention over all sets of one stack. `tiersKeep`: sets per tier, at least 1 each; `now`:
 * the present, to tell sets of the future. The module's comment is the rule.
 */
export function planRetention(
  sets: readonly SetFile[],
  tiersKeep: Readonly<Record<ScheduledTier, number>>,
  perSourceKeep: readonly SourceKeep[],
  now: Date,
): RetentionPlan {
  const ordered = newestFirst(sets);
  const inFuture = (set: SetFile): boolean => Date.parse(set.startedAt) > now.getTime();
  const present = ordered.filter((set) => !inFuture(set));
  const lasts = lastBackups(present);
  const keep: KeptSet[] = [];
  const remove: SetFile[] = [];
  for (const set of ordered) {
    if (inFuture(set)) {
      keep.push({ set, reason: 'dated in the future' });
      continue;
    }
    const byRule = reasonToKeep(set, present.slice(0, present.indexOf(set)), tiersKeep);
    const last = lasts.get(set);
    if (byRule !== undefined) keep.push({ set, reason: byRule });
    else if (last !== undefined) keep.push({ set, reason: `last of ${last.join(', ')}` });
    else remove.push(set);
  }
  const trimmed = trim(
    keep.map(toSet).filter((set) => !inFuture(set)),
    perSourceKeep,
  );
  // A set of nothing else but old versions goes with them: an empty one could restore nothing.
  const emptied = new Set(
    trimmed.filter(({ set, artifacts }) => artifacts.length === set.artifacts.length).map(toSet),
  );
  const left = keep.filter(({ set }) => !emptied.has(set));
  const trimArtifacts = trimmed.filter(({ set }) => !emptied.has(set));
  const gone = newestFirst([...remove, ...emptied]);
  return {
    keep: left,
    remove: gone,
    trimArtifacts,
    deletePaths: orphans(left, gone, trimArtifacts),
  };
}

function toSet({ set }: { readonly set: SetFile }): SetFile {
  return set;
}

/** What removed and trimmed sets named and no kept set names any more: tiers share artifacts. */
function orphans(
  keep: readonly KeptSet[],
  remove: readonly SetFile[],
  trimArtifacts: readonly TrimmedSet[],
): string[] {
  const dropped = new Map(trimArtifacts.map(({ set, artifacts }) => [setName(set), artifacts]));
  const named = new Set(
    keep.flatMap(({ set }) =>
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
