/** A store in a temporary directory with artifacts that are real enough to be verified. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { archiveTree } from '../../../src/tree/pack/archive.js';
import { finishArtifact } from '../../../src/store/write/artifact.js';
import { beginAttempt, promoteAttempt } from '../../../src/store/write/attempts.js';
import type { ArtifactManifest, SetArtifact, SetFile, Tier } from '../../../src/format/manifest.js';
import { quiet } from '../tree/awkward-tree.js';

export const MANIFEST: ArtifactManifest = {
  format: 'holdfast-artifact',
  version: 1,
  setId: '20241212_010000',
  stack: 'ml',
  host: 'box',
  service: 'agent',
  source: 'data',
  kind: 'files',
  name: 'agent data',
  startedAt: '2024-12-12T01:00:00Z',
  finishedAt: '2024-12-12T01:00:05Z',
  tools: { tar: '1.34' },
  quiesce: 'live',
  consistency: { state: 'consistent', changed: [], policy: 'degrade' },
  files: [],
  totals: { contentBytes: 0, storedBytes: 0, entries: 0 },
  verification: [],
};

/** Archives `source` into `directory` and completes it as an artifact. */
export async function writeTreeArtifact(
  source: string,
  directory: string,
  overrides: Partial<ArtifactManifest> = {},
): Promise<{ manifest: ArtifactManifest; manifestSha256: string }> {
  mkdirSync(directory, { recursive: true });
  const archived = await archiveTree(
    {
      spec: { root: source, include: ['**'], exclude: [], oneFileSystem: true },
      destination: directory,
      setId: '20260101_000000',
      compressionLevel: 3,
      onChange: 'fail',
      allowEmpty: false,
      partTargetBytes: 16 * 1024,
    },
    quiet,
  );
  const { files, totals, consistency, tree } = archived;
  const manifest = { ...MANIFEST, files, totals, consistency, tree, ...overrides };
  const { manifestSha256 } = await finishArtifact(directory, manifest);
  return { manifest, manifestSha256 };
}

/** An artifact with one small file, complete in the incoming directory of a set that was begun. */
export async function addArtifact(
  root: string,
  setId: string,
  relativePath: string,
): Promise<SetArtifact> {
  const { directory } = await beginAttempt(root, { setId, relativePath, attempt: 1 });
  const content = `content of ${relativePath}\n`;
  writeFileSync(path.join(directory, 'other.txt'), content);
  const { createHash } = await import('node:crypto');
  const { manifestSha256 } = await finishArtifact(directory, {
    ...MANIFEST,
    setId,
    files: [
      {
        name: 'other.txt',
        role: 'other',
        sizeBytes: Buffer.byteLength(content),
        sha256: createHash('sha256').update(content).digest('hex'),
      },
    ],
  });
  await promoteAttempt(root, { setId, relativePath, attempt: 1 });
  return {
    service: 'agent',
    source: path.basename(relativePath),
    kind: 'files',
    path: relativePath,
    manifestSha256,
    contentBytes: content.length,
    storedBytes: content.length,
    entries: 1,
    consistent: true,
  };
}

export function setOf(
  id: string,
  artifacts: SetArtifact[],
  tier: Tier = 'daily',
  workflowId = 'run-1',
): SetFile {
  return {
    format: 'holdfast-set',
    version: 1,
    id,
    tier,
    stack: 'ml',
    host: 'box',
    configDigest: 'd',
    status: 'success',
    problems: [],
    scope: 'all',
    startedAt: '2024-12-12T01:00:00Z',
    finishedAt: '2024-12-12T01:00:05Z',
    workflowId,
    artifacts,
  };
}
