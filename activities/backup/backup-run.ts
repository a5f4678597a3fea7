/** The frame of a backup run: begin the set, give artifacts their owner, publish, discard, prune. */
import { statfs } from 'node:fs/promises';
import { formatPath } from '../../src/config/check/problems.js';
import { withProjects } from '../../src/docker/compose/project.js';
import { takeInventory } from '../../src/docker/containers/what-runs.js';
import { HoldfastError, isHoldfastError, messageOf } from '../../src/base/errors.js';
import type { Metrics } from '../../src/observe/metrics.js';
import { isImportRun } from '../../src/legacy/plan/old-backups.js';
import { formatBytes } from '../../src/base/words.js';
import { incomingArtifact } from '../../src/store/write/incoming-paths.js';
import { beginSet, discardSet, recoverIncoming } from '../../src/store/write/incoming.js';
import { importRuns } from '../../src/legacy/import-old.js';
import { applyOwnership } from '../../src/store/write/artifact.js';
import { requireStore } from '../../src/store/write/known-store.js';
import type {
  Problem,
  SetFile,
  Tier,
  Uncovered,
  ServiceInventory,
} from '../../src/format/manifest.js';
import { linkIntoTier } from '../../src/store/write/link-tier.js';
import { publishSet } from '../../src/store/write/publish.js';
import { emptyTrash } from '../../src/store/remove/remove.js';
import { spreadDamage } from '../../src/store/verify/verification.js';
import { lookUpOwner } from '../../src/base/files/ownership.js';
import type { StoreOwnership } from '../../src/store/layout.js';
import { surveyForBackup, type BackupSurvey } from './backup-survey.js';
import { problemsOfBackup } from '../rollback/barrier.js';
import type { SourceReference } from '../shared/source-reference.js';
import { workflowRuns } from '../shared/liveness.js';
import { recoverHost } from '../rollback/recovery.js';
import {
  checkDigest,
  guarded,
  runOf,
  whileWaiting,
  type ActivityDependencies,
} from '../shared/runtime.js';
import { pingStart } from '../notify/start-ping.js';

export interface BeginBackup {
  readonly workflowId: string;
  readonly configDigest: string;
  readonly tier: Tier;
  readonly scope: 'all' | readonly string[];
  /** Wished id of the set; the next free second is taken when it is in use. */
  readonly stamp: string;
}

export interface BegunBackup {
  readonly setId: string;
  /** What of the stack as a whole is not as it should be: the set says it, and is degraded. */
  readonly problems?: readonly Problem[];
  /** What no source covers, where it was looked for. */
  readonly uncovered?: readonly Uncovered[];
  /** What runs of the services, before anything is held still. */
  readonly running?: readonly ServiceInventory[];
}

export interface PublishInput {
  readonly set: SetFile;
  readonly alsoTiers?: readonly Tier[];
}

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createBackupRunActivities(dependencies: ActivityDependencies) {
  const { config, client, engine, runLog, metrics } = dependencies;
  const { root } = config.backups;
  const ownership = async (): Promise<StoreOwnership> => {
    const { owner, fileMode, directoryMode } = config.backups;
    return { ...(owner === undefined ? {} : await lookUpOwner(owner)), fileMode, directoryMode };
  };
  return {
    /**
     * Clears up after dead runs, checks that everything to save is there and the disk has room, and
     * takes an id for the set. Called again by the same run it gives the same id.
     */
    beginBackup: guarded(async (input: BeginBackup): Promise<BegunBackup> => {
      return whileWaiting({ service: '', source: 'prepare' }, 'prepare', async () => {
        pingStart(dependencies);
        checkDigest(config, input.configDigest);
        await requireStore(root, config.backups.directoryMode);
        await engine.ping();
        const ofRestores = problemsOfBackup(await recoverHost(dependencies), input.scope);
        const recovered = await recoverIncoming(root, {
          isAlive: (run) =>
            isImportRun(run.workflowId) ? importRuns(root) : workflowRuns(client, run),
          ownership: await ownership(),
        });
        for (const { setId, reason } of recovered.failed) {
          await runLog.write(`Set ${setId} of a dead run could not be published: ${reason}`);
        }
        await emptyTrash(root);
        const survey = await surveyForBackup(dependencies, input.scope);
        await refuseFullDisk(root, config.backups.minimumFree);
        const setId = await beginSet(root, {
          workflowId: input.workflowId,
          runId: runOf().runId,
          stamp: input.stamp,
        });
        await runLog.write(`Starting ${input.tier} backup ${setId} of ${config.stack}`);
        const { running, problem: unknownRunning } = await whatRuns(dependencies);
        const problems = [
          ...ofRestores,
          ...troubleOf(dependencies),
          ...missingOf(survey),
          ...survey.problems,
          ...(unknownRunning === undefined ? [] : [unknownRunning]),
        ];
        for (const { message } of problems) await runLog.write(message.replaceAll('\n', ' '));
        const { uncovered } = survey;
        return {
          setId,
          ...(problems.length === 0 ? {} : { problems }),
          ...(uncovered === undefined ? {} : { uncovered }),
          ...(running === undefined ? {} : { running }),
        };
      });
    }),

    ownArtifact: guarded(async (input: SourceReference): Promise<void> => {
      await whileWaiting(input, 'own', async () => {
        await applyOwnership(
          incomingArtifact(root, { setId: input.setId, relativePath: input.artifactPath }),
          await ownership(),
        );
      });
    }),

    /** Publishes the set, and links it into the tiers that are due with it. */
    publishSet: guarded(async ({ set, alsoTiers }: PublishInput): Promise<void> => {
      await whileWaiting({ service: '', source: 'publish' }, 'publish', async () => {
        await requireStore(root);
        await publishSet(root, set, { ownership: await ownership() });
        for (const tier of alsoTiers ?? []) {
          await linkIntoTier(root, set, tier, {
            ownership: await ownership(),
            runId: runOf().runId,
          });
          await runLog.write(`Set ${set.id} is in ${tier} too: the same files, nothing read again`);
        }
        for (const name of await spreadDamage(root)) {
          await runLog.write(`Set ${name} shares a file that was found damaged while it was made`);
        }
        metrics.recordBackup({
          ...observationOf(set),
          partial: set.scope !== 'all',
          status: set.status,
          durationMs: Date.parse(set.finishedAt) - Date.parse(set.startedAt),
        });
      });
    }),

    /** Removes what an unfinished run had written. Nothing there is fine; a published set stays. */
    discardSet: guarded(
      async ({ setId, workflowId }: { setId: string; workflowId: string }): Promise<void> => {
        await whileWaiting({ service: '', source: 'discard' }, 'discard', () =>
          discardSet(root, { setId, workflowId, runId: runOf().runId }),
        );
      },
    ),
  };
}

