/** What a dump is asked for, made from, and gives: the shapes its steps share. */
import type { ArtifactFile, PostgresInfo } from '../store/manifest.js';
import type { ClusterCatalogue } from './inspect.js';
import type { OutputSet } from './output-file.js';
import type { ServerLogin } from './server.js';
import type { ClientVersion } from './version.js';

/** How long a dump waits for a lock that someone holds on a table. */
export const LOCK_WAIT_MS = 60_000;

export interface DumpOptions extends ServerLogin {
  readonly databases: 'all' | readonly string[];
  /** custom: globals.sql.zst and one `.dump` per database · cluster: cluster.sql.zst by pg_dumpall */
  readonly format: 'custom' | 'cluster';
  /** An existing, empty directory. */
  readonly destination: string;
  /** As configured, zstd's 1 to 19; archives use zlib's nearest level. */
  readonly compressionLevel: number;
  /** {@link LOCK_WAIT_MS} by default. */
  readonly lockWaitMs?: number;
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
  /** Ends every session of that name. */
  readonly endSessions: () => Promise<void>;
  readonly outputs: OutputSet;
}

export interface DumpedFiles {
  readonly files: ArtifactFile[];
  readonly databases: PostgresInfo['databases'];
  readonly warnings: readonly string[];
}
