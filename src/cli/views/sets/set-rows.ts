/** A backup set summed up, for tables and for `--json`. Pure. */
import type { SetDiskUse } from '../../../store/catalogue/disk-use.js';
import type { Lack } from '../../../store/catalogue/inspect.js';
import type { SetFile } from '../../../format/manifest.js';
import type { Pin } from '../../../store/catalogue/pins.js';
import type { DrillSummary } from './set-facts.js';
import type { VerificationSummary } from './set-facts.js';

export interface SetSummary {
  readonly id: string;
  readonly tier: SetFile['tier'];
  readonly status: SetFile['status'];
  readonly stack: string;
  readonly host: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly durationMs: number;
  readonly ageMs: number;
  /** `all`, or the services the run was asked for. */
  readonly scope: SetFile['scope'];
  /** Services that have an artifact in the set. */
  readonly services: readonly string[];
  readonly artifactCount: number;
  readonly entries: number;
  /** What a restore writes. */
  readonly contentBytes: number;
  /** What the set's files add up to; parts shared with other sets count in each. */
  readonly storedBytes: number;
  readonly problems: SetFile['problems'];
  /** What was beside the sources and is in none of them; null where nobody looked. */
  readonly uncovered: NonNullable<SetFile['uncovered']> | null;
  readonly workflowId: string;
}

/** What the store itself tells of a set: bytes in files of its own, and when it was last looked at. */
export interface StoreFacts {
  /** Measured: sum of the files as they are, papers included, in place of what the set file says. */
  readonly storedBytes: number;
  /** Bytes in files that another set has too. */
  readonly sharedBytes: number;
  /** Bytes that removing the set would free. */
  readonly freedBytes: number;
  /** Files that are missing or not as they should be, by existence and size; empty where all is there. */
  readonly lacks: readonly Lack[];
  readonly verification: VerificationSummary | null;
  readonly drill: DrillSummary | null;
  /** Why and since when retention leaves it alone. */
  readonly pinned: Pin | null;
}

export function storeFacts(
  set: SetFile,
  {
    use,
    lacks,
    verification,
    drill,
    pin,
  }: Pick<StoreFacts, 'verification' | 'drill' | 'lacks'> & {
    readonly use: SetDiskUse | undefined;
    readonly pin: Pin | undefined;
  },
): StoreFacts {
  return {
    storedBytes: use?.storedBytes ?? sum(set, 'storedBytes'),
    sharedBytes: use?.sharedBytes ?? 0,
    freedBytes: use?.freedBytes ?? 0,
    lacks,
    verification,
    drill,
    pinned: pin ?? null,
  };
}

export function summarizeSet(set: SetFile, nowMs: number): SetSummary {
  const finishedMs = Date.parse(set.finishedAt);
  return {
    id: set.id,
    tier: set.tier,
    status: set.status,
    stack: set.stack,
    host: set.host,
    startedAt: set.startedAt,
    finishedAt: set.finishedAt,
    durationMs: finishedMs - Date.parse(set.startedAt),
    ageMs: nowMs - finishedMs,
    scope: set.scope,
    services: [...new Set(set.artifacts.map(({ service }) => service))],
    artifactCount: set.artifacts.length,
    entries: sum(set, 'entries'),
    contentBytes: sum(set, 'contentBytes'),
    storedBytes: sum(set, 'storedBytes'),
    problems: set.problems,
    uncovered: set.uncovered ?? null,
    workflowId: set.workflowId,
  };
}

/** `20241212_010000-daily`: how a set is named where it must be unmistakable. */
export function setName(set: { readonly id: string; readonly tier: string }): string {
  return `${set.id}-${set.tier}`;
}

function sum(set: SetFile, field: 'entries' | 'contentBytes' | 'storedBytes'): number {
  return set.artifacts.reduce((total, artifact) => total + artifact[field], 0);
}