/** For a restore on a bare machine. A question of our own: without an answer the backup goes on. */
/** What runs, or the problem that a restore of this set will not know it. */
async function whatRuns({
  config,
  engine,
}: ActivityDependencies): Promise<{ running?: readonly ServiceInventory[]; problem?: Problem }> {
  try {
    return { running: await takeInventory(engine, await withProjects(engine, config)) };
  } catch (error) {
    const code = isHoldfastError(error) ? error.code : 'SURVEY_FAILED';
    const message =
      'what runs of the services could not be looked at, and a restore of this set can’t tell what to ' +
      `start again: ${messageOf(error)}`;
    return { problem: { service: '', source: '', code, message } };
  }
}

/** What the metrics tell of a set. */
export function observationOf(set: SetFile): Parameters<Metrics['recordNewestSet']>[0] {
  const sum = (pick: (artifact: SetFile['artifacts'][number]) => number): number =>
    set.artifacts.reduce((total, artifact) => total + pick(artifact), 0);
  return {
    stack: set.stack,
    tier: set.tier,
    finishedAt: new Date(set.finishedAt),
    contentBytes: sum(({ contentBytes }) => contentBytes),
    storedBytes: sum(({ storedBytes }) => storedBytes),
  };
}

/** A file that can't be used as it is now: what was added to it is not in this backup. */
function troubleOf({ live }: ActivityDependencies): Problem[] {
  const trouble = live?.state.trouble;
  if (trouble === undefined) return [];
  const message = `${trouble.message}; ${trouble.hint}`;
  return [{ service: '', source: '', code: 'CONFIG_INVALID', message }];
}

/**
 * What the configuration names beside its sources and is not on this host: homes, compose files,
 * containers of health gates, secret files. A restore will miss it; the backup does not need it. A source
 * that is gone is not among these: it fails by itself, by name, and the others are saved.
 */
function missingOf({ missing }: BackupSurvey): Problem[] {
  return missing
    .filter(({ path }) => path[2] !== 'sources')
    .map(({ path, message }) => ({
      ...{ service: '', source: '', code: 'SOURCE_MISSING' },
      message: `${formatPath(path)}: ${message}`,
    }));
}

async function refuseFullDisk(root: string, minimumFreePercent: number): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(root);
  const freeBytes = bavail * bsize;
  if (blocks === 0 || (bavail / blocks) * 100 >= minimumFreePercent) return;
  throw new HoldfastError(
    'DISK_FULL',
    `${root} has ${formatBytes(freeBytes)} free, less than the ${minimumFreePercent} % to be kept`,
    {
      hint: 'free some space, lower backups.minimumFree, or let the tiers keep fewer sets',
      facts: { freeBytes, path: root },
    },
  );
}
