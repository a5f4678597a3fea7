/**
 * The configuration file's shape. One zod schema is the source of the types, of validation and of
 * the JSON Schema that editors complete from; descriptions here are what the editor shows.
 */
import { z } from 'zod';
import {
  absolutePathSchema as absolutePath,
  cronSchema as cron,
  durationSchema,
  modeSchema as mode,
  nameSchema as name,
  ownershipSchema as ownership,
  setReferenceSchema,
  sizeSchema,
} from './fields.js';
import { notificationSchema } from './notifications.js';

export { durationSchema } from './fields.js';
export type { NotificationConfig, RunKind, RunStatus } from './notifications.js';

export const quiesceSchema = z
  .union([
    z.enum(['live', 'pause', 'stop']),
    z.strictObject({
      container: name,
      before: z.array(z.string()).min(1).describe('Command run in the container before reading'),
      after: z.array(z.string()).min(1).describe('Command run in the container after reading'),
    }),
  ])
  .describe(
    'How the source is held still while it is read: live (not at all), pause or stop the containers that use it, or a hook command in a container',
  );

export const changePolicySchema = z
  .enum(['degrade', 'expected', 'fail'])
  .describe(
    'What a file that keeps changing while it is read means: the run is degraded, it is expected, or the source fails',
  );

const sourceCommon = {
  name: name
    .optional()
    .describe("The artifact's name; the source's key (for a volume: the volume's name) by default"),
  large: z
    .boolean()
    .default(false)
    .describe('Keep the artifact under large_volumes/ instead of the service'),
  keep: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe(
      'How many sets keep this source, across tiers, where that is fewer than the tier keeps',
    ),
};
const treeCommon = {
  exclude: z
    .array(z.string().min(1))
    .default([])
    .describe('Globs left out, relative as those of include; a directory means all below it'),
  quiesce: quiesceSchema.default('live'),
  onChange: changePolicySchema.default('degrade'),
  allowEmpty: z.boolean().default(false).describe('An empty source is fine, not an error'),
  oneFileSystem: z.boolean().default(true).describe('Do not cross mount points'),
};

export const filesSourceSchema = z.strictObject({
  kind: z.literal('files'),
  ...sourceCommon,
  ...treeCommon,
  category: z
    .enum(['configs', 'data'])
    .default('data')
    .describe("The artifact's folder in the service's tier"),
  base: absolutePath
    .optional()
    .describe("The directory the globs are relative to; the service's home by default"),
  include: z
    .array(z.string().min(1))
    .min(1)
    .default(['**'])
    .describe('Globs relative to the base; a directory means all below it'),
  afterRestore: z
    .strictObject({
      owner: ownership.optional(),
      directoryMode: mode.optional(),
      fileMode: mode.optional(),
    })
    .optional()
    .describe('Ownership and modes set on everything restored; as backed up by default'),
});

export const volumeSourceSchema = z.strictObject({
  kind: z.literal('volume'),
  ...sourceCommon,
  ...treeCommon,
  allowEmpty: z
    .boolean()
    .optional()
    .describe(
      'true: an empty volume is always fine; false: it is an error; by default it is fine as long as no backup of it had content',
    ),
  volume: name.describe("The Docker volume's real name, as `docker volume ls` shows it"),
});

export const postgresSourceSchema = z.strictObject({
  kind: z.literal('postgres'),
  ...sourceCommon,
  container: name.describe('The running server’s container'),
  user: z.string().min(1).default('postgres').describe('A superuser'),
  passwordFile: absolutePath.optional().describe('A file with the password, where one is needed'),
  databases: z
    .union([z.literal('all'), z.array(z.string().min(1)).min(1)])
    .default('all')
    .describe('`all`, or a list of names'),
  format: z
    .enum(['custom', 'cluster'])
    .default('custom')
    .describe('custom: roles and one pg_dump archive per database; cluster: one pg_dumpall script'),
  digestTablesUpTo: z
    .union([z.literal(0), sizeSchema])
    .prefault('1GiB')
    .describe(
      'Tables of up to this size are read once more for a digest, by which drills compare their content; 0: none',
    ),
  serverSettings: z
    .boolean()
    .default(true)
    .describe(
      'postgresql.conf, pg_hba.conf and what else the server keeps in its data directory beside the data is saved and comes back; with false a restored server has what initdb makes',
    ),
  dataDirectory: z
    .string()
    .min(1)
    .optional()
    .describe(
      'The bind-mounted data directory, relative to home or absolute; found by inspection by default',
    ),
  dataVolume: name
    .optional()
    .describe('The volume that holds the data directory; found by inspection by default'),
  startTimeout: durationSchema
    .prefault('5m')
    .describe('How long a restored server may take to accept connections'),
});

export const sourceSchema = z.discriminatedUnion('kind', [
  filesSourceSchema,
  volumeSourceSchema,
  postgresSourceSchema,
]);

