/** Files and volumes into artifacts. */
import { Context, log } from '@temporalio/activity';
import { archiveTree, type ArchivedTree } from '../../src/tree/pack/archive.js';
import type { TreeSpec } from '../../src/tree/index/entry.js';
import { readFinished } from '../../src/tree/pack/finished-parts.js';
import { directReader, type TreeReader } from '../../src/tree/scan/reader.js';
import type { KnownPart } from '../../src/format/known-parts.js';
import { filesBase } from '../../src/format/config/artifacts.js';
import { toRetentionPolicy } from '../../src/config/retention-policy.js';
import type { FilesSource, VolumeSource } from '../../src/format/config/sources.js';
import type { ServiceConfig } from '../../src/format/config/schema.js';
import {
  readableMountpoint,
  inspectVolume,
  volumeSizeBytes,
} from '../../src/docker/volumes/volumes.js';
import { VOLUME_ROOT } from '../../src/docker/volumes/helper.js';
import { requireVolume } from '../../src/docker/volumes/volume-needs.js';
import { volumeReader } from './volume-reader.js';
import { HoldfastError, messageOf } from '../../src/base/errors.js';
import { describeShrink } from '../../src/plan/backup/anomaly.js';
import { judgeEmptiness } from '../../src/plan/backup/emptied.js';
import { setName } from '../../src/format/set-order.js';
import { count, formatBytes } from '../../src/base/words.js';
import type { Attempt } from '../../src/store/write/attempts.js';
import type { Problem, SetArtifact, VolumeInfo } from '../../src/format/manifest.js';
import { previousParts } from '../../src/store/catalogue/previous.js';
import { readStoreKnowledge } from '../../src/store/catalogue/set-knowledge.js';
import { damagedFiles } from '../../src/store/verify/verification.js';
import type { Priority } from '../../src/base/process/process.js';
import { rateLimit } from '../../src/base/rate-limit.js';
import type { SourceReference } from '../shared/source-reference.js';
import { quiesceOf } from './hold.js';
import {
  checkDigest,
  guarded,
  serviceOf,
  sourceOf,
  timeOf,
  withHeartbeat,
  type ActivityDependencies,
} from '../shared/runtime.js';
import { saveArtifact, type SavedArtifact } from './save.js';

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createArchiveActivities(dependencies: ActivityDependencies) {
  const { config, engine, runLog } = dependencies;
  const { root, limits } = config.backups;
  const priority: Priority = { nice: limits.nice, io: limits.io };
  // One for all: sources that are read side by side share the rate.
  const throttle = limits.readRate === undefined ? undefined : rateLimit(limits.readRate);
  return {
    archiveSource: guarded(async (input: SourceReference): Promise<SavedArtifact> => {
      checkDigest(config, input.configDigest);
      const service = serviceOf(config, input.service);
      const source = sourceOf(config, input.service, input.source);
      if (source.kind === 'postgres') {
        throw new HoldfastError('INTERNAL', `${input.source} is not a tree`);
      }
      return withHeartbeat(input, 'scan', async (work) => {
        const { spec, reader, volume } =
          source.kind === 'files'
            ? filesPlace(service, source, priority)
            : await volumePlace(source, input);
        return saveArtifact(
          dependencies,
          input,
          Context.current().info.attempt,
          work,
          async ({ directory: destination, journal, earlier }) => {
            const known = [
              ...(await Promise.all(earlier.map(finishedIn))).flat(),
              ...(await lastParts(input)),
            ];
            const archived = await archiveTree(
              {
                spec,
                reader,
                destination,
                compressionLevel: config.backups.compressionLevel,
                onChange: source.onChange,
                // A volume that nobody has written to yet is a state like any other.
                allowEmpty: source.allowEmpty ?? true,
                setId: input.setId,
                journal,
                known,
                settleMs: config.backups.settle,
                priority,
                ...(throttle === undefined ? {} : { throttle }),
                ...(limits.writers === undefined ? {} : { writers: limits.writers }),
              },
              work,
            );
            await runLog.write(
              `${input.service}/${input.source}: ${count(archived.totals.entries, 'entry', 'entries')}, ` +
                `${formatBytes(archived.totals.contentBytes)}, ${formatBytes(archived.totals.storedBytes)} stored` +
                describeLinked(archived),
            );
            return {
              kind: source.kind,
              files: archived.files,
              totals: archived.totals,
              consistency: archived.consistency,
              quiesce: describeQuiesce(source),
              tree: archived.tree,
              ...(volume === undefined ? {} : { volume }),
              problems: [
                ...problemsOf(input, archived),
                ...(source.allowEmpty === undefined ? await emptied(input, archived) : []),
              ],
            };
          },
        );
      });
    }),
  };

  /**
   * What a volume's being empty means, by the backups before it.
   * @throws HoldfastError EMPTY_SOURCE where it had content that only a failure keeps from being pruned
   */
  async function emptied(
    { setId, service, source, artifactPath: path }: SourceReference,
    { tree: { counts }, totals }: ArchivedTree,
  ): Promise<Problem[]> {
    if (counts.files + counts.symlinks + counts.others > 0) return [];
    const { sets, knowledge } = await readStoreKnowledge(root, config.stack);
    const artifact: SetArtifact = {
      ...{ service, source, kind: 'volume', path, manifestSha256: '', consistent: true },
      ...totals,
    };
    const verdict = judgeEmptiness(
      sets,
      { setId, at: timeOf(dependencies), artifact },
      {
        rule: toRetentionPolicy(config).anomaly,
        accepted: knowledge.accepted,
        isSound: (set, one) =>
          knowledge.unsound.get(setName(set))?.artifacts.has(one.path) !== true,
      },
    );
    switch (verdict.state) {
      case 'always':
        return [];
      case 'shrunk': {
        const message =
          `${describeShrink(verdict.shrink)}: no set is removed until it has content again, ` +
          'or `holdfast prune --accept-shrink` says that it is right';
        return [{ service, source, code: 'EMPTY_SOURCE', message }];
      }
      case 'emptied':
        throw new HoldfastError(
          'EMPTY_SOURCE',
          `${service}/${source} is empty, and set ${verdict.setId} has content of it`,
          {
            facts: { service, source, setId: verdict.setId },
            hint: 'is it the right volume? If it may be empty, set allowEmpty: true',
          },
        );
    }
  }

  /** Of the last backup; none when it is not known which of its files are damaged. */
  async function lastParts({ service, source }: SourceReference): Promise<KnownPart[]> {
    const damaged = await damagedFiles(root).catch((error: unknown) => {
      log.warn('nothing is linked: records of verifications cannot be read', {
        reason: messageOf(error),
      });
      return undefined;
    });
    if (damaged === undefined) return [];
    const writtenAfter = new Date(Date.now() - config.backups.fullEvery);
    return previousParts(root, { stack: config.stack, service, source, writtenAfter, damaged });
  }

  async function volumePlace(source: VolumeSource, input: SourceReference): Promise<Place> {
    const found = await inspectVolume(engine, source.volume);
    const sizeBytes = await volumeSizeBytes(engine, source.volume);
    await runLog.write(
      `Volume ${source.volume} size: ${sizeBytes === undefined ? 'unknown' : formatBytes(sizeBytes)}`,
    );
    const mountpoint = await readableMountpoint(engine, source.volume);
    const volume: VolumeInfo = {
      name: found.name,
      driver: found.driver,
      options: found.options,
      labels: found.labels,
    };
    if (mountpoint !== undefined) {
      return {
        spec: specOf(mountpoint, ['**'], source),
        reader: directReader(mountpoint, priority),
        volume,
      };
    }
    await requireVolume(engine, volume);
    const reader = await volumeReader(engine, {
      volume: source.volume,
      name: `holdfast-read-${input.setId}-${input.service}-${input.source}`,
    });
    return { spec: specOf(VOLUME_ROOT, ['**'], source), reader, volume };
  }
}

