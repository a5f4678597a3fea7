/** Shapes of what a restore has on disk: its record, and the file of each step. */
import { z } from 'zod';
import { mappingSchema } from '../../format/mapping.js';

export const RESTORE_FORMAT = 'holdfast-restore';

/** Paths below `base`, as base64 of their bytes: names need not be UTF-8. */
const relativePaths = z.array(z.base64());

const treeStepSchema = z.object({
  kind: z.literal('tree'),
  /** whole: the directory itself was swapped · units: the matched entries below it */
  mode: z.enum(['whole', 'units']),
  base: z.string(),
  /** Where the unpacked state lies until it is swapped in. */
  stage: z.string(),
  /** Where the replaced state lies afterwards. */
  aside: z.string(),
  /** Was there something to replace? */
  existed: z.boolean(),
  /** Units found in place (`oldUnits`) and brought (`newUnits`); for `whole`: what was carried over. */
  oldUnits: relativePaths,
  newUnits: relativePaths,
  carried: relativePaths,
  /** Directories that stayed in their place and got the attributes of those of the set. */
  kept: relativePaths.optional(),
  /** How the units were found; absent in records of earlier versions. */
  listed: z
    .object({ include: z.array(z.string()), exclude: z.array(z.string()), mounts: relativePaths })
    .optional(),
});

const volumeStepSchema = z.object({
  kind: z.literal('volume'),
  volume: z.string(),
  stage: z.string(),
  existed: z.boolean(),
});

/** Databases of a running server that were renamed aside. */
const databasesStepSchema = z.object({
  kind: z.literal('databases'),
  container: z.string(),
  databases: z.array(
    z.object({
      database: z.string(),
      aside: z.string(),
      existed: z.boolean(),
      /** Of the old one: subscriptions that were enabled, and whether it let anybody in. */
      subscriptions: z.array(z.string()).optional(),
      allowConnections: z.boolean().optional(),
    }),
  ),
});

export const restoreStepSchema = z.object({
  service: z.string(),
  source: z.string(),
  at: z.iso.datetime(),
  undo: z.discriminatedUnion('kind', [treeStepSchema, volumeStepSchema, databasesStepSchema]),
  state: z.enum(['registered', 'done', 'undone']),
  /** Databases: all of them are loaded and durable; an attempt that finds this only compares. */
  loaded: z
    .object({
      at: z.iso.datetime(),
      /** What of the dump could not be made again, in words. */
      problems: z.array(z.string()),
    })
    .optional(),
});

export const restoreRecordSchema = z.object({
  format: z.literal(RESTORE_FORMAT),
  version: z.literal(1),
  restoreId: z.string(),
  setId: z.string(),
  workflowId: z.string(),
  /** Absent in records of earlier versions: then the workflow id alone says which run it is. */
  runId: z.string().optional(),
  startedAt: z.iso.datetime(),
  state: z.enum(['running', 'finished', 'rolled-back', 'undoing', 'undone', 'discarded']),
  /**
   * The run died and what it had replaced was not put back, since later restores have replaced it
   * again and finished. Such a restore is `finished`, which earlier versions leave alone, too.
   */
  superseded: z.object({ by: z.array(z.string()), at: z.iso.datetime() }).optional(),
  /** Other names than the configuration's. */
  map: mappingSchema.optional(),
  /** Service → compose project, as it was when the restore began, under its name before any mapping. */
  projects: z.record(z.string(), z.string()).optional(),
  /** A drill is never taken back: it is torn down. */
  purpose: z.enum(['restore', 'drill']).optional(),
  /** Of a drill. */
  drill: z
    .object({
      /** Absolute; everything it writes is below it. */
      workspace: z.string(),
      setTier: z.string(),
      /** It was left up for looking at: only who asks for that removes it. */
      kept: z.boolean(),
    })
    .optional(),
});

export type TreeStep = z.output<typeof treeStepSchema>;

export type VolumeStep = z.output<typeof volumeStepSchema>;

export type DatabasesStep = z.output<typeof databasesStepSchema>;

export type RestoreStep = z.output<typeof restoreStepSchema>;

export type RestoreRecord = z.output<typeof restoreRecordSchema>;