const gateCommon = {
  timeout: durationSchema
    .prefault('2m')
    .describe('How long the check may take to pass after the start'),
};
export const healthCheckSchema = z.discriminatedUnion('type', [
  z
    .strictObject({
      type: z.literal('containers'),
      ...gateCommon,
    })
    .describe(
      "All of the project's containers run, and are healthy where they have a health check",
    ),
  z.strictObject({ type: z.literal('container'), ...gateCommon, container: name }),
  z.strictObject({
    type: z.literal('http'),
    ...gateCommon,
    url: z.url(),
    status: z.number().int().default(200),
    contains: z.string().optional(),
  }),
  z.strictObject({
    type: z.literal('tcp'),
    ...gateCommon,
    host: z.string().default('127.0.0.1'),
    port: z.number().int().min(1).max(65535),
  }),
  z.strictObject({
    type: z.literal('sql'),
    ...gateCommon,
    container: name,
    user: z.string().default('postgres'),
    database: z.string().default('postgres'),
    query: z.string().min(1),
    expect: z.string().optional().describe('The first column of the first row'),
  }),
  z.strictObject({
    type: z.literal('command'),
    ...gateCommon,
    container: name,
    command: z.array(z.string()).min(1),
  }),
]);

export const serviceSchema = z.strictObject({
  home: absolutePath.optional().describe("The service's directory on the host"),
  compose: z
    .strictObject({
      files: z
        .array(z.string().min(1))
        .min(1)
        .default(['docker-compose.yml'])
        .describe(
          "Compose files relative to home, in the order they are merged; a glob such as docker-compose.*.yml stands for its matches in name order, and a leading ! leaves files out: '!docker-compose.test.yml'",
        ),
      project: name
        .optional()
        .describe(
          'Compose project name; by default that of the containers made from these files, else the name compose itself would give it',
        ),
    })
    .optional(),
  after: z.array(name).default([]).describe('Services that must be healthy before this one starts'),
  stopGrace: durationSchema.prefault('30s').describe('Time a container gets to stop by itself'),
  health: z.array(healthCheckSchema).optional(),
  sources: z.record(name, sourceSchema).default({}),
});

export const tierNameSchema = z.enum(['daily', 'weekly', 'monthly']);
/** Each tier keeps its own number, also where only its schedule is written. */
const tier = (keep: number) =>
  z
    .strictObject({
      keep: z.number().int().min(1).default(keep).describe('How many whole sets to keep'),
      keepWithin: durationSchema
        .optional()
        .describe('Good sets that are this much older than the newest one are kept as well'),
      schedule: cron.optional(),
    })
    .prefault({});

