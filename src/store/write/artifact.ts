/** One artifact's own papers: manifest, checksums, instructions; and its owner. */
import { createHash } from 'node:crypto';
import { open, readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError, messageOf, systemCodeOf } from '../../base/errors.js';
import { fsyncPath, fsyncTree, writeFileDurably } from '../../base/files/durable.js';
import { restoreInstructions } from './instructions.js';
import {
  CHECKSUMS_FILE,
  INSTRUCTIONS_FILE,
  kindOf,
  MANIFEST_FILE,
  own,
  type StoreOwnership,
} from '../layout.js';
import { artifactManifestSchema, type ArtifactManifest } from '../../format/manifest.js';
import { checksumLine } from '../../format/checksums.js';

/**
 * Completes an artifact whose content files are written: `manifest.json`, `RESTORE.md` and
 * `SHA256SUMS`, all on disk when this returns. Called again it writes the same again.
 * @returns hash of the manifest, and the bytes of all files of the directory
 * @throws HoldfastError INTEGRITY when a listed file is missing or has another size, DISK_FULL
 */
export async function finishArtifact(
  directory: string,
  manifest: ArtifactManifest,
  ownership?: StoreOwnership,
): Promise<{ manifestSha256: string; storedBytes: number }> {
  const sorted = artifactManifestSchema.parse(manifest);
  for (const file of sorted.files) await requireSize(directory, file.name, file.sizeBytes);
  const manifestText = `${JSON.stringify(sorted, null, 2)}\n`;
  const instructions = restoreInstructions(sorted);
  const sums = [
    ...sorted.files.map(({ name, sha256 }) => checksumLine(name, sha256)),
    checksumLine(MANIFEST_FILE, sha256Of(manifestText)),
    checksumLine(INSTRUCTIONS_FILE, sha256Of(instructions)),
  ].join('');
  await writeFileDurably(path.join(directory, MANIFEST_FILE), manifestText);
  await writeFileDurably(path.join(directory, INSTRUCTIONS_FILE), instructions);
  await writeFileDurably(path.join(directory, CHECKSUMS_FILE), sums);
  await fsyncTree(directory);
  if (ownership !== undefined) await applyOwnership(directory, ownership);
  const papers = [manifestText, instructions, sums];
  return {
    manifestSha256: sha256Of(manifestText),
    storedBytes:
      sorted.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) +
      papers.reduce((sum, text) => sum + Buffer.byteLength(text), 0),
  };
}

/** Gives an artifact's directory and its files their owner and modes. Links are not followed. */
export async function applyOwnership(directory: string, ownership: StoreOwnership): Promise<void> {
  if ((await kindOf(directory)) !== 'directory') {
    throw new HoldfastError('STORE_UNSAFE', `${directory} is not a directory`, {
      facts: { path: directory },
    });
  }
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const child = path.join(directory, entry.name);
    if (entry.isDirectory()) await applyOwnership(child, ownership);
    else if (entry.isFile()) {
      await own(child, ownership, ownership.fileMode);
      await fsyncPath(child);
    }
  }
  await own(directory, ownership, ownership.directoryMode);
  await fsyncPath(directory);
}

/**
 * Reads and checks the manifest of an artifact.
 * @throws HoldfastError MANIFEST_INVALID (facts: path), also when there is none
 */
export async function readArtifact(directory: string): Promise<ArtifactManifest> {
  return (await readManifest(directory)).manifest;
}

/** The manifest with the hash of its bytes, which a set vouches for. Errors as {@link readArtifact}. */
export async function readManifest(
  directory: string,
): Promise<{ manifest: ArtifactManifest; manifestSha256: string }> {
  const file = path.join(directory, MANIFEST_FILE);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const missing = ['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '');
    if (!missing) throw error;
    throw invalid(file, 'is missing', error);
  }
  try {
    const manifest = artifactManifestSchema.parse(JSON.parse(text));
    return { manifest, manifestSha256: sha256Of(text) };
  } catch (error) {
    throw invalid(file, `cannot be read: ${messageOf(error)}`, error);
  }
}

function invalid(file: string, problem: string, cause: unknown): HoldfastError {
  return new HoldfastError('MANIFEST_INVALID', `${file} ${problem}`, {
    facts: { path: file },
    hint: 'the artifact is damaged or was written by a newer version; its RESTORE.md may still help',
    cause,
  });
}

async function requireSize(directory: string, name: string, expected: number): Promise<void> {
  const file = path.join(directory, name);
  const actual = await sizeOf(file);
  if (actual === expected) return;
  throw new HoldfastError('INTEGRITY', `${file} is not what was written`, {
    facts: { path: file, expected, actual: actual ?? 'missing' },
  });
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    const handle = await open(file, 'r');
    try {
      return (await handle.stat()).size;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
