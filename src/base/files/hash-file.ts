/** The hash of a file on disk. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** @throws what the system says where the file can't be read, or the signal's reason */
export async function hashFile(
  file: string,
  signal: AbortSignal,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024, signal })) {
      if (!Buffer.isBuffer(chunk)) continue;
      hash.update(chunk);
      sizeBytes += chunk.length;
      onBytes(chunk.length);
    }
  } catch (error) {
    // The stream says only that it was aborted, not why.
    signal.throwIfAborted();
    throw error;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}
