/** Verifying published sets, one activity a set, those first that were not looked at for longest. */
import { Context } from '@temporalio/activity';
import { containerExec } from '../../src/postgres/client/container.js';
import { lookInsideDumps } from '../../src/postgres/inspect/look-inside.js';
import { findContainer } from '../../src/docker/containers/containers.js';
import { findVolume } from '../../src/docker/volumes/volumes.js';
import { oldestChecked } from '../../src/plan/verify/verify-order.js';
import type { DamagedFile, VerifiedSet } from '../../src/plan/verify/verify-types.js';
import { setName } from '../../src/format/set-order.js';
import { readArtifact } from '../../src/store/write/artifact.js';
import { readCatalogue } from '../../src/store/catalogue/catalogue.js';
import type { KnownFiles } from '../../src/store/verify/find-damage.js';
import { resolveInside } from '../../src/store/layout.js';
import type { SetFile, Tier, VolumeInfo } from '../../src/format/manifest.js';
import {
  artifactsDone,
  readVerification,
  readVerifications,
  recordVerification,
  type VerificationOutcome,
} from '../../src/store/verify/verification.js';
import { SetVerifier } from '../../src/store/verify/verify-set.js';
import {
  guarded,
  whileWaiting,
  withHeartbeat,
  type ActivityDependencies,
} from '../shared/runtime.js';

export interface SetReference {
  readonly id: string;
  readonly tier: Tier;
}

export interface VerifySet {
  readonly set: SetReference;
  readonly level: 'hashes' | 'decode';
  /** Time for reading, looked at between two artifacts. */
  readonly budgetMs?: number | undefined;
  /** Are volumes of its sources looked for? Asked of the newest set only. */
  readonly volumes: boolean;
}

/** A message of a workflow is no place for thousands of files. */
const MOST_NAMED = 50;

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createVerifyStoreActivities({ config, engine, runLog }: ActivityDependencies) {
  const { root } = config.backups;
  const lookInside = lookInsideDumps(async (container) => {
    const running = await findContainer(engine, container);
    return running?.state === 'running'
      ? containerExec(engine, { container: running.name })
      : undefined;
  });
  // What one run has read it does not read again for the next set: sets share most of their files.
  let known: { readonly runId: string; readonly files: KnownFiles } | undefined;
  const knownOfRun = (): KnownFiles => {
    const runId = Context.current().info.workflowExecution?.runId ?? '';
    if (known?.runId !== runId) known = { runId, files: new Map() };
    return known.files;
  };

  /** Volumes that a restore would find changed or gone. */
  const volumeNotes = async (set: SetFile): Promise<string[]> => {
    const notes: string[] = [];
    for (const { service, source, kind, path } of set.artifacts) {
      if (kind !== 'volume') continue;
      const manifest = await resolveInside(root, path)
        .then(readArtifact)
        .catch(() => undefined);
      if (manifest?.volume === undefined) continue;
      const now = await findVolume(engine, manifest.volume.name).catch(() => 'unknown' as const);
      if (now === 'unknown') continue;
      const differs = now === undefined ? 'is not there' : differenceOf(manifest.volume, now);
      if (differs !== undefined) {
        notes.push(`${service}/${source}: the volume ${manifest.volume.name} ${differs}`);
      }
    }
    return notes;
  };

  return {
    /** The sets of the stack in the order they should be verified in. */
    planVerify: guarded(
      async ({ level }: { level: 'hashes' | 'decode' }): Promise<{ sets: SetReference[] }> => {
        const [{ sets }, records] = await whileWaiting(
          { service: '', source: 'plan' },
          'plan',
          () => Promise.all([readCatalogue(root), readVerifications(root)]),
        );
        const own = sets.filter(({ stack }) => stack === config.stack);
        const ordered = oldestChecked(
          own,
          (set) => records.get(setName(set))?.last ?? undefined,
          level,
        );
        return { sets: ordered.map(({ id, tier }) => ({ id, tier })) };
      },
    ),

    /** Verifies one set and records it. @returns null when the set has gone meanwhile */
    verifySet: guarded(
      async ({ set: wanted, level, budgetMs, volumes }: VerifySet): Promise<VerifiedSet | null> => {
        const startedMs = Date.now();
        const subject = { service: '', source: setName(wanted) };
        return withHeartbeat(subject, 'verify', async (work) => {
          const find = async (): Promise<{
            sets: readonly SetFile[];
            set: SetFile | undefined;
          }> => {
            const { sets } = await readCatalogue(root);
            return { sets, set: sets.find((one) => setName(one) === setName(wanted)) };
          };
          const { sets, set } = await find();
          if (set === undefined) return null;
          const verifier = new SetVerifier(root, sets, level, { known: knownOfRun(), lookInside });
          const outcome = await verifier.verify(set, work, {
            done: artifactsDone(await readVerification(root, set), level),
            enough: () => budgetMs !== undefined && Date.now() - startedMs >= budgetMs,
          });
          // Retention may have removed it while it was read; that is no damage.
          if ((await find()).set === undefined) return null;
          await recordVerification(root, outcome);
          for (const { file, artifact, expected, actual } of outcome.damage) {
            await runLog.write(
              `Damaged: ${artifact}/${file} of set ${setName(set)}: expected ${expected}, found ${actual}`,
            );
          }
          return summary(outcome, volumes ? await volumeNotes(set) : [], Date.now() - startedMs);
        });
      },
    ),
  };
}

function summary(
  outcome: VerificationOutcome,
  volumeNotes: readonly string[],
  durationMs: number,
): VerifiedSet {
  const { set, files, bytes, unfinished = [], damage, notes = [] } = outcome;
  return {
    set: setName(set),
    files,
    bytes,
    unfinished: unfinished.length,
    damage: damage
      .slice(0, MOST_NAMED)
      .map(({ service, source, artifact, file, expected, actual, names }): DamagedFile => ({
        service,
        source,
        file: file === '.' ? artifact : `${artifact}/${file}`,
        expected,
        actual,
        sets: [...new Set([setName(set), ...names.map((name) => setName(name.set))])].sort(),
      })),
    notes: [...notes, ...volumeNotes].slice(0, MOST_NAMED),
    durationMs,
  };
}

function differenceOf(saved: VolumeInfo, now: VolumeInfo): string | undefined {
  if (saved.driver !== now.driver) return `has the driver ${now.driver}, not ${saved.driver}`;
  const text = (options: VolumeInfo['options']): string =>
    Object.entries(options)
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join(', ');
  const [was, is] = [text(saved.options), text(now.options)];
  return was === is ? undefined : `has other options than when it was saved (${is}, not ${was})`;
}
