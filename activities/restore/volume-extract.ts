/** Unpacking into a volume and emptying one: directly where it can be seen, else in a helper. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { canResume, extractTree } from '../../src/tree/unpack/extract.js';
import { HoldfastError } from '../../src/base/errors.js';
import type { Work } from '../../src/base/progress.js';
import type { ArtifactFile } from '../../src/format/manifest.js';
import { removeTree } from '../../src/base/files/durable.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { helperImage, runHelper, VOLUME_ROOT } from '../../src/docker/volumes/helper.js';
import { startHelperCommand } from '../../src/docker/volumes/helper-command.js';
import { readableMountpoint } from '../../src/docker/volumes/volumes.js';

export interface VolumeExtract {
  readonly volume: string;
  readonly artifactDirectory: string;
  readonly files: readonly ArtifactFile[];
  /** As in ExtractOptions. */
  readonly allowDevices?: boolean | undefined;
  /** As in ExtractOptions; used where the volume's directory can be reached. */
  readonly journal?: string | undefined;
}

/**
 * Empties the volume and unpacks the parts into it, or goes on with what the journal knows of. Errors
 * as {@link extractTree}.
 */
export async function extractIntoVolume(
  engine: Engine,
  { volume, artifactDirectory, files, allowDevices = false, journal }: VolumeExtract,
  work: Work,
): Promise<{ entries: number; bytes: number }> {
  const mountpoint = await readableMountpoint(engine, volume);
  if (mountpoint !== undefined) {
    const extraction = {
      artifactDirectory,
      files,
      allowDevices,
      target: mountpoint,
      ...(journal === undefined ? {} : { journal }),
    };
    if (!(await canResume(extraction))) await emptyVolume(engine, volume, work);
    return extractTree(extraction, work);
  }
  await emptyVolume(engine, volume, work);
  const image = await helperImage(engine);
  return extractTree(
    {
      artifactDirectory,
      files,
      allowDevices,
      target: VOLUME_ROOT,
      startTar: (args, signal) =>
        startHelperCommand(engine, {
          name: `holdfast-unpack-${volume}`,
          image,
          argv: ['tar', ...args],
          mounts: [{ type: 'volume', source: volume, target: VOLUME_ROOT }],
          workingDirectory: VOLUME_ROOT,
          env: { LC_ALL: 'C' },
          openStdin: true,
          signal,
        }),
    },
    work,
  );
}

/** Removes all content of a volume, keeping the volume. @throws HoldfastError RESTORE_FAILED */
export async function emptyVolume(engine: Engine, volume: string, work: Work): Promise<void> {
  const mountpoint = await readableMountpoint(engine, volume);
  if (mountpoint !== undefined) {
    for (const name of await readdir(mountpoint, { encoding: 'buffer' })) {
      await removeTree(Buffer.concat([Buffer.from(`${mountpoint}${path.sep}`), name]), {
        ours: true,
        signal: work.signal,
      });
    }
    return;
  }
  const { exitCode, stderr } = await runHelper(engine, {
    name: `holdfast-empty-${volume}`,
    argv: ['find', VOLUME_ROOT, '-mindepth', '1', '-delete'],
    mounts: [{ type: 'volume', source: volume, target: VOLUME_ROOT }],
    signal: work.signal,
  });
  if (exitCode === 0) return;
  throw new HoldfastError('RESTORE_FAILED', `volume ${volume} can't be emptied: ${stderr.trim()}`, {
    facts: { volume, exitCode },
  });
}
