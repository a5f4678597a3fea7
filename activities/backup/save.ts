/** What writing an artifact has in common, whatever its kind: place, lock, manifest, promotion. */
import type { Work } from '../../src/base/progress.js';
import { finishArtifact } from '../../src/store/write/artifact.js';
import { beginAttempt, promoteAttempt, type Attempt } from '../../src/store/write/attempts.js';
import {
  ARTIFACT_FORMAT,
  FORMAT_VERSION,
  isLinked,
  type ArtifactManifest,
  type Problem,
  type SetArtifact,
} from '../../src/format/manifest.js';
import { withFileLock } from '../../src/base/files/lock.js';
import { toolVersions } from '../../src/base/process/tools.js';
import { artifactName } from '../../src/format/config/artifacts.js';
import type { SourceReference } from '../shared/source-reference.js';
import { lockFile } from '../shared/places.js';
import { sourceOf, type ActivityDependencies } from '../shared/runtime.js';

export interface SavedArtifact {
  readonly artifact: SetArtifact;
  readonly problems: readonly Problem[];
}

export type ArtifactContent = Pick<
  ArtifactManifest,
  'kind' | 'files' | 'totals' | 'consistency' | 'quiesce' | 'tree' | 'volume' | 'postgres'
> & { readonly problems: readonly Problem[]; readonly tools?: Record<string, string> };

/** Where an artifact is written, and the attempts before that did not come to their end. */
export type Destination = Attempt & { readonly earlier: readonly Attempt[] };

/**
 * Writes one artifact into the set's incoming directory: a directory of this attempt's own, the
 * content, the manifest, then one rename. The lock keeps out an earlier attempt that has not noticed
 * yet that it was given up.
 */
export async function saveArtifact(
  { config }: ActivityDependencies,
  input: SourceReference,
  attempt: number,
  work: Work,
  write: (destination: Destination) => Promise<ArtifactContent>,
): Promise<SavedArtifact> {
  const { root } = config.backups;
  const { setId, service, source } = input;
  const key = lockFile(root, setId, service, source);
  return withFileLock(key, { mode: 'wait', signal: work.signal }, async () => {
    const startedAt = new Date().toISOString();
    const destination = await beginAttempt(root, {
      setId,
      relativePath: input.artifactPath,
      attempt,
    });
    const { problems, tools, ...content } = await write(destination);
    const manifest: ArtifactManifest = {
      format: ARTIFACT_FORMAT,
      version: FORMAT_VERSION,
      setId,
      stack: config.stack,
      host: config.hostId,
      service,
      source,
      name: artifactName(source, sourceOf(config, service, source)),
      startedAt,
      finishedAt: new Date().toISOString(),
      tools: { ...(await toolVersions()), ...tools },
      verification: [],
      ...content,
    };
    work.report({
      phase: 'finish',
      bytes: content.totals.contentBytes,
      entries: 0,
      totalBytes: content.totals.contentBytes,
    });
    const { manifestSha256 } = await finishArtifact(destination.directory, manifest);
    await promoteAttempt(root, { setId, relativePath: input.artifactPath, attempt });
    return {
      artifact: {
        service,
        source,
        kind: content.kind,
        path: input.artifactPath,
        manifestSha256,
        contentBytes: content.totals.contentBytes,
        storedBytes: content.totals.storedBytes,
        linkedBytes: linkedBytesOf(manifest),
        entries: content.totals.entries,
        consistent: content.consistency.state === 'consistent',
      },
      problems,
    };
  });
}

/** Bytes of files that were written for an earlier set and are shared with it. */
function linkedBytesOf({ setId, files }: ArtifactManifest): number {
  return files
    .filter((file) => isLinked(file, setId))
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
