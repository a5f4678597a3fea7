/** What a restore or a drill took, as it is remembered on disk. */

/** One thing that was done before, and how long it took. */
export interface Measurement {
  /** What was restored; `start` from the start of the containers until they were healthy; `check`
   * reading all artifacts of the set before anything was touched. */
  readonly kind: 'files' | 'volume' | 'postgres' | 'start' | 'check';
  /** Empty for `check`. */
  readonly service: string;
  /** Empty for `start` and `check`. */
  readonly source: string;
  /** Of content; 0 for `start`. */
  readonly bytes: number;
  readonly durationMs: number;
  /** ISO 8601 */
  readonly at: string;
}
