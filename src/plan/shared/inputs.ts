/**
 * Inputs and results of the workflows: plain JSON, so that `temporal workflow start --input '{…}'`
 * and the CLI mean the same. Parsed at the workflow's door; what does not fit fails at once.
 */
import { z } from 'zod';
import type { Problem, SetArtifact, Tier } from '../../format/manifest.js';
import type { Progress } from '../../base/progress.js';
import { mappingSchema } from '../../format/mapping.js';
import type { UndoPlan } from '../rollback/undo-plan.js';

const target = {
  stack: z.string().min(1).optional(),
  host: z.string().min(1).optional(),
};
const services = z.array(z.string().min(1)).min(1).optional();
const tier = z.enum(['daily', 'weekly', 'monthly', 'manual']);
const onBusy = z.enum(['wait', 'refuse']).default('wait');

export const backupStackInputSchema = z.strictObject({
  ...target,
  tier: tier.default('manual'),
  /** Tiers that are due at the same moment: they get the same set by links. */
  alsoTiers: z.array(tier).optional(),
  services,
  onBusy,
});

const setReference = z
  .string()
  .regex(/^(latest|\d{8}_\d{6}(-(daily|weekly|monthly|manual))?)$/, 'a set id or "latest"');

export const restoreStackInputSchema = z.strictObject({
  ...target,
  /** A set id (`20241212_010000`), with `-tier` to choose among several, or `latest`. */
  set: setReference.default('latest'),
  services,
  /** Service → the set it is restored from, where that is another than `set`. */
  sets: z.record(z.string().min(1), setReference).optional(),
  /** `service/source`: only these of their services. */
  sources: z
    .array(z.string().regex(/^[^/]+\/[^/]+$/, 'service/source'))
    .min(1)
    .optional(),
  /** Only these databases of the PostgreSQL sources, beside the others of the running server. */
  databases: z.array(z.string().min(1)).min(1).optional(),
  /** False leaves restored servers with the settings that initdb makes. */
  serverSettings: z.boolean().optional(),
  /** What comes after a restored service: stopped and started again, or left running. */
  dependents: z.enum(['restart', 'leave']).default('restart'),
  /** A stage's number, or a service in it: before it the run waits for an approval. */
  pauseBefore: z.union([z.number().int().min(1), z.string().min(1)]).optional(),
  /** Other names than the configuration's, see `holdfast restore --map`. */
  map: mappingSchema.optional(),
  dryRun: z.boolean().default(false),
  onBusy,
});

export const undoRestoreInputSchema = z.strictObject({
  ...target,
  /** Id of the restore (`20241212_093000`), or the latest that can be undone. */
  restore: z
    .string()
    .regex(/^(latest|\d{8}_\d{6})$/, 'the id of a restore or "latest"')
    .default('latest'),
  dryRun: z.boolean().default(false),
  onBusy,
});

export type UndoRestoreInput = z.input<typeof undoRestoreInputSchema>;
export type BackupStackInput = z.input<typeof backupStackInputSchema>;
export type RestoreStackInput = z.input<typeof restoreStackInputSchema>;

export interface UndoRestoreResult {
  readonly restoreId: string;
  readonly dryRun: boolean;
  readonly plan: UndoPlan;
  /** Services that run again and are not healthy, with the reason. */
  readonly unhealthy: readonly { readonly service: string; readonly reason: string }[];
  readonly durationMs: number;
}

export interface BackupStackResult {
  readonly setId: string;
  readonly tier: Tier;
  readonly status: 'success' | 'degraded' | 'failed';
  readonly problems: readonly Problem[];
  readonly artifacts: readonly SetArtifact[];
  readonly contentBytes: number;
  readonly storedBytes: number;
  /** Of these, what is linked from earlier sets. */
  readonly linkedBytes: number;
  readonly alsoTiers: readonly Tier[];
  readonly durationMs: number;
  /** Sets removed by retention after the run. */
  readonly pruned: readonly string[];
  /** Sources that shrank so much that no old set was removed, in words. */
  readonly pruneHeld?: readonly string[];
}

/** One line of a running workflow's story, for the CLI and the UI. */
export interface StepView {
  readonly service: string;
  /** The source, or what is done to the service as a whole (`stop`, `start`, `health`). */
  readonly step: string;
  readonly state: 'pending' | 'running' | 'done' | 'failed' | 'skipped';
  readonly detail?: string;
}

/** Answer of the `status` query of backupStack, backupService, restoreStack and restoreService. */
export interface RunView {
  readonly phase: string;
  /** Set when the run waits for another one: its workflow id. */
  readonly waitingFor?: string;
  readonly steps: readonly StepView[];
}

/** Heartbeat details of the long activities; a hint for people, never a record. */
export interface ActivityHeartbeat extends Progress {
  readonly service: string;
  readonly source: string;
  /** ISO time of the last change of `bytes` or `entries`. */
  readonly changedAt: string;
  /** From where the next attempt may go on, where the activity knows how. */
  readonly checkpoint?: Readonly<Record<string, number>>;
}