export const configSchema = z.strictObject({
  version: z.literal(1),
  stack: name.describe('Name of the stack: all services of this file'),
  host: z
    .strictObject({ id: name.describe('Names the host’s task queues; the host name by default') })
    .optional(),
  backups: z.strictObject({
    root: absolutePath.default('/backups').describe('The directory all backups are in'),
    owner: ownership.optional().describe('Owner of finished backups; the worker’s by default'),
    fileMode: mode.prefault('0640').describe('Mode of the files of a backup, octal, in quotes'),
    directoryMode: mode
      .prefault('0750')
      .describe('Mode of the directories of a backup, octal, in quotes'),
    compressionLevel: z.number().int().min(1).max(19).default(2).describe('zstd level'),
    fullEvery: durationSchema
      .prefault('30d')
      .describe(
        'How old a part may be that the next backup links instead of writing it anew; 0s links none',
      ),
    settle: durationSchema
      .prefault('60s')
      .describe(
        'How long before a backup a file must have been at rest for its times to be trusted by the next one; a minute also covers what is written through memory mappings',
      ),
    limits: z
      .strictObject({
        nice: z.number().int().min(0).max(19).default(10).describe('nice value of what reads'),
        io: z
          .enum(['normal', 'best-effort', 'idle'])
          .default('best-effort')
          .describe('I/O class of what reads: best-effort is its lowest level'),
        writers: z
          .number()
          .int()
          .min(1)
          .max(32)
          .optional()
          .describe('Parts read and written at a time; the number of processors, at most 4'),
        readRate: sizeSchema
          .optional()
          .describe('Bytes a second that are read of files and volumes, all together'),
      })
      .prefault({})
      .describe('What a backup leaves to the services beside it'),
    minimumFree: z
      .number()
      .min(0)
      .max(50)
      .default(2)
      .describe('Percent of the disk that must stay free'),
    anomaly: z
      .strictObject({
        below: z
          .number()
          .int()
          .min(0)
          .max(99)
          .default(50)
          .describe('Percent of the usual size or number of entries; 0 looks for none'),
        ignoreUnder: sizeSchema
          .prefault('1MiB')
          .describe('Sources that are usually smaller: only "nothing at all" is suspicious'),
      })
      .prefault({})
      .describe(
        'When a source of which suddenly less was saved holds back the removal of old sets, until somebody accepts it (holdfast prune --accept-shrink)',
      ),
    pruneLimit: z
      .number()
      .int()
      .min(1)
      .default(4)
      .describe('How many sets of a tier are removed at most after one backup'),
  }),
  restore: z
    .strictObject({
      keepSafetyCopies: durationSchema
        .prefault('14d')
        .describe('How long what a restore replaced is kept for `holdfast undo`'),
    })
    .prefault({}),
  log: z.strictObject({ file: absolutePath }).optional(),
  tiers: z.strictObject({ daily: tier(3), weekly: tier(2), monthly: tier(2) }).prefault({}),
  schedules: z
    .strictObject({
      timezone: z
        .string()
        .default('UTC')
        .describe('IANA name of the zone of schedules and of set ids, such as Europe/Berlin'),
      catchUp: durationSchema
        .prefault('12h')
        .describe('How late a run that was missed (host down) may still start'),
      jitter: durationSchema.prefault('0s').describe('Spread of the start, for many hosts at once'),
      check: cron.optional().describe('When to check that the backups are there, young and whole'),
      verify: z
        .strictObject({
          cron,
          budget: durationSchema
            .prefault('1h')
            .describe('How long one run may read; the next goes on with what is due longest'),
        })
        .optional()
        .describe('When to read backups again and compare them with their checksums'),
      drill: z
        .strictObject({
          cron,
          set: setReferenceSchema.default('latest').describe('The set that is restored'),
          services: z
            .array(name)
            .min(1)
            .optional()
            .describe('Only these services; all of them by default'),
        })
        .optional()
        .describe('When to restore into throw-away containers, as a test'),
      apply: z
        .enum(['onStart', 'manual'])
        .default('onStart')
        .describe(
          'Who brings the schedules to Temporal: the worker when it starts, or only `holdfast schedules apply`',
        ),
    })
    .prefault({}),
  check: z
    .strictObject({
      grace: durationSchema
        .prefault('6h')
        .describe(
          'How long a scheduled backup may take to be there, where no server tells what runs',
        ),
      maximumAge: z
        .strictObject({
          daily: durationSchema.optional(),
          weekly: durationSchema.optional(),
          monthly: durationSchema.optional(),
        })
        .prefault({})
        .describe('How old the newest good set may be, where the schedule is not in this file'),
      verifiedWithin: durationSchema
        .prefault('90d')
        .describe('How long ago a set may have been written or read again'),
      free: z
        .strictObject({
          warn: z.number().min(0).max(99).default(15),
          critical: z.number().min(0).max(99).default(5),
        })
        .prefault({})
        .describe('Percent of the disk of the backups that should be free'),
      forecast: durationSchema
        .prefault('14d')
        .describe('Warn when the disk would be full within this time'),
      tellSuccess: z.boolean().default(false).describe('Notify also when all is well'),
    })
    .prefault({})
    .describe('What `holdfast check` and the scheduled check expect'),
  notifications: z.array(notificationSchema).default([]).describe('Who is told how runs ended'),
  drill: z
    .strictObject({
      workspace: absolutePath
        .optional()
        .describe('Where drills unpack; .drill below the backups’ root by default'),
      maxDisk: sizeSchema
        .optional()
        .describe(
          'What a drill may unpack; services that do not fit are left out, and what comes after them',
        ),
      sample: sizeSchema
        .optional()
        .describe(
          'How much of each files and volume source is unpacked and compared of services that do not fit into maxDisk; nothing by default',
        ),
      memory: sizeSchema.optional().describe('Memory each container of a drill may use'),
      internet: z
        .boolean()
        .default(false)
        .describe(
          'Let the containers of a drill reach the world: without it, copies of services send nothing to anybody',
        ),
    })
    .prefault({})
    .describe('Drills: restores under throw-away names, compared and timed'),
  services: z.record(name, serviceSchema),
});

/** The file as written, before defaults. */
export type ConfigInput = z.input<typeof configSchema>;
export type ParsedConfig = z.output<typeof configSchema>;
export type TierName = z.output<typeof tierNameSchema>;
export type Quiesce = z.output<typeof quiesceSchema>;
export type ChangePolicy = z.output<typeof changePolicySchema>;
export type FilesSource = z.output<typeof filesSourceSchema>;
export type VolumeSource = z.output<typeof volumeSourceSchema>;
export type PostgresSource = z.output<typeof postgresSourceSchema>;
export type SourceConfig = z.output<typeof sourceSchema>;
export type ServiceConfig = z.output<typeof serviceSchema>;
export type HealthCheck = z.output<typeof healthCheckSchema>;

/** A loaded configuration: parsed, cross-checked, with where it came from. */
export interface Config extends ParsedConfig {
  /** Absolute path of the file. */
  readonly file: string;
  /** SHA-256 of the file's bytes, hex. */
  readonly digest: string;
  readonly hostId: string;
}
