/** What the workflows answer, parsed at the CLI's door: a worker of another version may run them. */
import { z } from 'zod';
import { HoldfastError } from '../base/errors.js';
import { drillResultSchema } from '../format/drill-result.js';
import type { BackupStackResult, UndoRestoreResult } from '../plan/shared/inputs.js';
import type { PruneBackupsResult } from '../plan/retention/prune-types.js';
import type { RestoreStackResult } from '../plan/restore/restore-types.js';
import { problemSchema, setArtifactSchema, tierSchema } from '../format/manifest.js';

const kind = z.enum(['files', 'volume', 'postgres']);

export const backupStackResultSchema = z.object({
  setId: z.string(),
  tier: tierSchema,
  status: z.enum(['success', 'degraded', 'failed']),
  problems: z.array(problemSchema),
  artifacts: z.array(setArtifactSchema),
  contentBytes: z.number(),
  storedBytes: z.number(),
  // Workers of an earlier version do not tell these.
  linkedBytes: z.number().default(0),
  alsoTiers: z.array(tierSchema).default([]),
  durationMs: z.number(),
  pruned: z.array(z.string()),
  pruneHeld: z.array(z.string()).exactOptional(),
}) satisfies z.ZodType<BackupStackResult>;

export const pruneBackupsResultSchema = z.object({
  dryRun: z.boolean(),
  decisions: z.array(
    z.object({
      set: z.string(),
      status: z.enum(['success', 'degraded', 'failed']),
      action: z.enum(['keep', 'remove', 'later']),
      reason: z.string(),
      loses: z.array(z.string()),
    }),
  ),
  held: z.array(z.string()),
  accepted: z.array(z.string()),
  removed: z.array(z.string()),
}) satisfies z.ZodType<PruneBackupsResult>;

const stepSchema = z.object({ stage: z.number(), service: z.string(), step: z.string() });

const restorePlanSchema = z.object({
  setId: z.string(),
  setTier: z.string(),
  stopOrder: z.array(z.string()),
  stages: z.array(
    z.array(
      z.object({
        service: z.string(),
        sources: z.array(
          z.object({
            source: z.string(),
            kind,
            artifact: setArtifactSchema,
            replaces: z.string(),
            databases: z.array(z.string()).optional(),
            keeps: z.string().optional(),
            exists: z.boolean().optional(),
            estimateMs: z.number().optional(),
          }),
        ),
        hasContainers: z.boolean(),
        estimateMs: z.number().optional(),
      }),
    ),
  ),
  steps: z.array(stepSchema),
  otherSets: z.record(z.string(), z.string()).optional(),
  leftRunning: z.array(z.string()).optional(),
  pauseBefore: z.number().optional(),
  contentBytes: z.number(),
  space: z.array(z.object({ place: z.string(), neededBytes: z.number(), freeBytes: z.number() })),
  estimateMs: z.number().optional(),
  notes: z.array(z.string()),
  warnings: z.array(z.string()),
});

export const restoreStackResultSchema = z.object({
  restoreId: z.string(),
  setId: z.string(),
  dryRun: z.boolean(),
  plan: restorePlanSchema,
  services: z.array(
    z.object({
      service: z.string(),
      sources: z.array(
        z.object({
          source: z.string(),
          kind,
          contentBytes: z.number(),
          durationMs: z.number(),
          aside: z.string().optional(),
          verified: z.string(),
          warnings: z.array(z.string()).exactOptional(),
          problems: z.array(z.string()).exactOptional(),
        }),
      ),
      startedContainers: z.array(z.string()),
      healthyAfterMs: z.number().optional(),
      steps: z.array(z.object({ step: z.string(), durationMs: z.number() })),
    }),
  ),
  steps: z.array(stepSchema.extend({ durationMs: z.number() })),
  durationMs: z.number(),
  warnings: z.array(z.string()),
  problems: z.array(z.string()).exactOptional(),
}) satisfies z.ZodType<RestoreStackResult>;

export const drillRestoreResultSchema = z.object({
  drill: drillResultSchema.optional(),
  reaped: z.array(z.string()),
});

const replacedSchema = z.object({
  service: z.string(),
  source: z.string(),
  target: z.string(),
  aside: z.string().optional(),
});

export const undoRestoreResultSchema = z.object({
  restoreId: z.string(),
  dryRun: z.boolean(),
  plan: z.object({
    restoreId: z.string(),
    setId: z.string(),
    stopOrder: z.array(z.string()),
    putBack: z.array(z.string()),
    stages: z.array(z.array(z.string())),
    replaced: z.array(replacedSchema),
  }),
  unhealthy: z.array(z.object({ service: z.string(), reason: z.string() })),
  durationMs: z.number(),
}) satisfies z.ZodType<UndoRestoreResult>;

/** @throws HoldfastError INTERNAL when the run answered something this program does not know */
export function parseResult<T>(schema: z.ZodType<T>, value: unknown, workflowId: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new HoldfastError('INTERNAL', `the answer of ${workflowId} is not understood`, {
    hint: 'do the worker and this command have the same version of Holdfast?',
    facts: { workflowId, problems: parsed.error.issues.slice(0, 5).map(({ message }) => message) },
  });
}
