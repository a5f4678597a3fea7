/** The old script's files in the tree of the backups. They are looked at, never changed here. */
import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { HoldfastError, systemCodeOf } from '../base/errors.js';
import {
  momentOfStamp,
  oldPlaces,
  parseOldPath,
  type OldFile,
  type UnknownOldFile,
} from './plan/old-backups.js';
import { kindOf, resolveInside } from '../store/layout.js';

/** Which very file it is, as long as nobody writes it: the device's number changes when a host starts. */
export interface OldFileIdentity {
  readonly sizeBytes: number;
  /** Decimal digits. */
  readonly mtimeNs: string;
  readonly inode: string;
}

export interface FoundOldFile extends OldFile {
  readonly identity: OldFileIdentity;
}

/** How much later than its stamp a backup may have ended; a later time is that of a copy. */
const LONGEST_RUN_MS = 48 * 3_600_000;
const ENDINGS = /\.(tar\.gz|sql)$/;

/**
 * Looks where the script puts its files. What ends like one of them and is none – another name, no
 * regular file – is named as unknown. Symlinks are not followed, also not those of directories.
 */
export async function findOldFiles(root: string): Promise<{
  readonly files: readonly FoundOldFile[];
  readonly unknown: readonly UnknownOldFile[];
}> {
  const files: FoundOldFile[] = [];
  const unknown: UnknownOldFile[] = [];
  for (const directory of await namesIn(root)) {
    for (const place of oldPlaces(directory)) {
      const at = await resolveInside(root, place).catch(unsafe);
      if (at === undefined || (await kindOf(at)) !== 'directory') continue;
      for (const name of await namesIn(at)) {
        if (!ENDINGS.test(name)) continue;
        const path = `${place}/${name}`;
        const stats = await lstat(`${at}/${name}`, { bigint: true }).catch(() => undefined);
        // Gone meanwhile, or an artifact's directory.
        if (stats === undefined || stats.isDirectory()) continue;
        const parsed = parseOldPath(path);
        if (!stats.isFile()) unknown.push({ path, reason: 'it is no regular file' });
        else if (parsed === undefined) unknown.push({ path, reason: 'its name has no stamp' });
        else files.push({ ...parsed, identity: identityFrom(stats) });
      }
    }
  }
  return { files, unknown };
}

/** @throws HoldfastError STORE_UNSAFE through a symlink, INTEGRITY where there is no such file */
export async function identifyOldFile(root: string, relative: string): Promise<OldFileIdentity> {
  const file = await resolveInside(root, relative);
  const stats = await lstat(file, { bigint: true }).catch(() => undefined);
  if (stats?.isFile() === true) return identityFrom(stats);
  throw new HoldfastError('INTEGRITY', `${file} is not there any more`, {
    facts: { path: file },
    hint: 'the old script may have removed it as too old: choose another set',
  });
}

/** One value for which very file it is: what a set that is not imported says of its artifact. */
export function identityDigest(
  path: string,
  { sizeBytes, mtimeNs, inode }: OldFileIdentity,
): string {
  return createHash('sha256')
    .update(JSON.stringify(['old-file', path, sizeBytes, mtimeNs, inode]))
    .digest('hex');
}

/**
 * How large the content is, as far as the file tells without being read: gzip keeps it modulo 4 GiB in
 * its last bytes, and it is hardly less than what is stored.
 */
export async function estimateContentBytes(root: string, file: FoundOldFile): Promise<number> {
  const { sizeBytes } = file.identity;
  if (file.format === 'sql' || sizeBytes < 18) return sizeBytes;
  const handle = await open(await resolveInside(root, file.path), 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, sizeBytes - 4);
    const least = Math.floor(sizeBytes * 0.99);
    let bytes = buffer.readUInt32LE();
    while (bytes < least) bytes += 2 ** 32;
    // A damaged trailer may say anything small: that is then found when it is read.
    return bytes;
  } finally {
    await handle.close();
  }
}

/** When a file's backup began, by its stamp, and ended, by its time where that is plausible. ISO 8601. */
export function timesOf(
  stamp: string,
  { mtimeNs }: OldFileIdentity,
): { readonly startedAt: string; readonly finishedAt: string } {
  const startedMs = momentOfStamp(stamp).getTime();
  const writtenMs = Number(BigInt(mtimeNs) / 1_000_000n);
  const plausible = writtenMs >= startedMs && writtenMs - startedMs <= LONGEST_RUN_MS;
  return {
    startedAt: new Date(startedMs).toISOString(),
    finishedAt: new Date(plausible ? writtenMs : startedMs).toISOString(),
  };
}

function identityFrom({ size, mtimeNs, ino }: BigIntStats): OldFileIdentity {
  return { sizeBytes: Number(size), mtimeNs: String(mtimeNs), inode: String(ino) };
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    // What may not be read, or is gone, is nobody's to list.
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(systemCodeOf(error) ?? '')) return [];
    throw error;
  }
}

function unsafe(error: unknown): undefined {
  if (error instanceof HoldfastError && error.code === 'STORE_UNSAFE') return undefined;
  throw error;
}
