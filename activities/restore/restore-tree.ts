/** Files and volumes from artifacts: unpacked beside their place first, then swapped in. */
import { chmod, chown, mkdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { canResume, extractTree } from '../../src/tree/unpack/extract.js';
import { isForeign } from '../../src/tree/unpack/foreign.js';
import { planSwap, stagePath, swapIn } from '../../src/tree/swap/replace.js';
import { applyAttributes } from '../../src/tree/unpack/attributes.js';
import { filesBase } from '../../src/format/config/artifacts.js';
import type { FilesSource, SourceConfig, VolumeSource } from '../../src/format/config/sources.js';
import { extractIntoVolume } from './volume-extract.js';
import { stageVolume, stagingName } from '../../src/docker/volumes/aside.js';
import { swapVolume } from '../../src/docker/volumes/volume-swap.js';
import { findVolume } from '../../src/docker/volumes/volumes.js';
import { HoldfastError } from '../../src/base/errors.js';
import type { Work } from '../../src/base/progress.js';
import type { ArtifactManifest, VolumeInfo } from '../../src/format/manifest.js';
import { readRestorable } from '../../src/legacy/old-records.js';
import { readStep, writeStep } from '../../src/store/records/restore-record.js';
import { removeTree } from '../../src/base/files/durable.js';
import { withFileLock } from '../../src/base/files/lock.js';
import { lookUpOwner } from '../../src/base/files/ownership.js';
import { unpackJournal } from '../shared/places.js';
import { forRestore, requireOpen, restoreLock, volumeToRestore } from './restore-context.js';
import {
  checkDigest,
  guarded,
  projectOf,
  serviceOf,
  sourceOf,
  withHeartbeat,
  type ActivityDependencies,
} from '../shared/runtime.js';

export interface RestoreReference {
  readonly restoreId: string;
  readonly configDigest: string;
  readonly service: string;
  readonly source: string;
  /** Relative to the root. */
  readonly artifactPath: string;
}

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createRestoreTreeActivities(dependencies: ActivityDependencies) {
  const of = async (input: RestoreReference): Promise<TreeRestorer> =>
    treeRestorer(await forRestore(dependencies, input.restoreId));
  return {
    /** Unpacks into a new place beside the target. A second attempt goes on from the finished parts. */
    unpackSource: guarded(async (input: RestoreReference): Promise<{ entries: number }> =>
      (await of(input)).unpackSource(input),
    ),

    /** Renames the old state aside and the new one into place; recorded on disk before. */
    swapSource: guarded(async (input: RestoreReference): Promise<{ aside?: string }> =>
      (await of(input)).swapSource(input),
    ),
  };
}

interface TreeRestorer {
  readonly unpackSource: (input: RestoreReference) => Promise<{ entries: number }>;
  readonly swapSource: (input: RestoreReference) => Promise<{ aside?: string }>;
}

function treeRestorer({ config, engine, runLog }: ActivityDependencies): TreeRestorer {
  const { root } = config.backups;

  const locked = <T>(input: RestoreReference, work: Work, action: () => Promise<T>): Promise<T> =>
    withFileLock(
      restoreLock(root, input.restoreId, input.service, input.source),
      { mode: 'wait', signal: work.signal },
      async () => {
        await requireOpen(root, input);
        return action();
      },
    );

  return {
    unpackSource: async (input) => {
      checkDigest(config, input.configDigest);
      const source = sourceOf(config, input.service, input.source);
      return withHeartbeat(input, 'unpack', (work) =>
        locked(input, work, async () => {
          const { directory, manifest } = await readRestorable(root, input.artifactPath);
          const { restoreId, service } = input;
          const journal = unpackJournal(root, restoreId, service, input.source);
          await mkdir(path.dirname(journal), { recursive: true, mode: 0o700 });
          const artifact = { artifactDirectory: directory, manifest, journal };
          const unpacked = await unpack(input, source, artifact, work);
          await rm(journal, { force: true });
          return unpacked;
        }),
      );
    },

    swapSource: async (input) => {
      checkDigest(config, input.configDigest);
      const source = sourceOf(config, input.service, input.source);
      return withHeartbeat(input, 'swap', (work) =>
        locked(input, work, async () => {
          switch (source.kind) {
            case 'files':
              return swapFiles(input, source);
            case 'volume':
              return swapVolumeSource(input, source, work);
            case 'postgres':
              throw new HoldfastError('INTERNAL', `${input.source} is not a tree`);
          }
        }),
      );
    },
  };

  function unpack(
    input: RestoreReference,
    source: SourceConfig,
    artifact: UnpackedArtifact,
    work: Work,
  ): Promise<{ entries: number }> {
    switch (source.kind) {
      case 'files':
        return unpackFiles(input, source, artifact, work);
      case 'volume':
        return unpackVolume(input, source, artifact, work);
      case 'postgres':
        throw new HoldfastError('INTERNAL', `${input.source} is not a tree`);
    }
  }

  function baseOf(input: RestoreReference, source: FilesSource): string {
    const base = filesBase(serviceOf(config, input.service), source);
    if (base !== undefined) return base;
    throw new HoldfastError('CONFIG_INVALID', `service ${input.service} has no home`);
  }

  async function unpackFiles(
    input: RestoreReference,
    source: FilesSource,
    { artifactDirectory, manifest, journal }: UnpackedArtifact,
    work: Work,
  ): Promise<{ entries: number }> {
    const base = baseOf(input, source);
    const stage = await stagePath(base, input.restoreId);
    const extraction = {
      artifactDirectory,
      files: manifest.files,
      allowDevices: bringsDevices(manifest),
      target: stage,
      ...resumable(manifest, journal),
    };
    if (!(await canResume(extraction)))
      await removeTree(stage, { ours: true, signal: work.signal });
    await mkdir(stage, { recursive: true, mode: 0o700 });
    // The old script's archives may not have the directory itself among their entries.
    if (isForeign(manifest.files)) await makeLike(base, stage);
    const { entries } = await extractTree(extraction, work);
    if (source.afterRestore !== undefined) {
      const { owner, directoryMode, fileMode } = source.afterRestore;
      await applyAttributes(stage, {
        ...(owner === undefined ? {} : { owner: await lookUpOwner(owner) }),
        ...(directoryMode === undefined ? {} : { directoryMode }),
        ...(fileMode === undefined ? {} : { fileMode }),
      });
    }
    return { entries };
  }

  async function swapFiles(
    input: RestoreReference,
    source: FilesSource,
  ): Promise<{ aside?: string }> {
    const base = baseOf(input, source);
    const earlier = await readStep(root, input.restoreId, input.service, input.source);
    let swap = earlier?.undo.kind === 'tree' ? earlier.undo : undefined;
    const at = earlier?.at ?? new Date().toISOString();
    if (swap === undefined) {
      const stage = await stagePath(base, input.restoreId);
      const place = { base, include: source.include, exclude: source.exclude };
      const planned = await planSwap(place, stage, input.restoreId);
      swap = {
        ...planned,
        kind: 'tree',
        oldUnits: [...planned.oldUnits],
        newUnits: [...planned.newUnits],
        carried: [...planned.carried],
        kept: planned.kept === undefined ? undefined : [...planned.kept],
      };
    }
    const step = { service: input.service, source: input.source, at, undo: swap };
    await writeStep(root, input.restoreId, { ...step, state: 'registered' });
    const { aside } = await swapIn(swap);
    await writeStep(root, input.restoreId, { ...step, state: 'done' });
    await runLog.write(
      `Restored ${input.service}/${input.source} to ${base}` +
        (aside === undefined ? '' : `; what was there is kept in ${aside}`),
    );
    return aside === undefined ? {} : { aside };
  }

  async function unpackVolume(
    input: RestoreReference,
    source: VolumeSource,
    { artifactDirectory, manifest, journal }: UnpackedArtifact,
    work: Work,
  ): Promise<{ entries: number }> {
    const staging = await stageVolume(engine, source.volume, input.restoreId);
    return extractIntoVolume(
      engine,
      {
        volume: staging.name,
        artifactDirectory,
        files: manifest.files,
        allowDevices: bringsDevices(manifest),
        ...resumable(manifest, journal),
      },
      work,
    );
  }

  /** The old script kept nothing of a volume but its content: as it is here, or as compose makes it. */
  async function volumeNow(input: RestoreReference, { volume }: VolumeSource): Promise<VolumeInfo> {
    const found = await findVolume(engine, volume);
    if (found !== undefined) {
      const { driver, options, labels } = found;
      return { name: volume, driver, options, labels };
    }
    const project = projectOf(input.service, serviceOf(config, input.service));
    const labels: VolumeInfo['labels'] =
      project === undefined || !volume.startsWith(`${project}_`)
        ? {}
        : {
            'com.docker.compose.project': project,
            'com.docker.compose.volume': volume.slice(project.length + 1),
          };
    return { name: volume, driver: 'local', options: {}, labels };
  }

  async function swapVolumeSource(
    input: RestoreReference,
    source: VolumeSource,
    work: Work,
  ): Promise<{ aside?: string }> {
    const { manifest } = await readRestorable(root, input.artifactPath);
    const saved =
      manifest.importedFrom === undefined
        ? volumeInfo(source, manifest)
        : await volumeNow(input, source);
    const info = await volumeToRestore(config, input.restoreId, saved);
    const earlier = await readStep(root, input.restoreId, input.service, input.source);
    const existed =
      earlier?.undo.kind === 'volume'
        ? earlier.undo.existed
        : (await findVolume(engine, source.volume)) !== undefined;
    const staging = stagingName(source.volume, input.restoreId);
    const step = {
      service: input.service,
      source: input.source,
      at: earlier?.at ?? new Date().toISOString(),
      undo: { kind: 'volume' as const, volume: source.volume, stage: staging, existed },
    };
    await writeStep(root, input.restoreId, { ...step, state: 'registered' });
    const { aside } = await swapVolume(
      engine,
      { volume: info, staging, asideId: input.restoreId },
      work,
    );
    await writeStep(root, input.restoreId, { ...step, state: 'done' });
    await runLog.write(
      `Restored volume ${source.volume}` +
        (aside === undefined ? '' : `; what was in it is kept in ${aside}`),
    );
    return aside === undefined ? {} : { aside };
  }
}

/** One tar as a whole is unpacked from its beginning. */
function resumable({ files }: ArtifactManifest, journal: string): { journal?: string } {
  return isForeign(files) ? {} : { journal };
}

/** Mode and owner of the directory that will be replaced; those of a usual one where there is none. */
async function makeLike(model: string, directory: string): Promise<void> {
  const found = await stat(model).catch(() => undefined);
  await chmod(directory, found === undefined ? 0o755 : found.mode & 0o7777);
  if (found === undefined) return;
  await chown(directory, found.uid, found.gid);
  await chmod(directory, found.mode & 0o7777);
}

interface UnpackedArtifact {
  readonly artifactDirectory: string;
  readonly manifest: ArtifactManifest;
  readonly journal: string;
}

/** The volume as it was backed up, under the name it has in the configuration. */
function volumeInfo(source: VolumeSource, manifest: ArtifactManifest): VolumeInfo {
  if (manifest.volume === undefined) {
    throw new HoldfastError('MANIFEST_INVALID', `the artifact of ${source.volume} names no volume`);
  }
  return { ...manifest.volume, name: source.volume };
}

/**
 * A set of ours has a device node only where the source had one (a chroot with its `dev/null`), and brings
 * it back. In an archive of unknown origin it is refused.
 */
function bringsDevices({ importedFrom, files }: ArtifactManifest): boolean {
  return importedFrom === undefined && !isForeign(files);
}
