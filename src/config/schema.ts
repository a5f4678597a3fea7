/**
 * The configuration file's shape. One zod schema is the source of the types, of validation and of
 * the JSON Schema that editors complete from; descriptions here are what the editor shows.
 */
import { z } from 'zod';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `15m`, `12h`, `2d` → milliseconds. */
export const durationSchema = z
  .string()
  .regex(/^\d+(ms|s|m|h|d)$/, 'a duration such as 30s, 5m, 12h or 2d')
  .describe('A duration: a whole number with its unit (ms, s, m, h, d)')
  .transform((text): number => {
    const amount = Number.parseInt(text, 10);
    const unit = text.slice(String(amount).length);
    switch (unit) {
      case 'ms':
      case 's':
      case 'm':
      case 'h':
      case 'd':
        return amount * UNIT_MS[unit];
      default:
        return amount;
    }
  });

const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/,
    'letters, digits, "_", "." and "-", beginning with a letter or digit',
  );
const absolutePath = z.string().regex(/^\//, 'an absolute path');
const fileMode = z
  .string()
  .regex(/^[0-7]{3,4}$/, 'an octal mode in quotes, such as "2664"')
  .transform((text) => Number.parseInt(text, 8));
const ownership = z
  .string()
  .regex(/^[^:\s]+:[^:\s]+$/, 'user:group, names or numbers')
  .describe('user:group, by name or number');

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
  exclude: z.array(z.string().min(1)).default([]).describe('Globs left out'),
  quiesce: quiesceSchema.default('live'),
  onChange: changePolicySchema.default('degrade'),
  allowEmpty: z.boolean().default(false).describe('An empty source is fine, not an error'),
  oneFileSystem: z.boolean().default(true).describe('Do not cross mount points'),
};

export const filesSourceSchema = z.strictObject({
  kind: z.literal('files'),
  ...sourceCommon,
  ...treeCommon,
  category: z.enum(['configs', 'data']).default('data'),
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
      directoryMode: fileMode.optional(),
      fileMode: fileMode.optional(),
    })
    .optional()
    .describe('Ownership and modes set on everything restored; as backed up by default'),
});

export const volumeSourceSchema = z.strictObject({
  kind: z.literal('volume'),
  ...sourceCommon,
  ...treeCommon,
  volume: name.describe("The Docker volume's real name, as `docker volume ls` shows it"),
});

export const postgresSourceSchema = z.strictObject({
  kind: z.literal('postgres'),
  ...sourceCommon,
  container: name.describe('The running server’s container'),
  user: z.string().min(1).default('postgres').describe('A superuser'),
  passwordFile: absolutePath.optional().describe('A file with the password, where one is needed'),
  databases: z.union([z.literal('all'), z.array(z.string().min(1)).min(1)]).default('all'),
  format: z
    .enum(['custom', 'cluster'])
    .default('custom')
    .describe('custom: roles and one pg_dump archive per database; cluster: one pg_dumpall script'),
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
    .default(300_000)
    .describe('How long a restored server may take to accept connections'),
});

export const sourceSchema = z.discriminatedUnion('kind', [
  filesSourceSchema,
  volumeSourceSchema,
  postgresSourceSchema,
]);

const gateCommon = { timeout: durationSchema.default(120_000) };
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
      files: z.array(z.string().min(1)).min(1).default(['docker-compose.yml']),
      project: name.optional().describe("Compose project name; the service's name by default"),
    })
    .optional(),
  after: z.array(name).default([]).describe('Services that must be healthy before this one starts'),
  stopGrace: durationSchema.default(30_000).describe('Time a container gets to stop by itself'),
  health: z.array(healthCheckSchema).optional(),
  sources: z.record(name, sourceSchema).default({}),
});

const cron = z
  .string()
  .regex(/^\S+ \S+ \S+ \S+ \S+$/, 'five cron fields: minute hour day-of-month month day-of-week');

export const tierNameSchema = z.enum(['daily', 'weekly', 'monthly']);
const tier = z.strictObject({
  keep: z.number().int().min(1).describe('How many whole sets to keep'),
  schedule: cron.optional(),
});

export const notificationStatusSchema = z.enum(['success', 'degraded', 'failed']);

export const configSchema = z.strictObject({
  version: z.literal(1),
  stack: name.describe('Name of the stack: all services of this file'),
  host: z
    .strictObject({ id: name.describe('Names the host’s task queues; the host name by default') })
    .optional(),
  backups: z.strictObject({
    root: absolutePath.default('/backups'),
    owner: ownership.optional(),
    fileMode: fileMode.default(0o640),
    directoryMode: fileMode.default(0o750),
    compressionLevel: z.number().int().min(1).max(19).default(3),
    minimumFree: z
      .number()
      .min(0)
      .max(50)
      .default(2)
      .describe('Percent of the disk that must stay free'),
  }),
  log: z.strictObject({ file: absolutePath }).optional(),
  tiers: z
    .strictObject({
      daily: tier.default({ keep: 3 }),
      weekly: tier.default({ keep: 2 }),
      monthly: tier.default({ keep: 2 }),
    })
    .default({ daily: { keep: 3 }, weekly: { keep: 2 }, monthly: { keep: 2 } }),
  schedules: z
    .strictObject({
      timezone: z.string().default('UTC'),
      catchUp: durationSchema.default(43_200_000),
      jitter: durationSchema.default(0),
      check: cron.optional(),
    })
    .optional(),
  notifications: z
    .array(
      z.strictObject({
        type: z.literal('webhook'),
        name: name.optional(),
        url: z.url().optional(),
        urlFile: absolutePath.optional().describe('A file that holds the URL'),
        urlEnv: z
          .string()
          .optional()
          .describe('An environment variable of the worker that holds the URL'),
        on: z.array(notificationStatusSchema).min(1).default(['success', 'degraded', 'failed']),
      }),
    )
    .default([]),
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
export type NotificationConfig = ParsedConfig['notifications'][number];
export type RunStatus = z.output<typeof notificationStatusSchema>;

/** A loaded configuration: parsed, cross-checked, with where it came from. */
export interface Config extends ParsedConfig {
  /** Absolute path of the file. */
  readonly file: string;
  /** SHA-256 of the file's bytes, hex. */
  readonly digest: string;
  readonly hostId: string;
}
