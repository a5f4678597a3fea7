/** What a tree takes on its disk, as `du` counts it: hard links once, holes not at all. */
import { runCommand } from '../process/process.js';

/** In bytes. @throws HoldfastError COMMAND_FAILED */
export async function diskUsage(directory: string): Promise<number> {
  const { stdout } = await runCommand('du', ['-s', '-B1', '--', directory], {
    env: { LC_ALL: 'C' },
  });
  return Number.parseInt(stdout, 10);
}
