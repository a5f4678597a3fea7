/** What a check is told, by the disk and by the server, and what it answers. */
import type { SetFile } from '../../format/manifest.js';
import type { Shrink } from '../backup/anomaly.js';
import type { UnsoundSet } from '../../format/set-knowledge.js';
import type { ScheduledTier } from '../shared/stack-view.js';

export type Severity = 'ok' | 'warning' | 'critical';

export interface CheckFinding {
  /** What was looked at: `daily`, `disk`, `schedules` … */
  readonly subject: string;
  /** Stable, for scripts: `backup-missed`, `disk-low` … */
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  /** What to do about it; absent where all is well. */
  readonly hint?: string;
}

export interface TierPolicy {
  readonly keep: number;
  /** Five-field cron line; absent where the tier has no schedule here. */
  readonly cron?: string | undefined;
  readonly maximumAgeMs?: number | undefined;
}

export interface CheckPolicy {
  readonly tiers: Readonly<Record<ScheduledTier, TierPolicy>>;
  readonly timezone: string;
  /** How long a run may take, from when it was due to a set. */
  readonly graceMs: number;
  /** How late a run may begin; a jitter is part of it. */
  readonly startGraceMs: number;
  readonly verifiedWithinMs: number;
  readonly freeWarnPercent: number;
  readonly freeCriticalPercent: number;
  readonly forecastMs: number;
  /** What is configured to be saved. */
  readonly sources?: readonly { readonly service: string; readonly source: string }[] | undefined;
}

/** A schedule as the server tells it. */
export interface ScheduleFact {
  readonly id: string;
  readonly paused: boolean;
  readonly note: string;
  readonly missedCatchUps: number;
  readonly skippedRuns: number;
  /** How its last run ended; absent where it had none or it is not known. */
  readonly lastRun?: { readonly workflowId: string; readonly status: string; readonly at: string };
  /** Is there a next time? */
  readonly hasNext: boolean;
}

export type ScheduleFacts =
  | { readonly known: true; readonly schedules: readonly ScheduleFact[] }
  | { readonly known: false; readonly reason: string };

/** Something a run left on disk. `alive` is undefined where the run could not be asked about. */
export interface LeftOpen {
  readonly name: string;
  readonly workflowId: string;
  readonly at: string;
  readonly alive?: boolean | undefined;
}

export interface DiskFacts {
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Absent where the file system has no fixed number of inodes. */
  readonly inodes?: { readonly free: number; readonly total: number } | undefined;
}

export interface CheckFacts {
  readonly now: Date;
  /** Of this stack. */
  readonly sets: readonly SetFile[];
  readonly unsound: ReadonlyMap<string, UnsoundSet>;
  /** Files of the catalogue that can't be read, a sentence each. */
  readonly unreadable: readonly string[];
  /** By set name: when a set itself was last read again; ISO. */
  readonly verifiedAt: ReadonlyMap<string, string>;
  readonly shrinks: readonly Shrink[];
  readonly schedules: ScheduleFacts;
  /** Undefined where the root is not there. */
  readonly disk?: DiskFacts | undefined;
  /** Why what is at the root is not the store that was there before. */
  readonly storeRefused?:
    { readonly code: string; readonly message: string; readonly hint: string } | undefined;
  readonly stopped: readonly LeftOpen[];
  readonly restores: readonly LeftOpen[];
  /** Files of restores' records that can't be read, a sentence each. */
  readonly lostRecords?: readonly string[];
  /** Restores that ended half way and were left so, since later ones replaced the same things. */
  readonly leftRestores?: readonly { readonly name: string; readonly by: readonly string[] }[];
  /** When runs of backups began that are still going on, ISO; undefined where no server told. */
  readonly runningSince?: readonly string[] | undefined;
}
