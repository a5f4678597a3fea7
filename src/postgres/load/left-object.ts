/** What of an archive could not be made. */

/** Something of the archive that is not in the database. */
export interface LeftObject {
  readonly database: string;
  /** As pg_restore names it: `INDEX public people_name postgres`. */
  readonly what: string;
  /** In the server's words. */
  readonly reason: string;
  /** What makes it, once the reason is gone. Empty where there is no such statement. */
  readonly sql: string;
}
