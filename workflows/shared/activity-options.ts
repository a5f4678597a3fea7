/**
 * One table: on which queue each activity runs, how long it may take, how often it must tell that it
 * lives, and how often it is tried.
 *
 * - No total limit is within reach of the size of the data: a night of 200 GB over a slow disk, a copy of
 *   a volume of that size, a million files to remove. What hangs is found by its heartbeats (a dead
 *   worker) and by the watchdog in activities/shared/runtime.ts (nothing moved for half an hour), see
 *   docs/adr/0017.
 * - Heartbeats are asked of everything that can take more than a minute: without one a dead worker is
 *   noticed only by the long time-out.
 * - The first retry waits longer than the heartbeat time-out, so that an attempt that lost its
 *   connection has noticed before the next begins.
 * - schedule-to-start is short for what a run can't do without: a host that is down should be said,
 *   not waited for through the night.
 */
import {
  proxyActivities,
  proxyLocalActivities,
  workflowInfo,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { HostActivities, StackActivities } from '../../activities/index.js';
import { drillQueue, heavyQueue, lightQueue } from '../../src/plan/shared/ids.js';

type Kind = 'quick' | 'look' | 'patient' | 'long' | 'verify' | 'notify' | 'deliver';

/**
 * The server wants one. For the queue of what moves data, too: what waits there waits for other sources,
 * and that the host is down was said by the run's first step.
 */
const NO_LIMIT = '30d';

const KINDS: Record<Kind, ActivityOptions> = {
  /** Answers within seconds; a retry is cheap. */
  quick: {
    startToCloseTimeout: '2m',
    scheduleToStartTimeout: '15m',
    retry: { initialInterval: '2s', maximumInterval: '30s', maximumAttempts: 3 },
  },
  /** Reads what grows with the store or the stack, and touches nothing: a second try need not wait. */
  look: {
    startToCloseTimeout: NO_LIMIT,
    scheduleToStartTimeout: '15m',
    heartbeatTimeout: '45s',
    retry: { initialInterval: '2s', maximumInterval: '30s', maximumAttempts: 3 },
  },
  /** Waits for somebody else, or works through what there is: containers, records, trees to remove. */
  patient: {
    startToCloseTimeout: NO_LIMIT,
    scheduleToStartTimeout: '15m',
    heartbeatTimeout: '45s',
    retry: { initialInterval: '50s', maximumInterval: '2m', maximumAttempts: 3 },
  },
  /** Moves the data. Resumes or starts clean, so a second attempt after a killed worker is safe. */
  long: {
    startToCloseTimeout: NO_LIMIT,
    scheduleToStartTimeout: NO_LIMIT,
    heartbeatTimeout: '45s',
    retry: { initialInterval: '50s', maximumInterval: '5m', maximumAttempts: 3 },
  },
  verify: {
    startToCloseTimeout: NO_LIMIT,
    scheduleToStartTimeout: NO_LIMIT,
    heartbeatTimeout: '45s',
    retry: { initialInterval: '50s', maximumInterval: '2m', maximumAttempts: 2 },
  },
  /** Must never fail or hold the run. */
  notify: {
    startToCloseTimeout: '30s',
    scheduleToCloseTimeout: '5m',
    retry: { initialInterval: '2s', maximumInterval: '1m', maximumAttempts: 5 },
  },
  /** Goes on when the run has ended; a day later the message would only confuse. */
  deliver: {
    startToCloseTimeout: '30s',
    scheduleToCloseTimeout: '1h',
    retry: { initialInterval: '10s', maximumInterval: '10m' },
  },
};

const HEAVY = {
  archiveSource: 'long',
  dumpDatabase: 'long',
  verifyWritten: 'verify',
  verifySet: 'verify',
  preflightArtifact: 'verify',
  unpackSource: 'long',
  restoreDatabase: 'long',
  checkDrillArtifact: 'verify',
  compareDrillSource: 'verify',
  compareDrillDatabases: 'verify',
  sampleDrillSource: 'long',
  restoreSomeDatabases: 'long',
} as const satisfies Partial<Record<keyof HostActivities, Kind>>;

const LIGHT = {
  describePermitHolder: 'quick',
  beginBackup: 'patient',
  holdSource: 'patient',
  releaseSource: 'patient',
  ownArtifact: 'patient',
  publishSet: 'patient',
  discardSet: 'patient',
  checkStore: 'patient',
  planVerify: 'look',
  planPrune: 'patient',
  pruneTier: 'patient',
  notify: 'notify',
  deliver: 'deliver',
  writeRunLog: 'notify',
  chooseRestoreSet: 'look',
  preflightHost: 'patient',
  beginRestore: 'patient',
  stopService: 'patient',
  swapSource: 'patient',
  startService: 'patient',
  waitHealthy: 'patient',
  rollBackService: 'patient',
  startStopped: 'patient',
  finishRestore: 'patient',
  reapDrills: 'patient',
  beginDrill: 'patient',
  keepDrill: 'patient',
  tearDownDrill: 'patient',
  recordDrill: 'patient',
  adaptDrillService: 'patient',
  passDrillGates: 'patient',
  readDrillOutput: 'look',
  chooseUndo: 'look',
  beginUndo: 'patient',
  stopForUndo: 'patient',
  lookOnceMore: 'patient',
} as const satisfies Record<Exclude<keyof HostActivities, keyof typeof HEAVY>, Kind>;

export type HostCalls = {
  [Name in keyof HostActivities]: (
    summary: string,
    ...args: Parameters<HostActivities[Name]>
  ) => Promise<Awaited<ReturnType<HostActivities[Name]>>>;
};

interface Call<Args extends unknown[], Result> {
  executeWithOptions(options: ActivityOptions, args: Args): Promise<Result>;
}

/** Puts the words that Temporal's UI shows on the step in front of an activity's own arguments. */
function summarised<Args extends unknown[], Result>(
  activity: Call<Args, Result>,
): (summary: string, ...args: Args) => Promise<Result> {
  return (summary, ...args) => activity.executeWithOptions({ summary }, args);
}

/**
 * The activities of one host, each on its queue (below the one this workflow runs on) with its
 * options; those of a drill that move data on the drills' own queue. Every call takes a summary first:
 * the words Temporal's UI shows on the step.
 */
export function hostActivities(
  hostId: string,
  options: { readonly forDrill?: boolean } = {},
): HostCalls {
  const { taskQueue: queue } = workflowInfo();
  const heavy = (options.forDrill === true ? drillQueue : heavyQueue)(queue, hostId);
  const kinds: Record<keyof HostActivities, Kind> = { ...HEAVY, ...LIGHT };
  const on = (name: keyof HostActivities) =>
    proxyActivities<HostActivities>({
      ...KINDS[kinds[name]],
      taskQueue: Object.hasOwn(HEAVY, name) ? heavy : lightQueue(queue, hostId),
    });
  return {
    archiveSource: summarised(on('archiveSource').archiveSource),
    dumpDatabase: summarised(on('dumpDatabase').dumpDatabase),
    verifyWritten: summarised(on('verifyWritten').verifyWritten),
    preflightArtifact: summarised(on('preflightArtifact').preflightArtifact),
    unpackSource: summarised(on('unpackSource').unpackSource),
    restoreDatabase: summarised(on('restoreDatabase').restoreDatabase),
    restoreSomeDatabases: summarised(on('restoreSomeDatabases').restoreSomeDatabases),
    describePermitHolder: summarised(on('describePermitHolder').describePermitHolder),
    beginBackup: summarised(on('beginBackup').beginBackup),
    holdSource: summarised(on('holdSource').holdSource),
    releaseSource: summarised(on('releaseSource').releaseSource),
    ownArtifact: summarised(on('ownArtifact').ownArtifact),
    publishSet: summarised(on('publishSet').publishSet),
    discardSet: summarised(on('discardSet').discardSet),
    planVerify: summarised(on('planVerify').planVerify),
    verifySet: summarised(on('verifySet').verifySet),
    checkStore: summarised(on('checkStore').checkStore),
    planPrune: summarised(on('planPrune').planPrune),
    pruneTier: summarised(on('pruneTier').pruneTier),
    notify: summarised(on('notify').notify),
    deliver: summarised(on('deliver').deliver),
    writeRunLog: summarised(on('writeRunLog').writeRunLog),
    chooseRestoreSet: summarised(on('chooseRestoreSet').chooseRestoreSet),
    preflightHost: summarised(on('preflightHost').preflightHost),
    beginRestore: summarised(on('beginRestore').beginRestore),
    stopService: summarised(on('stopService').stopService),
    swapSource: summarised(on('swapSource').swapSource),
    startService: summarised(on('startService').startService),
    waitHealthy: summarised(on('waitHealthy').waitHealthy),
    rollBackService: summarised(on('rollBackService').rollBackService),
    startStopped: summarised(on('startStopped').startStopped),
    finishRestore: summarised(on('finishRestore').finishRestore),
    checkDrillArtifact: summarised(on('checkDrillArtifact').checkDrillArtifact),
    compareDrillSource: summarised(on('compareDrillSource').compareDrillSource),
    compareDrillDatabases: summarised(on('compareDrillDatabases').compareDrillDatabases),
    sampleDrillSource: summarised(on('sampleDrillSource').sampleDrillSource),
    reapDrills: summarised(on('reapDrills').reapDrills),
    beginDrill: summarised(on('beginDrill').beginDrill),
    keepDrill: summarised(on('keepDrill').keepDrill),
    tearDownDrill: summarised(on('tearDownDrill').tearDownDrill),
    recordDrill: summarised(on('recordDrill').recordDrill),
    adaptDrillService: summarised(on('adaptDrillService').adaptDrillService),
    passDrillGates: summarised(on('passDrillGates').passDrillGates),
    readDrillOutput: summarised(on('readDrillOutput').readDrillOutput),
    chooseUndo: summarised(on('chooseUndo').chooseUndo),
    beginUndo: summarised(on('beginUndo').beginUndo),
    stopForUndo: summarised(on('stopForUndo').stopForUndo),
    lookOnceMore: summarised(on('lookOnceMore').lookOnceMore),
  };
}

/**
 * Reads the worker's configuration: which host serves the stack is not known before. A local
 * activity, since it is a look-up of milliseconds on the worker that runs the workflow.
 */
export const { resolveStack } = proxyLocalActivities<StackActivities>({
  startToCloseTimeout: '10s',
  retry: { maximumAttempts: 3 },
});

/** What telling the end of a run needs. */
export type Telling = Pick<HostCalls, 'writeRunLog' | 'notify'>;

/** The same on the stack's own queue: for what fails before the host is known. */
export function stackTelling(): Telling {
  const { writeRunLog, notify } = proxyActivities<StackActivities>(KINDS.notify);
  return { writeRunLog: summarised(writeRunLog), notify: summarised(notify) };
}
