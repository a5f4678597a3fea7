/** Files of an artifact as they are, checked on their way: dumps that something else will load. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError, systemCodeOf } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { ArtifactFile } from '../../format/manifest.js';

/**
 * Copies files into an existing directory; each is on disk when this returns.
 * @returns bytes copied
 * @throws HoldfastError INTEGRITY (facts: path, expected, actual) for one that is not what the manifest
 *   says, DISK_FULL; or the signal's reason. Copies made before stay.
 */
export async function copyFiles(
  directory: string,
  files: readonly ArtifactFile[],
  target: string,
  work: Work,
): Promise<number> {
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const progress = { bytes: 0, entries: 0 };
  for (const file of files) {
    await copyFile(
      path.join(directory, file.name),
      path.join(target, file.name),
      file,
      work,
      (bytes) => {
        progress.bytes += bytes;
        work.report({ phase: 'copy', ...progress, totalBytes });
      },
    );
    progress.entries += 1;
  }
  return progress.bytes;
}

async function copyFile(
  from: string,
  to: string,
  { sha256 }: ArtifactFile,
  { signal }: Work,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const hash = createHash('sha256');
  const handle = await open(to, 'wx', 0o600);
  try {
    for await (const chunk of createReadStream(from, { highWaterMark: 1024 * 1024, signal })) {
      if (!Buffer.isBuffer(chunk)) continue;
      hash.update(chunk);
      for (let at = 0; at < chunk.length;) at += (await handle.write(chunk, at)).bytesWritten;
      onBytes(chunk.length);
    }
    await handle.sync();
  } catch (error) {
    signal.throwIfAborted();
    throw copyError(error, from, to);
  } finally {
    await handle.close();
  }
  const actual = hash.digest('hex');
  if (actual !== sha256) throw damaged(from, sha256, actual);
}

function copyError(error: unknown, from: string, to: string): unknown {
  const code = systemCodeOf(error);
  if (code === 'ENOENT' || code === 'EIO') return damaged(from, 'a readable file', code);
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new HoldfastError('DISK_FULL', `no space left to write ${to}`, {
    facts: { path: to },
    hint: 'free some space, or choose another directory',
    cause: error,
  });
}

function damaged(file: string, expected: string, actual: string): HoldfastError {
  return new HoldfastError('INTEGRITY', `${file} is damaged: it is not what was written`, {
    facts: { path: file, expected, actual },
    hint: 'take another set; `holdfast verify` shows which are sound',
  });
}
