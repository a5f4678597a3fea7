/** The file system of `fuse-server.mjs`, mounted. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { runCommand, startCommand } from '../../src/base/process/process.js';

export interface LyingFile {
  readonly size: number;
  /** Reported, of 512 bytes; what the size needs by default. */
  readonly blocks?: number;
  /** Reads from here on fail with EIO. */
  readonly errorAt?: number;
  /** The content ends here, whatever the size. */
  readonly endsAt?: number;
  /** Its times are new ones at each look. */
  readonly changes?: boolean;
}

/** Can this machine mount a file system of a process? */
export const hasFuse = existsSync('/dev/fuse');

/** @returns what unmounts it, which ends the server */
export async function mountFuse(
  point: string,
  files: Readonly<Record<string, LyingFile>>,
): Promise<() => Promise<void>> {
  const script = path.join(import.meta.dirname, 'fuse-server.mjs');
  const server = startCommand(process.execPath, [script, point, JSON.stringify(files)]);
  await new Promise<void>((resolve, reject) => {
    server.stdout.once('data', () => resolve());
    server.done.then(() => reject(new Error('the file system ended')), reject);
  });
  return async () => {
    await runCommand('umount', ['--lazy', point]);
    server.kill();
    await server.done.catch(() => undefined);
  };
}

/** What {@link LyingFile}s hold. */
export function fuseContent(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, index) => (index % 251) + 1));
}
