/**
 * The parts an attempt has finished, on disk while it runs: one JSON object a line. An attempt that
 * comes after a killed one links them instead of reading their files again.
 */
import { open } from 'node:fs/promises';
import path from 'node:path';
import { artifactFileSchema, type ArtifactFile } from '../../format/manifest.js';
import { parseJsonIfWhole, readTextIfExists } from '../../base/files/durable.js';
import type { KnownPart } from '../../format/known-parts.js';

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
  const text = (await readTextIfExists(journal)) ?? '';
  return text.split('\n').flatMap((line) => {
    const parsed = artifactFileSchema.safeParse(parseJsonIfWhole(line));
    if (!parsed.success) return [];
    return [{ path: path.join(directory, parsed.data.name), file: parsed.data }];
  });
}
