/**
 * Shapes of what is on disk: an artifact's `manifest.json` and a set's file. The documentation is
 * docs/store-format.md; a change here bumps the version there and keeps reading the old one.
 */
import { z } from 'zod';

export const ARTIFACT_FORMAT = 'holdfast-artifact';
export const SET_FORMAT = 'holdfast-set';
export const FORMAT_VERSION = 1;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const isoTime = z.iso.datetime();
const bytes = z.number().int().min(0);
/** A plain file name inside the artifact's directory. */
const fileName = z.string().regex(/^[A-Za-z0-9][^/\0]*$/);

export const artifactFileSchema = z.object({
  name: fileName,
  /** part: a zstd-compressed tar · index: the entries of the parts · globals, database, cluster: PostgreSQL */
  role: z.enum(['part', 'index', 'globals', 'database', 'cluster', 'other']),
  /** Size of the file as stored. */
  sizeBytes: bytes,
  sha256,
  /** Bytes of source content inside. */
  contentBytes: bytes.optional(),
  /** Entries inside. */
  entries: bytes.optional(),
  /** The database of a `database` file. */
  database: z.string().optional(),
  /** Of a part: all directories of the tree, or what else is in it. Absent where a part holds both. */
  holds: z.enum(['directories', 'files']).optional(),
  /** Of a part that another program wrote: a gzipped tar, in whose names this stands before the path. */
  foreign: z.object({ format: z.literal('tar.gz'), stripPrefix: z.string() }).optional(),
  /** Of a part: what the next backup needs to know to link it instead of reading its entries again. */
  state: z
    .object({
      /** Over the state of all its entries: see docs/store-format.md. */
      fingerprint: sha256,
      /** When its entries were scanned before they were read. */
      readAt: isoTime,
      /** Nothing in it had changed shortly before: equal times mean equal content. */
      settled: z.boolean(),
      /** The set it was written for; another one's than the manifest's: it was linked from there. */
      setId: z.string(),
    })
    .optional(),
});

export const volumeInfoSchema = z.object({
  name: z.string(),
  driver: z.string(),
  options: z.record(z.string(), z.string()),
  labels: z.record(z.string(), z.string()),
});

export const treeInfoSchema = z.object({
  /** Absolute directory the tree was read from (a volume's: where it was mounted). */
  root: z.string(),
  /** The globs, as configured; `**` alone means the whole directory. */
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  counts: z.object({
    files: bytes,
    directories: bytes,
    symlinks: bytes,
    hardLinks: bytes,
    others: bytes,
  }),
  /** How the bytes were reached. */
  readThrough: z.enum(['direct', 'helper-container']),
});

export const tableCountSchema = z.object({
  schema: z.string(),
  table: z.string(),
  rows: z.number().int().min(0),
  /** Over what is in the rows, in whatever order: see docs/store-format.md. */
  digest: z.string().optional(),
});

export const databaseInfoSchema = z.object({
  name: z.string(),
  owner: z.string(),
  encoding: z.string(),
  collate: z.string(),
  ctype: z.string(),
  sizeBytes: bytes,
  tables: z.array(tableCountSchema),
  largeObjects: bytes,
  /** Over all large objects together. */
  largeObjectDigest: z.string().optional(),
  extensions: z.array(z.object({ name: z.string(), version: z.string() })),
  /** Tables that extensions made, with all that was in them: a dump holds only what the extension chose. */
  extensionTables: z
    .array(tableCountSchema.extend({ extension: z.string(), digest: z.string() }))
    .optional(),
  /** What could not be found out beside the dump; the dump itself is whole. */
  unanswered: z
    .array(
      z.object({
        what: z.enum(['everything', 'rows', 'digest', 'sequences']),
        subject: z.string(),
        reason: z.string(),
      }),
    )
    .optional(),
});

export const settingsInfoSchema = z.object({
  /** The artifact's file: a tar of paths relative to the data directory. */
  file: fileName,
  files: z.array(z.string()),
  /** pg_hba.conf and pg_ident.conf, relative to the data directory; they may lie outside of it. */
  hba: z.string(),
  ident: z.string(),
  /** What the server reads and the file does not hold, with the reason. */
  outside: z.array(z.object({ path: z.string(), reason: z.string() })),
  /** Libraries the server or a session loads at its start. */
  libraries: z.array(z.string()),
});

