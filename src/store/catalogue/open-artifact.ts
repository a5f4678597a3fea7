/** An artifact of a set, found on disk and seen to be the one the set vouches for. */
import path from 'node:path';
import { HoldfastError } from '../../base/errors.js';
import { readManifest } from '../write/artifact.js';
import { MANIFEST_FILE, resolveInside } from '../layout.js';
import type { ArtifactManifest, SetArtifact } from '../../format/manifest.js';

/**
 * Reads the manifest of a set's artifact and holds it against the hash the set has.
 * @throws HoldfastError INTEGRITY (facts: path, expected, actual), MANIFEST_INVALID, STORE_UNSAFE
 */
export async function openArtifact(
  root: string,
  artifact: SetArtifact,
): Promise<{ readonly directory: string; readonly manifest: ArtifactManifest }> {
  const directory = await resolveInside(root, artifact.path);
  const { manifest, manifestSha256 } = await readManifest(directory);
  if (manifestSha256 === artifact.manifestSha256) return { directory, manifest };
  const file = path.join(directory, MANIFEST_FILE);
  throw new HoldfastError('INTEGRITY', `${file} is not the one its set vouches for`, {
    facts: { path: file, expected: artifact.manifestSha256, actual: manifestSha256 },
    hint: 'take another set; `holdfast verify` shows which are sound',
  });
}
