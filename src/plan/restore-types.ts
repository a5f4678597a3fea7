/** A restore as data: made by a pure function, shown by `--dry-run`, carried out by the workflow. */
import type { SetArtifact } from '../store/manifest.js';

/** One source of one service to restore. */
export interface RestoreSourceStep {
  readonly source: string;
  readonly kind: 'files' | 'volume' | 'postgres';
  readonly artifact: SetArtifact;
  /** What the person is told will be replaced: a path, a volume, a server's data directory. */
  readonly replaces: string;
}

export interface RestoreServicePlan {
  readonly service: string;
  /** Empty for a service that is only stopped and started again. */
  readonly sources: readonly RestoreSourceStep[];
  readonly hasContainers: boolean;
}

export interface RestorePlan {
  readonly setId: string;
  readonly setTier: string;
  /** Services whose containers are stopped before anything is replaced, in this order. */
  readonly stopOrder: readonly string[];
  /** Services of one stage may run side by side; the next stage begins when all are healthy. */
  readonly stages: readonly (readonly RestoreServicePlan[])[];
  readonly contentBytes: number;
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
}

export interface RestoredService {
  readonly service: string;
  readonly sources: readonly RestoredSource[];
  readonly startedContainers: readonly string[];
  /** Milliseconds until all gates passed; absent where nothing was started. */
  readonly healthyAfterMs?: number;
}

export interface RestoreStackResult {
  readonly restoreId: string;
  readonly setId: string;
  readonly dryRun: boolean;
  readonly plan: RestorePlan;
  readonly services: readonly RestoredService[];
  readonly durationMs: number;
  readonly warnings: readonly string[];
}
