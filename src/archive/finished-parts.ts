/**
 * The parts an attempt has finished, on disk while it runs: one JSON object a line. An attempt that
 * comes after a killed one links them instead of reading their files again.
 */
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { systemCodeOf } from '../errors.js';
import { artifactFileSchema, type ArtifactFile } from '../store/manifest.js';
import type { KnownPart } from './reuse.js';

/** Notes that these parts are on disk, or are about to get these names. */
export async function noteFinished(journal: string, files: readonly ArtifactFile[]): Promise<void> {
  const handle = await open(journal, 'a', 0o600);
  try {
    await handle.appendFile(files.map((file) => `${JSON.stringify(file)}\n`).join(''));
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** What an attempt noted, as far as it can be read: a line that was cut short is not counted. */
export async function readFinished(journal: string, directory: string): Promise<KnownPart[]> {
  const text = await readFile(journal, 'utf8').catch((error: unknown) => {
    if (systemCodeOf(error) === 'ENOENT') return '';
    throw error;
  });
  return text.split('\n').flatMap((line) => {
    const parsed = artifactFileSchema.safeParse(parseJson(line));
    if (!parsed.success) return [];
    return [{ path: path.join(directory, parsed.data.name), file: parsed.data }];
  });
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
