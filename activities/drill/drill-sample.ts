/** What a drill does with sources that are too large for it: some files of them, chosen by chance. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { compareWithArtifact } from '../../src/tree/compare/compare-artifact.js';
import { selectSample } from '../../src/tree/unpack/sample.js';
import { extractTo } from '../../src/tree/unpack/select-extract.js';
import { HoldfastError } from '../../src/base/errors.js';
import type { Work } from '../../src/base/progress.js';
import { readArtifact } from '../../src/store/write/artifact.js';
import { readRestoreRecord } from '../../src/store/records/restore-record.js';
import { removeTree } from '../../src/base/files/durable.js';
import { withFileLock } from '../../src/base/files/lock.js';
import { artifactOf, requireAsBackedUp } from './drill-compare.js';
import { requireOpen, restoreLock } from '../restore/restore-context.js';
import type { RestoreReference } from '../restore/restore-tree.js';
import {
  checkDigest,
  guarded,
  withHeartbeat,
  type ActivityDependencies,
} from '../shared/runtime.js';

export interface SampleReference extends RestoreReference {
  /** What the sample may take on disk. */
  readonly mostBytes: number;
}

export interface ComparedSample {
  /** None where no file of the source fits. */
  readonly files: number;
  readonly bytes: number;
  /** Content of the whole source. */
  readonly ofBytes: number;
}

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createDrillSampleActivities({ config }: ActivityDependencies) {
  const { root } = config.backups;
  return {
    /**
     * Unpacks some files of a source into the drill's workspace, compares them with the artifact and
     * removes them. Which ones follows from the drill's id: every drill looks at others, and a second
     * attempt at the same. Volumes are unpacked into a directory, too.
     * @throws HoldfastError RESTORE_MISMATCH, and as `extractTo`
     */
    sampleDrillSource: guarded(async (input: SampleReference): Promise<ComparedSample> => {
      checkDigest(config, input.configDigest);
      const { restoreId, service, source } = input;
      return withHeartbeat(input, 'sample', (work) =>
        withFileLock(
          restoreLock(root, restoreId, service, source),
          { mode: 'wait', signal: work.signal },
          async () => {
            await requireOpen(root, input);
            const workspace = (await readRestoreRecord(root, restoreId))?.drill?.workspace;
            if (workspace === undefined) {
              throw new HoldfastError('INTERNAL', `${restoreId} is not a drill`);
            }
            const place = path.join(workspace, 'sample', `${service}--${source}`);
            // What a killed attempt has left.
            await removeTree(place);
            await mkdir(place, { recursive: true, mode: 0o700 });
            try {
              return await compareSample(input, path.join(place, 'tree'), work);
            } finally {
              await removeTree(place);
            }
          },
        ),
      );
    }),
  };

  async function compareSample(
    { restoreId, artifactPath, mostBytes }: SampleReference,
    target: string,
    work: Work,
  ): Promise<ComparedSample> {
    const artifactDirectory = await artifactOf(root, artifactPath);
    const manifest = await readArtifact(artifactDirectory);
    const ofBytes = manifest.totals.contentBytes;
    const sampleBytes = Math.min(config.drill.sample ?? 0, mostBytes);
    const size = { seed: restoreId, sampleBytes, mostBytes };
    const selection = await selectSample(artifactDirectory, manifest, size, work);
    if (selection.entries === 0) return { files: 0, bytes: 0, ofBytes };
    // With owners, as a restore does: who can't give them away can't restore either.
    await extractTo(
      {
        artifactDirectory,
        manifest,
        selection,
        target: { path: target, exists: false },
        asRoot: true,
      },
      work,
    );
    const { differences } = await compareWithArtifact(
      { artifactDirectory, manifest, root: target, selection },
      work,
    );
    requireAsBackedUp(differences, manifest);
    return { files: selection.entries, bytes: selection.bytes, ofBytes };
  }
}
