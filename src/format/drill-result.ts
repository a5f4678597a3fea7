/** The result of a drill, as the workflow returns it and the store keeps it. */
import { z } from 'zod';

export const drillStepSchema = z.object({
  service: z.string(),
  /** The source, where the step is about one. */
  source: z.string().optional(),
  step: z.enum(['check', 'unpack', 'swap', 'load', 'start', 'gate', 'compare', 'sample']),
  durationMs: z.number().min(0),
  /** Content the step was about. */
  bytes: z.number().min(0).optional(),
  /** What was seen, in words. */
  detail: z.string().optional(),
});

export const drillFailureSchema = z.object({
  service: z.string(),
  source: z.string().optional(),
  step: z.string(),
  code: z.string(),
  reason: z.string(),
  /** The last output of the service's containers. */
  output: z.string().optional(),
});

export const notTriedSchema = z.object({
  service: z.string(),
  /** A source, a compose service or a gate. */
  what: z.string(),
  reason: z.string(),
});

/** How tables were compared: by a digest of their content, or by their number of rows alone. */
export const comparedTablesSchema = z.object({
  byContent: z.number().int().min(0),
  byCount: z.number().int().min(0),
});

/** Of a source that was too large to be restored whole: what of it was unpacked and compared. */
export const sampledSourceSchema = z.object({
  service: z.string(),
  source: z.string(),
  files: z.number().int().min(1),
  bytes: z.number().min(0),
  /** Content of the whole source. */
  ofBytes: z.number().min(0),
});

export const drillResultSchema = z.object({
  drillId: z.string(),
  setId: z.string(),
  setTier: z.string(),
  status: z.enum(['passed', 'failed']),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  workflowId: z.string(),
  /** What was drilled; without what was only sampled. */
  services: z.array(z.string()),
  /** All that the set holds was drilled, and nothing left out. */
  whole: z.boolean(),
  contentBytes: z.number(),
  /** What a restore of the same takes, measured: without what only the drill did. */
  restoreMs: z.number(),
  durationMs: z.number(),
  steps: z.array(drillStepSchema),
  failures: z.array(drillFailureSchema),
  /** Of the databases that were loaded; absent where there were none. */
  tables: comparedTablesSchema.optional(),
  /** Absent where nothing was only sampled. */
  sampled: z.array(sampledSourceSchema).optional(),
  /** What could not be tried on this host without touching the real stack, and why. */
  notTried: z.array(notTriedSchema),
  warnings: z.array(z.string()),
  /** What a restore does not bring back, though no row is missing; absent where there is nothing. */
  problems: z.array(z.string()).optional(),
  /** It was left up for looking at. */
  kept: z.boolean(),
});

export type DrillStep = z.output<typeof drillStepSchema>;

export type DrillFailure = z.output<typeof drillFailureSchema>;

export type ComparedTables = z.output<typeof comparedTablesSchema>;

export type SampledSource = z.output<typeof sampledSourceSchema>;

export type NotTried = z.output<typeof notTriedSchema>;

export type DrillResult = z.output<typeof drillResultSchema>;
