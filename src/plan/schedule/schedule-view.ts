/** A schedule as it is told to people: plain data, times in ISO. */

/**
 * How the server's schedule relates to the configuration: `missing` will not run, `differs` runs
 * otherwise than it says, `left over` is no longer in it, `foreign` has its id but is not ours.
 */
export type ScheduleState = 'applied' | 'missing' | 'differs' | 'left over' | 'foreign';

export interface ScheduledRunView {
  readonly workflowId: string;
  readonly dueAt: string;
  readonly startedAt: string;
  /** `unknown` where Temporal no longer keeps the run. */
  readonly outcome: 'running' | 'success' | 'degraded' | 'failed' | 'cancelled' | 'unknown';
}

export interface ScheduleView {
  readonly id: string;
  /** What follows the stack's prefix: `backup`, `check`, `verify`, `drill`. */
  readonly name: string;
  readonly state: ScheduleState;
  /** What differs from the configuration, in words. */
  readonly differs: readonly string[];
  readonly paused: boolean;
  /** Why it is paused, or what was last noted. */
  readonly note: string | null;
  /** Cron lines, with their tier for the backup. */
  readonly times: readonly string[];
  readonly timezone: string;
  /** The times to come; none while it is paused. */
  readonly next: readonly string[];
  readonly last: ScheduledRunView | null;
  /** Workflow ids. */
  readonly running: readonly string[];
  readonly runs: number;
  /** Starts that were left out because a run was going on. */
  readonly skippedByOverlap: number;
  /** Starts that came too late: later than the catch-up window. */
  readonly missedCatchUp: number;
}
