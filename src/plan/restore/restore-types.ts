/** A restore as data: made by a pure function, shown by `--dry-run`, carried out by the workflow. */
import type { SetArtifact } from '../../format/manifest.js';

/** One source of one service to restore. */
export interface RestoreSourceStep {
  readonly source: string;
  readonly kind: 'files' | 'volume' | 'postgres';
  readonly artifact: SetArtifact;
  /** What the person is told will be replaced: a path, a volume, a server's data directory. */
  readonly replaces: string;
  /** Only these databases, beside the others of a running server; all of it when absent. */
  readonly databases?: readonly string[];
  /** False: a server is left with the settings that initdb makes. */
  readonly serverSettings?: boolean;
  /** What lies within what is replaced and stays all the same. */
  readonly keeps?: string;
  /** Is there something to replace? Absent where the host was not looked at. */
  readonly exists?: boolean;
  /** From what earlier restores and drills took; absent where nothing like it was measured. */
  readonly estimateMs?: number;
}

export interface RestoreServicePlan {
  readonly service: string;
  /** Empty for a service that is only stopped and started again. */
  readonly sources: readonly RestoreSourceStep[];
  readonly hasContainers: boolean;
  /** From the start of the containers until they are healthy. */
  readonly estimateMs?: number;
}

/** One thing a restore does, as the plan names it and the run reports it. */
export interface RestoreStep {
  /** 0: before anything is replaced · 1…: the stage. */
  readonly stage: number;
  readonly service: string;
  /** `stop` · `unpack <source>` · `swap <source>` · `load <source>` · `start` · `health` */
  readonly step: string;
}

export interface PerformedStep extends RestoreStep {
  readonly durationMs: number;
}

/** Room on one file system while new and old lie side by side. */
export interface SpaceNeed {
  readonly place: string;
  readonly neededBytes: number;
  readonly freeBytes: number;
}

export interface RestorePlan {
  readonly setId: string;
  readonly setTier: string;
  /** Services whose containers are stopped before anything is replaced, in this order. */
  readonly stopOrder: readonly string[];
  /** Services of one stage may run side by side; the next stage begins when all are healthy. */
  readonly stages: readonly (readonly RestoreServicePlan[])[];
  /** All that will be done, in order; services of one stage one after the other. */
  readonly steps: readonly RestoreStep[];
  /** The set a service is restored from, where that is another one. */
  readonly otherSets?: Readonly<Record<string, string>>;
  /** Services that come after a restored one and are left running by choice. */
  readonly leftRunning?: readonly string[];
  /** The stage that waits for a person's approval. */
  readonly pauseBefore?: number;
  readonly contentBytes: number;
  /** Empty where the host was not looked at. */
  readonly space: readonly SpaceNeed[];
  /** Of the whole restore; absent where a part of it was never measured. */
  readonly estimateMs?: number;
  /** What may surprise, but is as it should be. */
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

export interface RestoredSource {
  readonly source: string;
  readonly kind: 'files' | 'volume' | 'postgres';
  readonly contentBytes: number;
  readonly durationMs: number;
  /** Where the replaced state was put aside, if there was any. */
  readonly aside?: string;
  /** What was compared after the restore, in words with numbers. */
  readonly verified: string;
  /** What a person should know of it, by name: what is not as it was, and how to make it so. */
  readonly warnings?: readonly string[];
  /** What could not be brought back, though no row is missing: with these the restore is degraded. */
  readonly problems?: readonly string[];
}

export interface RestoredService {
  readonly service: string;
  readonly sources: readonly RestoredSource[];
  readonly startedContainers: readonly string[];
  /** Milliseconds until all gates passed; absent where nothing was started. */
  readonly healthyAfterMs?: number;
  /** What was done, in order. */
  readonly steps: readonly { readonly step: string; readonly durationMs: number }[];
}

export interface RestoreStackResult {
  readonly restoreId: string;
  readonly setId: string;
  readonly dryRun: boolean;
  readonly plan: RestorePlan;
  readonly services: readonly RestoredService[];
  /** What was done, in the plan's order. */
  readonly steps: readonly PerformedStep[];
  readonly durationMs: number;
  readonly warnings: readonly string[];
  /** Of all sources: with these it is degraded. */
  readonly problems?: readonly string[];
}
