/** What a dump is asked for, made from, and gives: the shapes its steps share. */
import type { ArtifactFile, PostgresInfo } from '../../format/manifest.js';
import type { ClusterCatalogue } from '../inspect/inspect.js';
import type { OutputSet } from './output-file.js';
import type { ServerLogin } from '../client/exec.js';
import type { ClientVersion } from '../client/version.js';

/**
 * How many databases of one server are dumped at once: the two of them keep four processes and the
 * server's disk busy, and more would slow down those the server is there for.
 */
export const DUMPS_AT_ONCE = 2;

/** How long a dump waits for a lock that someone holds on a table. */
export const LOCK_WAIT_MS = 60_000;

/** Four tries within a quarter of a minute. */
export const COUNTED_WAITS_MS: readonly number[] = [1_000, 4_000, 10_000];

export interface DumpOptions extends ServerLogin {
  readonly databases: 'all' | readonly string[];
  /** custom: globals.sql.zst and one `.dump.zst` per database · cluster: cluster.sql.zst by pg_dumpall */
  readonly format: 'custom' | 'cluster';
  /** An existing, empty directory. */
  readonly destination: string;
  /** zstd's, 1 to 19. */
  readonly compressionLevel: number;
  /**
   * Digests are recorded of tables of at most this size on disk; of none by default, and by the
   * format `cluster`.
   */
  readonly digestUpToBytes?: number;
  /** {@link LOCK_WAIT_MS} by default. */
  readonly lockWaitMs?: number;
  /**
   * Pauses while waiting for the sessions a counted dump of a database needs, before it is dumped by the
   * one session that can be had; {@link COUNTED_WAITS_MS} by default.
   */
  readonly countedWaitsMs?: readonly number[];
  /**
   * Names the work (`stack/service/source`): what a killed attempt with the same name left running
   * on the server is ended first.
   */
  readonly owner?: string;
}

export interface DumpResult {
  readonly files: ArtifactFile[];
  readonly postgres: Omit<PostgresInfo, 'container' | 'image' | 'data'>;
  readonly totals: { contentBytes: number; storedBytes: number; entries: number };
  /** What the client programs warned of. */
  readonly warnings: readonly string[];
}

export interface ChosenDatabases {
  readonly dumpable: readonly ClusterCatalogue['databases'][number][];
  readonly notDumped: PostgresInfo['notDumped'];
}

/** What the dump of a cluster is made from, once everything is known and checked. */
export interface DumpPlan {
  readonly catalogue: ClusterCatalogue;
  readonly chosen: ChosenDatabases;
  readonly client: ClientVersion;
  readonly applicationName: string;
  /** Ends every session whose name begins with `applicationName`, or with the one given. */
  readonly endSessions: (applicationName?: string) => Promise<void>;
  readonly outputs: OutputSet;
}

export interface DumpedFiles {
  readonly files: ArtifactFile[];
  readonly databases: PostgresInfo['databases'];
  readonly warnings: readonly string[];
}
