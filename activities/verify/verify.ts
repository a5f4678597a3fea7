/** Reading artifacts again: after they were written, and before anything is restored from them. */
import path from 'node:path';
import { HoldfastError } from '../../src/base/errors.js';
import type { SetArtifact } from '../../src/format/manifest.js';
import { incomingArtifact } from '../../src/store/write/incoming-paths.js';
import { checkOldFile } from '../../src/legacy/check-old.js';
import { isOldFile } from '../../src/legacy/old-records.js';
import { readArtifact } from '../../src/store/write/artifact.js';
import { verifyArtifact, type VerifyOptions } from '../../src/store/verify/verify.js';
import { resolveInside } from '../../src/store/layout.js';
import { mapName, type Mapping } from '../../src/format/mapping.js';
import { archivesOf } from '../../src/postgres/replace/replace-database.js';
import { verifyDump } from '../../src/postgres/inspect/verify.js';
import { containerExec } from '../../src/postgres/client/container.js';
import { findContainer } from '../../src/docker/containers/containers.js';
import {
  guarded,
  sourceOf,
  withHeartbeat,
  type ActivityDependencies,
  type Checkpoint,
} from '../shared/runtime.js';
import type { SourceReference } from '../shared/source-reference.js';

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createVerifyActivities({ config, engine }: ActivityDependencies) {
  const { root } = config.backups;
  return {
    /**
     * Every file that was written for a fresh artifact against its checksum, from disk. What is linked
     * from an earlier set was verified then, and is again when its turn comes.
     */
    verifyWritten: guarded(
      async (input: SourceReference & { manifestSha256: string }): Promise<void> => {
        const directory = incomingArtifact(root, {
          setId: input.setId,
          relativePath: input.artifactPath,
        });
        await withHeartbeat(input, 'verify', (work, checkpoint) =>
          verifyArtifact(
            directory,
            {
              manifestSha256: input.manifestSha256,
              level: 'hashes',
              onlyWritten: true,
              ...resumed(checkpoint),
            },
            work,
          ),
        );
      },
    ),

    /** Everything that can be known about an artifact before it is restored. Touches nothing. */
    preflightArtifact: guarded(
      async (input: {
        service: string;
        source: string;
        artifact: SetArtifact;
        databases?: readonly string[] | undefined;
        map?: Mapping | undefined;
      }): Promise<void> => {
        if (await isOldFile(root, input.artifact.path)) {
          // It has no archives of single databases: that says so.
          if (input.databases !== undefined) archivesOf([], input.databases);
          await withHeartbeat(input, 'read', (work) => checkOldFile(config, input, work));
          return;
        }
        const directory = await resolveInside(root, input.artifact.path);
        await withHeartbeat(input, 'verify', async (work, checkpoint) => {
          await verifyArtifact(
            directory,
            {
              manifestSha256: input.artifact.manifestSha256,
              level: 'decode',
              ...resumed(checkpoint),
            },
            work,
          );
          const manifest = await readArtifact(directory);
          if (manifest.kind !== sourceOf(config, input.service, input.source).kind) {
            throw new HoldfastError(
              'RESTORE_FAILED',
              `${path.basename(directory)} holds ${manifest.kind}, the configuration says otherwise`,
            );
          }
          if (input.databases !== undefined) archivesOf(manifest.files, input.databases);
          if (manifest.postgres === undefined) return;
          const running = await findContainer(
            engine,
            mapName(manifest.postgres.container, input.map?.containers ?? {}),
          );
          const pg =
            running?.state === 'running'
              ? containerExec(engine, { container: running.name })
              : undefined;
          await verifyDump(
            { directory, files: manifest.files, postgres: manifest.postgres },
            pg,
            work,
          );
        });
      },
    ),
  };
}

/** An attempt whose worker died is gone on with: what it had read is not read again. */
function resumed({ earlier, save }: Checkpoint): Pick<VerifyOptions, 'from' | 'onFile'> {
  const from = { hashed: earlier?.['hashed'] ?? 0, decoded: earlier?.['decoded'] ?? 0 };
  return { from, onFile: (done) => save({ ...done }) };
}