export const postgresInfoSchema = z.object({
  serverVersion: z.string(),
  /** `server_version_num`, e.g. 150018. */
  serverVersionNumber: z.number().int(),
  clientVersion: z.string(),
  format: z.enum(['custom', 'cluster']),
  container: z.string(),
  image: z.string(),
  user: z.string(),
  roles: z.array(z.string()),
  tablespaces: z.array(z.string()),
  databases: z.array(databaseInfoSchema),
  /** Databases that exist but could not be dumped, and why. */
  notDumped: z.array(z.object({ name: z.string(), reason: z.string() })),
  /** The server's own settings; absent in dumps that hold none. */
  settings: settingsInfoSchema.optional(),
  /** What of replication was there: slots are in no dump, subscriptions come back disabled. */
  replication: z
    .object({
      slots: z.array(z.object({ name: z.string(), database: z.string().nullable() })),
      subscriptions: z.array(
        z.object({ database: z.string(), name: z.string(), enabled: z.boolean() }),
      ),
      /** Prepared transactions that were not committed: of these nothing is in a dump. */
      prepared: z.array(z.object({ name: z.string(), database: z.string() })).optional(),
    })
    .optional(),
  /** Where the server kept its data, for the restore on a bare machine. */
  data: z.discriminatedUnion('type', [
    z.object({ type: z.literal('bind'), path: z.string() }),
    z.object({ type: z.literal('volume'), volume: volumeInfoSchema }),
    z.object({ type: z.literal('unknown') }),
  ]),
});

export const verificationSchema = z.object({
  at: isoTime,
  /** hashes: files re-read and compared · decode: decompressed and listed · drilled: restored for real */
  level: z.enum(['hashes', 'decode', 'drilled']),
  ok: z.boolean(),
  detail: z.string().optional(),
});

export const artifactManifestSchema = z.object({
  format: z.literal(ARTIFACT_FORMAT),
  version: z.literal(FORMAT_VERSION),
  setId: z.string(),
  stack: z.string(),
  host: z.string(),
  service: z.string(),
  /** Key of the source in the configuration. */
  source: z.string(),
  kind: z.enum(['files', 'volume', 'postgres']),
  /** Name of the artifact: the directory is `<name>_<setId>`. */
  name: z.string(),
  startedAt: isoTime,
  finishedAt: isoTime,
  tools: z.record(z.string(), z.string()),
  quiesce: z.string(),
  consistency: z.object({
    state: z.enum(['consistent', 'inconsistent']),
    /** Names of what kept changing while it was read (at most 1000; paths as in `index`). */
    changed: z.array(z.string()),
    /** The configured policy, so that a reader knows whether this was expected. */
    policy: z.enum(['degrade', 'expected', 'fail']),
  }),
  files: z.array(artifactFileSchema),
  totals: z.object({
    /** Bytes of source content: what a restore writes. */
    contentBytes: bytes,
    /** Bytes of all files of the artifact. */
    storedBytes: bytes,
    entries: bytes,
  }),
  tree: treeInfoSchema.optional(),
  volume: volumeInfoSchema.optional(),
  postgres: postgresInfoSchema.optional(),
  verification: z.array(verificationSchema).default([]),
  /** Made by the old script: the file it was, relative to the root. Then much is not known: '' and 0. */
  importedFrom: z.string().optional(),
});

export const tierSchema = z.enum(['daily', 'weekly', 'monthly', 'manual']);

export const problemSchema = z.object({
  service: z.string(),
  source: z.string(),
  code: z.string(),
  message: z.string(),
});

