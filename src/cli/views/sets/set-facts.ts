/** What views of sets show besides the sets themselves. */
import type { DrillResult } from '../../../format/drill-result.js';

/** The newest drill of a set as `list` shows it, and the newest of all in `--json`. */
export interface DrillSummary {
  readonly at: string;
  readonly status: DrillResult['status'];
  /** All of the set, and nothing left out. */
  readonly whole: boolean;
  /** What a restore takes, measured. */
  readonly restoreMs: number;
  /** It restored nothing whole: samples were compared, and there is no time. */
  readonly onlySampled: boolean;
  readonly drills: number;
}

/** The last verification of a set, where `--json` tells of it; null where there was none. */
export interface VerificationSummary {
  /** Null where damage became known by another set that has the same file. */
  readonly at: string | null;
  readonly level: 'hashes' | 'decode' | null;
  readonly ok: boolean;
  readonly damagedFiles: number;
}
