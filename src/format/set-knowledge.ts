/** What is known of sets besides their own files: what is wrong with them, pins, accepted shrinks. */

/**
 * An operator's word that a source is so small now: backups up to this start time are fine, and what
 * they held is what is usual for those that follow, also when they are gone themselves.
 */
export interface AcceptedShrink {
  readonly service: string;
  readonly source: string;
  /** ISO time. */
  readonly upTo: string;
  readonly contentBytes: number;
  readonly entries: number;
}

export interface UnsoundSet {
  /** In words: `2 damaged files`. */
  readonly reason: string;
  /**
   * - `damaged`: a verification read it and found it so.
   * - `incomplete`: files are missing or have another size. They may come back: a mount below the root.
   * - `unknown`: it could not be looked at.
   *
   * Damaged by default.
   */
  readonly state?: 'damaged' | 'incomplete' | 'unknown';
  /** Directories of the artifacts it is about, relative to the root. */
  readonly artifacts: ReadonlySet<string>;
}

/** What is known of the sets besides their files, by `<id>-<tier>`. */
export interface SetKnowledge {
  readonly unsound?: ReadonlyMap<string, UnsoundSet>;
  /** With the operator's note; empty for none. */
  readonly pins?: ReadonlyMap<string, string>;
  readonly accepted?: readonly AcceptedShrink[];
}
