/** The machine, as far as it explains the figures; not its name. */
import { readFile, statfs } from 'node:fs/promises';
import os from 'node:os';
import { formatBytes } from '../src/base/words.js';
import { runCommand } from '../src/base/process/process.js';
import type { Report } from './report.js';

export async function describeHost(work: string): Promise<Report['host']> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const { stdout } = await runCommand('df', ['--output=fstype', work]);
  return {
    processor: os.cpus()[0]?.model.trim() ?? 'unknown',
    processors: os.cpus().length,
    memoryBytes: os.totalmem(),
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(release)?.[1] ?? os.type(),
    kernel: os.release(),
    fileSystem: stdout.trim().split('\n').at(-1)?.trim() ?? 'unknown',
    loads: [os.loadavg()[0] ?? 0],
  };
}

/** @throws when the disk would be full before the end */
export async function requireSpace(work: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(work);
  if (bavail * bsize >= bytes) return;
  throw new Error(
    `${work} has ${formatBytes(bavail * bsize)} left, this takes up to ${formatBytes(bytes)}: ` +
      'choose a smaller --size or --tiny, or another --work',
  );
}
