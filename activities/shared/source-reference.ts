/** Which source of which service an activity is about. */

export interface SourceReference {
  readonly setId: string;
  readonly configDigest: string;
  readonly service: string;
  readonly source: string;
  /** Relative to the root. */
  readonly artifactPath: string;
}
