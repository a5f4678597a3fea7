/**
 * What pg_restore says while it loads an archive without `--exit-on-error`, but `--verbose`: which entries of its table
 * of contents failed, and why. It goes on after an error as it does for everybody who runs it by hand;
 * what failed is tried again later.
 */

export interface FailedEntry {
  /** Its number in the archive's table of contents. */
  readonly id: number;
  /** As pg_restore names it: `MATERIALIZED VIEW DATA city_stats postgres`. */
  readonly label: string;
  /** The server's errors, a line each; of parallel jobs some may be another entry's. */
  readonly errors: readonly string[];
}

/** Errors kept of one entry: a table whose every statement fails has some dozen. */
const MOST_ERRORS = 20;
const LONGEST_LINE = 1000;
/** Output kept for an error that ends it all. */
const TAIL_LINES = 40;

const ENTRY = /(?:from|Error from) TOC entry (\d+); \d+ \d+ (.*)$/;
const MOST_WARNINGS = 100;
const WARNING = /(^|: )(warning|WARNING|hint|HINT|detail|DETAIL):/;
const IGNORED = /errors ignored on restore: (\d+)\s*$/i;
const ERROR = /(?:pg_restore: error: |\bERROR: {1,2}|\[archiver[^\]]*\] (?!Error))(.*)$/;
/** Nothing that follows can succeed, and trying it takes long. A full /dev/shm is not a full disk. */
const HOPELESS =
  /(?<!shared memory segment.*)No space left on device|could not extend file|Disk quota exceeded|server closed the connection unexpectedly|no connection to the server|terminating connection due to|the database system is (?:starting up|shutting down|in recovery mode)/;

/** Takes pg_restore's lines as they come. */
export class RestoreReport {
  readonly #failed = new Map<number, { label: string; errors: string[] }>();
  readonly #tail: string[] = [];
  readonly #general: string[] = [];
  #isInitializing = false;
  #isUnattributed = false;
  readonly #warnings: string[] = [];
  #current: { label: string; errors: string[] } | undefined;
  #ignored: number | undefined;
  #hopeless: string | undefined;

  push(text: string): void {
    const line = text.slice(0, LONGEST_LINE);
    this.#tail.push(line);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    if (/while INITIALIZING/.test(line)) this.#isInitializing = true;
    const entry = ENTRY.exec(line);
    if (entry !== null) {
      const id = Number(entry[1]);
      this.#current = this.#failed.get(id) ?? { label: entry[2] ?? '', errors: [] };
      this.#failed.set(id, this.#current);
      return;
    }
    const ignored = IGNORED.exec(line);
    if (ignored !== null) {
      this.#ignored = Number(ignored[1]);
      return;
    }
    if (WARNING.test(line) && this.#warnings.length < MOST_WARNINGS) this.#warnings.push(line);
    const reason = ERROR.exec(line)?.[1];
    if (reason === undefined) return;
    if (HOPELESS.test(line)) this.#hopeless ??= line;
    if (this.#current === undefined) {
      this.#general.push(line);
      this.#isUnattributed ||= !this.#isInitializing;
    } else if (this.#current.errors.length < MOST_ERRORS) {
      this.#current.errors.push(reason.replace(/^.*?ERROR: +/, ''));
    }
  }

  /** The line that says that going on is in vain: the disk is full, the server is gone. */
  get hopeless(): string | undefined {
    return this.#hopeless;
  }

  /** Did pg_restore come to its own end, and is of every error known which entry failed? */
  cameToItsEnd(exitCode: number): boolean {
    if (exitCode === 0) return this.#failed.size === 0 && this.#general.length === 0;
    const isKnown = this.#failed.size > 0 || this.#general.length > 0;
    return this.#ignored !== undefined && isKnown && !this.#isUnattributed;
  }

  get failed(): FailedEntry[] {
    return [...this.#failed].map(([id, { label, errors }]) => ({ id, label, errors }));
  }

  /** A line each, as the program wrote them. */
  get warnings(): readonly string[] {
    return this.#failed.size === 0
      ? this.#warnings
      : this.#warnings.filter((line) => !/(hint|detail):/i.test(line));
  }

  /** Errors of no entry: settings of a newer version at its start, for example. */
  get general(): readonly string[] {
    return this.#general;
  }

  /** The last lines, for an error's facts. */
  get tail(): string {
    return this.#tail.join('\n');
  }
}
