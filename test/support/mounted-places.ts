/** Real mounts and file flags in a temporary directory, all of them undone at the end. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mountPointsIn, readMounts } from '../../src/base/files/mounts.js';
import { runCommand } from '../../src/base/process/process.js';

export interface MountedPlaces {
  /** Absolute, without links. */
  readonly dir: string;
  at(...names: string[]): string;
  /** Mounts a directory or file on another one; a missing directory is made. */
  bind(from: string, to: string, options?: readonly string[]): Promise<void>;
  tmpfs(to: string, options?: string): Promise<void>;
  /** Makes an ext4 file system in a file and mounts it. */
  ext4(to: string, mkfs?: readonly string[]): Promise<void>;
  /** `+i`, `-a` and so on; cleared at the end. */
  chattr(flag: string, ...paths: string[]): Promise<void>;
  umount(point: string): Promise<void>;
  /** What is mounted at or below a directory, by the kernel's list. */
  mounted(directory?: string): Promise<readonly string[]>;
  cleanUp(): Promise<void>;
}

export function mountedPlaces(): MountedPlaces {
  const dir = mkdtempSync(path.join(tmpdir(), 'holdfast-mounts-'));
  const images: string[] = [];
  const run = async (command: string, ...args: string[]): Promise<void> => {
    await runCommand(command, args);
  };
  const mounted = async (directory = dir): Promise<readonly string[]> =>
    mountPointsIn(await readMounts(), directory, 'at-or-below');
  return {
    dir,
    at: (...names) => path.join(dir, ...names),
    bind: async (from, to, options = []) => {
      if (!existsSync(to)) mkdirSync(to, { recursive: true });
      await run('mount', '--bind', from, to);
      if (options.length === 0) return;
      await run('mount', '-o', ['remount', 'bind', ...options].join(','), to);
    },
    tmpfs: async (to, options = 'size=16m') => {
      mkdirSync(to, { recursive: true });
      await run('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', to);
    },
    ext4: async (to, mkfs = []) => {
      const image = `${dir}.image-${images.length}`;
      images.push(image);
      mkdirSync(to, { recursive: true });
      await run('truncate', '-s', '32M', image);
      await run('mkfs.ext4', '-q', ...mkfs, image);
      await run('mount', '-o', 'loop', image, to);
    },
    chattr: (flag, ...paths) => run('chattr', flag, ...paths),
    umount: (point) => run('umount', point),
    mounted,
    cleanUp: async () => {
      for (const point of [...(await mounted())].reverse()) await run('umount', '--lazy', point);
      // It complains of links, which have no flags.
      await runCommand('chattr', ['-R', '-f', '-i', '-a', dir], { okExitCodes: [0, 1] });
      rmSync(dir, { recursive: true, force: true });
      for (const image of images) rmSync(image, { force: true });
    },
  };
}
