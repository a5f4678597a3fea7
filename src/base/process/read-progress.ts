/** How much a child has read so far, as the kernel counts it. */
import { readFile } from 'node:fs/promises';

const LOOK_EVERY_MS = 1_000;

/**
 * Tells how many more bytes a process has read, about once a second and at the end, never more than
 * `limitBytes` in all: the kernel counts what it reads besides, too. Where the count can't be read,
 * all is told at the end. @returns what ends the telling
 */
export function bytesReadBy(
  pid: number,
  limitBytes: number,
  onBytes: (bytes: number) => void,
): () => void {
  let told = 0;
  const tell = (total: number): void => {
    const more = Math.min(total, limitBytes) - told;
    if (more <= 0) return;
    told += more;
    onBytes(more);
  };
  const look = async (): Promise<void> => {
    const text = await readFile(`/proc/${pid}/io`, 'utf8').catch(() => '');
    const [, bytes] = /^rchar: (\d+)$/m.exec(text) ?? [];
    if (bytes !== undefined) tell(Number(bytes));
  };
  const timer = setInterval(() => void look(), LOOK_EVERY_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    tell(limitBytes);
  };
}
