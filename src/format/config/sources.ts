/** Sources as the configuration has them: what is saved, and how it is held still meanwhile. */
import { z } from 'zod';
import {
  absolutePathSchema as absolutePath,
  durationSchema,
  modeSchema as mode,
  nameSchema as name,
  ownershipSchema as ownership,
  sizeSchema,
} from './fields.js';

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

export type Quiesce = z.output<typeof quiesceSchema>;

export type ChangePolicy = z.output<typeof changePolicySchema>;

export type FilesSource = z.output<typeof filesSourceSchema>;

export type VolumeSource = z.output<typeof volumeSourceSchema>;

export type PostgresSource = z.output<typeof postgresSourceSchema>;

export type SourceConfig = z.output<typeof sourceSchema>;
