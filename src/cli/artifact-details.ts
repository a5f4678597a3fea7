/** What an artifact's own manifest tells beyond its line in the set, read from disk. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { systemCodeOf } from '../base/errors.js';
import { MANIFEST_FILE, resolveInside } from '../store/layout.js';
import {
  artifactManifestSchema,
  type ArtifactManifest,
  type SetArtifact,
} from '../format/manifest.js';

/** `ok`: the manifest is the one the set vouches for. */
export type ManifestState = 'ok' | 'missing' | 'changed' | 'unreadable';

export interface ArtifactDetails {
  readonly artifact: SetArtifact;
  readonly manifestState: ManifestState;
  /** Absent unless the manifest is `ok`. */
  readonly manifest: ArtifactManifest | undefined;
}

/** Never throws: what is wrong with a backup is what the reader wants to see. */
export async function readArtifactDetails(
  root: string,
  artifact: SetArtifact,
): Promise<ArtifactDetails> {
  let bytes: Buffer;
  try {
    bytes = await readFile(await resolveInside(root, `${artifact.path}/${MANIFEST_FILE}`));
  } catch (error) {
    const missing = ['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '');
    return {
      artifact,
      manifestState: missing ? 'missing' : 'unreadable',
      manifest: undefined,
    };
  }
  if (createHash('sha256').update(bytes).digest('hex') !== artifact.manifestSha256) {
    return { artifact, manifestState: 'changed', manifest: undefined };
  }
  const manifest = parseManifest(bytes.toString('utf8'));
  return {
    artifact,
    manifestState: manifest === undefined ? 'unreadable' : 'ok',
    manifest,
  };
}

function parseManifest(text: string): ArtifactManifest | undefined {
  try {
    return artifactManifestSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
