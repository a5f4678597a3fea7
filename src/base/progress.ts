/**
 * How long work tells how far it is. The same shape goes into Temporal heartbeats, the CLI's
 * progress lines and `--json` events.
 */
export interface Progress {
  /** What is being done now, one word: `scan`, `read`, `dump`, `extract`, `verify`, `load` … */
  readonly phase: string;
  /** Bytes of source data handled so far in this phase. */
  readonly bytes: number;
  /** Entries (files, tables, parts) handled so far in this phase. */
  readonly entries: number;
  /** Expected bytes of this phase; 0 where it can't be known before. */
  readonly totalBytes: number;
}

export type ReportProgress = (progress: Progress) => void;

/** What every long operation takes: a way to be stopped and a way to tell how far it is. */
export interface Work {
  readonly signal: AbortSignal;
  readonly report: ReportProgress;
}
