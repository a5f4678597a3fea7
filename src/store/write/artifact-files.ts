/** The files of artifacts' directories by what they are, not by what they are called. */
import type { BigIntStats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { inParallel } from '../../base/parallel.js';
import { systemCodeOf } from '../../base/errors.js';
import { resolveInside } from '../layout.js';

/** More at once only wait for each other: four threads do the work. */
const STATS_AT_ONCE = 8;

/** `<device>:<inode>` of a file, decimal: the same bytes under whatever name. */
export type FileIdentity = string;

export interface StoredFile {
  readonly name: string;
  readonly identity: FileIdentity;
  readonly sizeBytes: number;
}

export function identityOf({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): FileIdentity {
  return `${dev}:${ino}`;
}

/**
 * The regular files of an artifact; none where it is not there. A few stats at a time.
 * @throws HoldfastError STORE_UNSAFE, and what the system says where it may not be read
 */
export async function listFiles(root: string, artifact: string): Promise<readonly StoredFile[]> {
  const directory = await resolveInside(root, artifact);
  const names = await readdir(directory).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return [];
    throw error;
  });
  const never = new AbortController().signal;
  const files = await inParallel(
    names,
    STATS_AT_ONCE,
    async (name) => {
      const stats = await lstat(path.join(directory, name), { bigint: true });
      if (!stats.isFile()) return undefined;
      return { name, identity: identityOf(stats), sizeBytes: Number(stats.size) };
    },
    never,
  );
  return files.filter((file) => file !== undefined);
}
