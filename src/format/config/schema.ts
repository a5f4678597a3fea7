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
import { sourceSchema } from './sources.js';
import { healthCheckSchema } from './health-checks.js';

export { durationSchema } from './fields.js';
export type { NotificationConfig, RunKind, RunStatus } from './notifications.js';
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
export type ServiceConfig = z.output<typeof serviceSchema>;

/** A loaded configuration: parsed, cross-checked, with where it came from. */
export interface Config extends ParsedConfig {
  /** Absolute path of the file. */
  readonly file: string;
  /** SHA-256 of the file's bytes, hex. */
  readonly digest: string;
  readonly hostId: string;
}