interface Place {
  readonly spec: TreeSpec;
  readonly reader: TreeReader;
  readonly volume?: VolumeInfo;
}

function filesPlace(service: ServiceConfig, source: FilesSource, priority: Priority): Place {
  const base = filesBase(service, source);
  if (base === undefined) {
    throw new HoldfastError('CONFIG_INVALID', 'a files source needs the service to have a home');
  }
  return { spec: specOf(base, source.include, source), reader: directReader(base, priority) };
}

function specOf(
  root: string,
  include: readonly string[],
  source: FilesSource | VolumeSource,
): TreeSpec {
  return { root, include, exclude: source.exclude, oneFileSystem: source.oneFileSystem };
}

function describeQuiesce(source: FilesSource | VolumeSource): string {
  const quiesce = quiesceOf(source);
  return typeof quiesce === 'string' ? quiesce : `hook in ${quiesce.container}`;
}

/** What an earlier attempt of this run had finished when it was killed. */
function finishedIn({ journal, directory }: Attempt): Promise<KnownPart[]> {
  return readFinished(journal, directory);
}

function describeLinked({ linked }: ArchivedTree): string {
  if (linked.parts === 0) return '';
  return `, of which ${formatBytes(linked.storedBytes)} in ${linked.parts} parts are unchanged`;
}

/** What was saved, but not as wished: it degrades the run, by name. */
function problemsOf(input: SourceReference, archived: ArchivedTree): Problem[] {
  const where = { service: input.service, source: input.source };
  const problems: Problem[] = [];
  const { consistency, changedCount, unmatchedIncludes, skippedMounts, tooLong } = archived;
  if (consistency.state === 'inconsistent' && consistency.policy === 'degrade') {
    const names = consistency.changed.slice(0, 3).join(', ');
    problems.push({
      ...where,
      code: 'CHANGED_WHILE_READ',
      message: `${count(changedCount, 'entry', 'entries')} kept changing while they were read (${names})`,
    });
  }
  // A wildcard may match nothing; a file that is named should be there.
  const missing = unmatchedIncludes.filter((pattern) => !/[*?[]/.test(pattern));
  if (missing.length > 0) {
    problems.push({
      ...where,
      code: 'NOTHING_MATCHED',
      message: `nothing matches ${missing.join(', ')}`,
    });
  }
  if (skippedMounts.length > 0) {
    problems.push({
      ...where,
      code: 'MOUNT_SKIPPED',
      message: `mount points were not entered: ${skippedMounts.slice(0, 5).join(', ')}`,
    });
  }
  if (tooLong > 0) {
    problems.push({
      ...where,
      code: 'PATH_TOO_LONG',
      message: `${tooLong} entries were left out, since their path is longer than 4096 bytes`,
    });
  }
  for (const warning of archived.warnings) log.warn('tar warned', { ...where, warning });
  for (const problem of problems) log.warn(problem.message, { ...where, code: problem.code });
  return problems;
}
