/** How far a load is, also while the server works on what it has been given. */
import { z } from 'zod';
import type { Work } from '../../base/progress.js';
import type { ArtifactFile } from '../../format/manifest.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { queryJson } from '../client/server.js';

const PULSE_MS = 15_000;

/**
 * Bytes of indexes being built, of write-ahead log and of databases: what grows while indexes are
 * sorted and written, long after the last byte of the dump was read, and while parallel jobs fill
 * tables, which they do without write-ahead log where wal_level is minimal.
 */
const PULSE = `select jsonb_build_object('bytes',
  coalesce((select sum(blocks_done * current_setting('block_size')::bigint + tuples_done)
    from pg_stat_progress_create_index), 0)
  + coalesce((select sum(pg_database_size(oid)) from pg_database), 0)
  + pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'));`;
const pulseSchema = z.object({ bytes: z.number() });

/** Reports a load's progress; {@link stop} it in the end. */
export class LoadProgress {
  /** Bytes of dump files read so far. */
  bytes = 0;
  #unpacked = 0;
  #entries = 0;
  #bytesAtPulse = -1;
  #firstPulse: number | undefined;
  #asking = false;
  readonly #totalBytes: number;
  readonly #timer: NodeJS.Timeout;

  constructor(
    files: readonly ArtifactFile[],
    readonly work: Work,
    readonly pg: PostgresExec,
    readonly login: ServerLogin,
  ) {
    this.#totalBytes = files.reduce((total, file) => total + file.sizeBytes, 0);
    this.#timer = setInterval(() => void this.#pulse(), PULSE_MS);
  }

  readonly onBytes = (count: number): void => {
    this.bytes += count;
    this.#report();
  };

  /** Bytes of an archive read once more, for what failed at first. */
  readonly onAgain = (count: number): void => {
    this.#unpacked += count;
    this.work.report({
      phase: 'rebuild',
      bytes: this.#unpacked,
      entries: this.#entries,
      totalBytes: 0,
    });
  };

  /** Bytes of an archive read to be unpacked, before any of it is loaded. */
  readonly onUnpacked = (count: number): void => {
    this.#unpacked += count;
    this.work.report({
      phase: 'unpack',
      bytes: this.#unpacked,
      entries: this.#entries,
      totalBytes: 0,
    });
  };

  fileDone(): void {
    this.#entries += 1;
    this.#report();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #report(): void {
    this.work.report({
      phase: 'load',
      bytes: this.bytes,
      entries: this.#entries,
      totalBytes: this.#totalBytes,
    });
  }

  /** Only when nothing was read since the last time: an index of a large table may take an hour. */
  async #pulse(): Promise<void> {
    if (this.#asking) return;
    const moved = this.bytes !== this.#bytesAtPulse;
    this.#bytesAtPulse = this.bytes;
    if (moved) return;
    this.#asking = true;
    try {
      const question = { database: 'template1', sql: PULSE, schema: pulseSchema };
      const signal = AbortSignal.any([this.work.signal, AbortSignal.timeout(PULSE_MS)]);
      const [answer] = await queryJson(this.pg, this.login, question, signal);
      if (answer === undefined) return;
      this.#firstPulse ??= answer.bytes;
      this.work.report({
        phase: 'index',
        bytes: Math.max(0, answer.bytes - this.#firstPulse),
        entries: this.#entries,
        totalBytes: 0,
      });
    } catch {
      // No news is no progress; template1 may be just being replaced.
    } finally {
      this.#asking = false;
    }
  }
}
