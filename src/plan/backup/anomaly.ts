/**
 * Sudden shrinks: a source of which suddenly much less was saved than usual. An empty mount, a volume
 * that was made anew, a database restored from the wrong file: the backup of it is whole and
 * verified, and would push the good ones out. Pure.
 *
 * What is usual is the median of the last backups that were not such shrinks themselves, so that a
 * month of empty backups does not become the usual. A shrink that was accepted is the new usual.
 *
 * A volume of nothing is one also where most of these were empty: it is a doubt to hold sets for, since
 * the one with content may be the only one there is.
 */
import type { SetArtifact, SetFile } from '../../format/manifest.js';
import { newestFirst } from '../../format/set-order.js';
import { count, formatBytes } from '../../base/words.js';
import type { AcceptedShrink } from '../../format/set-knowledge.js';

export interface AnomalyRule {
  /** A source is suspicious below this percentage of what is usual; 0 finds nothing. */
  readonly belowPercent: number;
  /** Sources that usually have less are too small for percentages: only "nothing at all" is found. */
  readonly ignoreUnderBytes: number;
  /** `<service>/<source>` of volumes that are empty now and then, as their configuration says. */
  readonly mayBeEmpty?: ReadonlySet<string>;
}

type Amount = Pick<SetArtifact, 'contentBytes' | 'entries'>;

export interface Shrink {
  readonly service: string;
  readonly source: string;
  readonly setId: string;
  /** Start of the newest backup it was seen in, ISO. */
  readonly startedAt: string;
  readonly contentBytes: number;
  readonly usualBytes: number;
  readonly entries: number;
  readonly usualEntries: number;
  /** Is it so in the newest backup of the source? */
  readonly current: boolean;
}

/** How many backups tell what is usual. */
const LOOKED_AT = 5;
/** Below this many entries a percentage means nothing. */
const FEWEST_ENTRIES = 10;

interface Moment {
  readonly set: SetFile;
  readonly artifact: SetArtifact;
}

/**
 * Every shrink among good sets, the oldest first. Sets of several tiers that were made at one moment
 * are one backup. `isSound`: artifacts that are damaged or gone tell nothing.
 */
export function findShrinks(
  sets: readonly SetFile[],
  rule: AnomalyRule,
  accepted: readonly AcceptedShrink[],
  isSound: (set: SetFile, artifact: SetArtifact) => boolean = () => true,
): Shrink[] {
  if (rule.belowPercent <= 0) return [];
  const found: Shrink[] = [];
  for (const moments of momentsBySource(sets, isSound).values()) {
    found.push(...shrinksOf(moments, rule, accepted));
  }
  return found;
}

function momentsBySource(
  sets: readonly SetFile[],
  isSound: (set: SetFile, artifact: SetArtifact) => boolean,
): Map<string, Moment[]> {
  const sources = new Map<string, Map<string, Moment>>();
  for (const set of newestFirst(sets).reverse()) {
    if (set.status === 'failed') continue;
    for (const artifact of set.artifacts) {
      if (!isSound(set, artifact)) continue;
      // Another kind is another thing under an old name.
      const key = `${artifact.service}/${artifact.source} ${artifact.kind}`;
      const moments = sources.get(key) ?? new Map<string, Moment>();
      moments.set(set.id, { set, artifact });
      sources.set(key, moments);
    }
  }
  return new Map([...sources].map(([key, moments]) => [key, [...moments.values()]]));
}

function shrinksOf(
  moments: readonly Moment[],
  rule: AnomalyRule,
  accepted: readonly AcceptedShrink[],
): Shrink[] {
  const found: Shrink[] = [];
  let usual: Amount[] = [];
  const word = acceptedOf(moments, accepted);
  const isLater = ({ set }: Moment): boolean =>
    word !== undefined && Date.parse(set.startedAt) > Date.parse(word.upTo);
  const asked = word === undefined ? moments : moments.filter(isLater);
  if (word !== undefined) usual = [word];
  for (const { set, artifact } of asked) {
    const { service, source, contentBytes, entries } = artifact;
    const filled = usual.findLast((one) => hasContentBeside(one, artifact));
    const emptied =
      artifact.kind === 'volume' && rule.mayBeEmpty?.has(`${service}/${source}`) !== true;
    const shrunkFrom = shrunkFromMedian(artifact, usual, rule) ?? (emptied ? filled : undefined);
    if (shrunkFrom === undefined) {
      usual = [...usual, artifact].slice(-LOOKED_AT);
      continue;
    }
    const { id: setId, startedAt } = set;
    const current = set === moments.at(-1)?.set;
    found.push({
      ...{ service, source, setId, startedAt, current },
      ...{ contentBytes, usualBytes: shrunkFrom.contentBytes },
      ...{ entries, usualEntries: shrunkFrom.entries },
    });
  }
  return found;
}

/** What is usual, where this is so much less. */
function shrunkFromMedian(
  { contentBytes, entries }: Amount,
  usual: readonly Amount[],
  { ignoreUnderBytes, belowPercent }: AnomalyRule,
): Amount | undefined {
  if (usual.length === 0) return undefined;
  const middle: Amount = {
    contentBytes: median(usual.map((one) => one.contentBytes)),
    entries: median(usual.map((one) => one.entries)),
  };
  const small =
    isShrunk(contentBytes, middle.contentBytes, ignoreUnderBytes, belowPercent) ||
    isShrunk(entries, middle.entries, FEWEST_ENTRIES, belowPercent);
  return small ? middle : undefined;
}

/** Is the second nothing, or nothing but directories as far as can be told, and the first not? */
function hasContentBeside(was: Amount, is: Amount): boolean {
  if (is.contentBytes > 0) return false;
  return was.contentBytes > 0 || (is.entries <= 1 && was.entries > 1);
}

function acceptedOf(
  moments: readonly Moment[],
  accepted: readonly AcceptedShrink[],
): AcceptedShrink | undefined {
  const artifact = moments[0]?.artifact;
  return accepted.find(
    ({ service, source }) => service === artifact?.service && source === artifact.source,
  );
}

function isShrunk(now: number, usual: number, least: number, belowPercent: number): boolean {
  if (usual === 0) return false;
  return now === 0 || (usual >= least && now * 100 < usual * belowPercent);
}

/** The lower one of the two in the middle: a doubt is no alarm. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

export function acceptanceOf(shrink: Shrink): AcceptedShrink {
  const { service, source, startedAt: upTo, contentBytes, entries } = shrink;
  return { service, source, upTo, contentBytes, entries };
}

/**
 * `agent/data shrank from 74.9 GiB in 128344 entries to 0 B in 1 entry`; where only one of the two
 * fell, that one: `agent/data shrank from 41 entries to 3, though it has 5.1 MiB instead of 781 KiB`.
 */
export function describeShrink(shrink: Shrink): string {
  const { service, source, contentBytes, usualBytes, entries, usualEntries } = shrink;
  const [is, was] = [formatBytes(contentBytes), formatBytes(usualBytes)];
  const name = `${service}/${source}`;
  if (contentBytes > usualBytes) {
    return `${name} shrank from ${count(usualEntries, 'entry', 'entries')} to ${entries}, though it has ${is} instead of ${was}`;
  }
  if (entries > usualEntries) {
    return `${name} shrank from ${was} to ${is}, though it has ${count(entries, 'entry', 'entries')} instead of ${usualEntries}`;
  }
  return `${name} shrank from ${was} in ${count(usualEntries, 'entry', 'entries')} to ${is} in ${count(entries, 'entry', 'entries')}`;
}