export const setArtifactSchema = z.object({
  service: z.string(),
  source: z.string(),
  kind: z.enum(['files', 'volume', 'postgres']),
  /** Directory relative to the root. */
  path: z.string(),
  /** SHA-256 of manifest.json: the set vouches for the manifest, the manifest for the files. */
  manifestSha256: sha256,
  contentBytes: bytes,
  storedBytes: bytes,
  /** Of these, the bytes that are linked from an earlier set. */
  linkedBytes: bytes.optional(),
  entries: bytes,
  consistent: z.boolean(),
  /** The old script's file it was made from, relative to the root. */
  importedFrom: z.string().optional(),
});

/** Data on the host that belongs to the stack's services and that no source saves. */
export const uncoveredSchema = z.object({
  /** The service of the configuration it seems to belong to. */
  service: z.string(),
  kind: z.enum(['volume', 'directory', 'database']),
  /** The volume's name, the directory's path, or the container of the database server. */
  name: z.string(),
  /** The containers that use it. */
  usedBy: z.array(z.string()),
});

export const inventoryContainerSchema = z.object({
  name: z.string(),
  /** The compose service it was made for, and its number there. */
  composeService: z.string().optional(),
  number: z.number().int().optional(),
  /** Made by `compose run`. */
  oneOff: z.boolean().optional(),
  /** As the engine says; `restarting`: it was in a crash loop, also where it ran at that moment. */
  state: z.enum(['running', 'paused', 'restarting', 'exited', 'created', 'dead']),
  exitCode: z.number().int(),
});

/** What there was of a service's compose project, and which of it ran. */
export const serviceInventorySchema = z.object({
  service: z.string(),
  project: z.string(),
  /** What its containers were made from, where compose noted it: absolute paths. */
  made: z
    .object({
      directory: z.string(),
      files: z.array(z.string()),
      envFiles: z.array(z.string()),
    })
    .optional(),
  containers: z.array(inventoryContainerSchema),
});

export const setFileSchema = z.object({
  format: z.literal(SET_FORMAT),
  version: z.literal(FORMAT_VERSION),
  id: z.string().regex(/^\d{8}_\d{6}$/),
  tier: tierSchema,
  stack: z.string(),
  host: z.string(),
  configDigest: z.string(),
  /** success: all of it · degraded: all of it, with problems named · failed: some sources are missing */
  status: z.enum(['success', 'degraded', 'failed']),
  problems: z.array(problemSchema),
  /** Services asked for; `all` when the run was for the whole stack. */
  scope: z.union([z.literal('all'), z.array(z.string())]),
  startedAt: isoTime,
  finishedAt: isoTime,
  workflowId: z.string(),
  /** Whose backup it is, where it is not Holdfast's own. */
  origin: z.literal('old-script').optional(),
  /** What was found beside the sources and is in none of them; absent where nobody looked. */
  uncovered: z.array(uncoveredSchema).optional(),
  artifacts: z.array(setArtifactSchema),
  /** What ran when the backup began; absent in sets of earlier versions. */
  running: z.array(serviceInventorySchema).optional(),
});

export type InventoryContainer = z.output<typeof inventoryContainerSchema>;
export type ServiceInventory = z.output<typeof serviceInventorySchema>;
export type ArtifactFile = z.output<typeof artifactFileSchema>;
export type VolumeInfo = z.output<typeof volumeInfoSchema>;
export type TreeInfo = z.output<typeof treeInfoSchema>;
export type TableCount = z.output<typeof tableCountSchema>;
export type DatabaseInfo = z.output<typeof databaseInfoSchema>;
export type PostgresInfo = z.output<typeof postgresInfoSchema>;
export type SettingsInfo = z.output<typeof settingsInfoSchema>;
export type Verification = z.output<typeof verificationSchema>;
export type ArtifactManifest = z.output<typeof artifactManifestSchema>;
export type Tier = z.output<typeof tierSchema>;
export type Problem = z.output<typeof problemSchema>;
export type SetArtifact = z.output<typeof setArtifactSchema>;
export type Uncovered = z.output<typeof uncoveredSchema>;
export type SetFile = z.output<typeof setFileSchema>;

/** Was a file of this set written for an earlier one, and linked from there? */
export function isLinked({ state }: ArtifactFile, setId: string): boolean {
  return state !== undefined && state.setId !== setId;
}
