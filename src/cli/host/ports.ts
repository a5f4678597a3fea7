/**
 * What the commands need of the rest of the program, as interfaces: a command that reads the disk
 * must not load Temporal's native library, and tests bring their own runs.
 */
import type { Config, RunStatus } from '../../format/config/schema.js';
import type { ChannelOutcome } from '../../notify/test-channels.js';
import type { ServerFacts } from '../../observe/server-facts.js';
import type { DrillRestoreInput } from '../../plan/drill/drill-types.js';
import type {
  BackupStackInput,
  RestoreStackInput,
  UndoRestoreInput,
} from '../../plan/shared/inputs.js';
import type { PruneBackupsInput } from '../../plan/retention/prune-types.js';
import type { ScheduleChange } from '../../plan/schedule/schedule-changes.js';
import type { RunIdentity } from '../../format/run-identity.js';
import type { ScheduleView } from '../../plan/schedule/schedule-view.js';
import type { RestorePlan } from '../../plan/restore/restore-types.js';
import type { PastRestore, UndoPlan } from '../../plan/rollback/undo-plan.js';
import type { Pollers } from '../../plan/shared/worker-presence.js';
import type { SetFile } from '../../format/manifest.js';
import type { TemporalProbe } from '../../temporal/connect.js';
import type { RunSnapshot } from '../../temporal/run-status.js';

export type { ChannelOutcome } from '../../notify/test-channels.js';
export type { ActivitySnapshot, RunSnapshot, RunState } from '../../temporal/run-status.js';

interface Start {
  readonly workflowId: string;
  /** One line for Temporal's UI. */
  readonly summary: string;
}
/** The stack tells the task queue, and with it whose worker takes the run. */
type Targeted<Input> = Input & { readonly stack: string };

export interface StartBackup extends Start {
  readonly type: 'backupStack';
  readonly input: Targeted<BackupStackInput>;
}
export interface StartPrune extends Start {
  readonly type: 'pruneBackups';
  readonly input: Targeted<PruneBackupsInput>;
}
export interface StartRestore extends Start {
  readonly type: 'restoreStack';
  readonly input: Targeted<RestoreStackInput>;
}

export interface StartDrill extends Start {
  readonly type: 'drillRestore';
  readonly input: Targeted<DrillRestoreInput>;
}
export interface StartUndo extends Start {
  readonly type: 'undoRestore';
  readonly input: Targeted<UndoRestoreInput>;
}
export type StartRun = StartBackup | StartPrune | StartRestore | StartUndo | StartDrill;

/** The runs on one Temporal server. Failed runs reject with the run's own HoldfastError. */
export interface RunGateway {
  readonly address: string;
  readonly namespace: string;
  /**
   * Under its workflow id, or the next one with a number at its end when that was used already.
   * @returns the id it has
   */
  start(run: StartRun): Promise<string>;
  /** Who asked for the stack's work within the last minutes, and for that of the host. */
  pollers(stack: string, host: string | undefined): Promise<Pollers>;
  snapshot(workflowId: string): Promise<RunSnapshot>;
  /** Waits for the end. */
  result(workflowId: string): Promise<unknown>;
  cancel(workflowId: string): Promise<void>;
  /** Ids of the stack's runs that wait for an approval. */
  waiting(stack: string): Promise<readonly string[]>;
  /** @returns what was approved, in words. @throws HoldfastError when the run does not wait for it */
  approve(workflowId: string, by: string | undefined): Promise<string>;
  close(): Promise<void>;
}

/** The schedules on one Temporal server. Names are those below the stack's prefix, or whole ids. */
export interface ScheduleGateway {
  apply(config: Config, options: { readonly dryRun: boolean }): Promise<readonly ScheduleChange[]>;
  list(config: Config): Promise<readonly ScheduleView[]>;
  /** All of the stack's without a name. @returns their ids. @throws HoldfastError INPUT_INVALID */
  pause(stack: string, name: string | undefined, note: string): Promise<readonly string[]>;
  /** @throws HoldfastError INPUT_INVALID */
  resume(stack: string, name: string | undefined): Promise<readonly string[]>;
  /** @returns the run's workflow id, once known. @throws HoldfastError PERMIT_HELD, INPUT_INVALID */
  trigger(stack: string, name: string): Promise<string | undefined>;
  close(): Promise<void>;
}

export interface Catalogue {
  readonly sets: readonly SetFile[];
  /** Set files that can't be read, one sentence each. */
  readonly unreadable: readonly string[];
}

