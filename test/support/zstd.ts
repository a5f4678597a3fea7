/** zstd for tests that make files of their own. */
import { joinCommands } from '../../src/base/process/pipeline.js';
import { startCommand } from '../../src/base/process/process.js';

export async function zstdCompress(content: Buffer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const zstd = startCommand('zstd', ['-q', '-c', '-'], { input: content });
  await joinCommands([zstd], { taps: [(chunk) => void chunks.push(chunk)] });
  return Buffer.concat(chunks);
}