/** Where the configuration and the host differ. */
export interface HostFinding {
  /** error: a backup or a restore would go wrong · note: worth knowing */
  readonly severity: 'error' | 'note';
  /** Stable, for scripts. */
  readonly code: string;
  /** `file:line:column key` as far as it is known. */
  readonly where: string;
  readonly message: string;
  readonly hint?: string;
}

export interface DevServer {
  readonly address: string;
  readonly uiUrl: string;
  /** Settles when the server has ended; rejects when it ended by itself. */
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

/** A restore of the past, with what its safety copies take. */
export interface RestoreListing extends PastRestore {
  /** Absent where a part of it can't be measured. */
  readonly sizeBytes?: number;
}

export interface Recovered {
  readonly takenBack: readonly string[];
  readonly started: readonly string[];
  readonly problems: readonly string[];
  /** Restores that were closed as they are, a sentence each. */
  readonly superseded?: readonly string[];
  /** Restores of whose records something can't be read. */
  readonly unreadable?: readonly PastRestore[];
}

export interface Ports {
  /** @throws HoldfastError CONFIG_NOT_FOUND */
  findConfigFile(explicit: string | undefined): Promise<string>;
  /** @throws HoldfastError CONFIG_INVALID with all problems */
  loadConfig(file: string): Promise<Config>;
  configJsonSchema(): Promise<unknown>;
  readCatalogue(root: string): Promise<Catalogue>;
  /** The configuration held against this host; empty when both agree. In the order of the file. */
  hostProbe(config: Config, signal: AbortSignal): Promise<readonly HostFinding[]>;
  /** Sends a test message to the channels at these places of the list. Never rejects. */
  testNotifications(
    config: Config,
    what: { readonly indices: readonly number[]; readonly status: RunStatus },
  ): Promise<readonly ChannelOutcome[]>;
  /** @throws HoldfastError TEMPORAL_UNREACHABLE */
  connectRuns(): Promise<RunGateway>;
  /** What the server knows of the stack's schedules and of these runs; never fails. */
  askServer(stack: string, runs: readonly RunIdentity[]): Promise<ServerFacts>;
  /** @throws HoldfastError TEMPORAL_UNREACHABLE */
  connectSchedules(): Promise<ScheduleGateway>;
  /** Newest first. */
  pastRestores(config: Config): Promise<readonly RestoreListing[]>;
  /**
   * Says that the safety copies of these restores are to go: what is not done now is done later.
   * @throws HoldfastError SET_NOT_FOUND, RESTORE_FAILED, MANIFEST_INVALID
   */
  markDiscarded(config: Config, restoreIds: readonly string[]): Promise<void>;
  /** Throws a restore's safety copies away. @throws HoldfastError SET_NOT_FOUND, RESTORE_FAILED */
  discardRestore(config: Config, restoreId: string): Promise<void>;
  /**
   * Takes back what dead runs left. Without a Temporal every run counts as dead.
   * @throws HoldfastError TEMPORAL_UNREACHABLE unless `withoutTemporal`
   */
  recover(
    config: Config,
    options: { readonly withoutTemporal: boolean; readonly leave?: string | undefined },
  ): Promise<Recovered>;
  /**
   * What a restore would do, without a run: for where no Temporal answers.
   * @throws HoldfastError as the run while it plans
   */
  planRestore(config: Config, input: RestoreStackInput): Promise<RestorePlan>;
  /** The same of an undo. */
  planUndo(config: Config, restore: string): Promise<UndoPlan>;
  /** Is it a Temporal that listens at the address of {@link temporalAddress}? Never rejects. */
  probeTemporal(): Promise<TemporalProbe>;
  /** Does a worker of this stack run on this host, whether or not its Temporal answers? */
  workerRuns(config: Config): Promise<boolean>;
  /** The address runs and workers connect to, `host:port`. */
  temporalAddress(): Promise<string>;
  runWorker(
    config: Config,
    options: {
      readonly signal: AbortSignal;
      readonly onReady?: () => void;
      /** It ends with the command: it makes no schedules. */
      readonly embedded?: boolean;
      /** Takes the lines of the log, JSON each, instead of standard output. */
      readonly log?: ((line: string) => void) | undefined;
    },
  ): Promise<void>;
  startDevServer(options: {
    readonly dbFile: string;
    readonly port?: number;
    readonly uiPort?: number;
    /** Ends the server, also while it starts. */
    readonly signal?: AbortSignal | undefined;
  }): Promise<DevServer>;
}
