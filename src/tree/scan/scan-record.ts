/**
 * The dialogue with GNU find: its arguments, its records, and the sorting of them. A record ends with
 * NUL, the one byte no name holds; within it `//` stands between path, link target and facts, because
 * a path has no empty component and the facts have no slash.
 */
import { isUtf8 } from 'node:buffer';
import { HoldfastError } from '../../base/errors.js';
import type { Entry, EntryType } from '../index/entry.js';
import type { Glob } from '../../glob/glob.js';
import { pathToBuffer, type BytePath } from '../../base/files/byte-paths.js';

/** Device, link count, blocks and file system last: they are not part of an entry's state. */
const FORMAT = '%p//%l//%y %s %T@ %C@ %i %m %U %G %D %n %b %F\\0';
const AFTER_STATE = 4;
/** Here blocks are counted exactly, also those that are still to be allocated. */
const COUNTS_BLOCKS = new Set(['ext2', 'ext3', 'ext4', 'xfs', 'tmpfs']);

/**
 * Arguments of one walk from `start`. What certainly does not count is not entered, so that a few
 * configuration files beside a large data directory cost nothing; the exact choice is the caller's.
 */
export function findArguments(
  start: BytePath,
  oneFileSystem: boolean,
  globs: { readonly include: readonly Glob[]; readonly exclude: readonly Glob[] },
  closed: readonly BytePath[] = [],
): readonly string[] {
  const prefixes = globs.include.map(({ fixedPrefix }) => fixedPrefix);
  const keep = prefixes.includes('') ? [] : [...new Set(prefixes.flatMap(keepTests))];
  const drop = globs.exclude.filter(({ literal }) => literal).map(({ fixedPrefix }) => fixedPrefix);
  return [
    // Start points below the root come from a scan; as text they would lose bytes that are not UTF-8,
    // but such a directory cannot be named by an include, and only named ones are started from.
    start === '' ? '.' : `./${Buffer.from(start, 'latin1').toString('utf8')}`,
    '-ignore_readdir_race',
    ...(oneFileSystem ? ['-xdev'] : []),
    // Listed, not entered. (A mount point whose name is not text is left to the device number.)
    ...closed.flatMap((mount) => {
      const bytes = pathToBuffer(mount);
      if (!isUtf8(bytes)) return [];
      const name = `./${escapePattern(bytes.toString('utf8'))}`;
      return ['(', '-path', name, '-type', 'd', '-prune', '-printf', FORMAT, ')', '-o'];
    }),
    ...(keep.length === 0 ? [] : ['!', '(', ...anyPath(['.', ...keep]), ')', '-prune', '-o']),
    ...(drop.length === 0
      ? []
      : ['(', ...anyPath(drop.map((name) => `./${escapePattern(name)}`)), ')', '-prune', '-o']),
    '-printf',
    FORMAT,
  ];
}

/** The directories that lead to `prefix`, itself, and all below it. */
function keepTests(prefix: string): readonly string[] {
  const names = prefix.split('/');
  const own = names.map((_, index) => `./${escapePattern(names.slice(0, index + 1).join('/'))}`);
  return [...own, `./${escapePattern(prefix)}/*`];
}

function anyPath(patterns: readonly string[]): readonly string[] {
  return patterns.flatMap((pattern, index) => [...(index === 0 ? [] : ['-o']), '-path', pattern]);
}

function escapePattern(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}

/** Cuts a stream of bytes into records, without their NUL. */
export class RecordSplitter {
  #rest = '';

  push(chunk: Buffer): readonly string[] {
    const records = (this.#rest + chunk.toString('latin1')).split('\0');
    this.#rest = records.pop() ?? '';
    return records;
  }

  /** @throws HoldfastError ARCHIVE_FAILED when the stream ended within a record. */
  end(): void {
    if (this.#rest !== '') throw unexpected(this.#rest);
  }
}

/** @throws HoldfastError ARCHIVE_FAILED for what is no record */
export function parseRecord(record: string): Entry {
  const targetAt = record.indexOf('//');
  const factsAt = record.lastIndexOf('//');
  let stateEnd = record.length;
  for (let fact = 0; fact < AFTER_STATE; fact += 1)
    stateEnd = record.lastIndexOf(' ', stateEnd - 1);
  const facts = record.slice(factsAt + 2).split(' ');
  const [kind, size, mtime, ctime, inode, mode, uid, gid, device, links, blocks, fsType] = facts;
  if (
    targetAt < 0 ||
    factsAt < targetAt ||
    kind === undefined ||
    size === undefined ||
    mtime === undefined ||
    ctime === undefined ||
    inode === undefined ||
    mode === undefined ||
    uid === undefined ||
    gid === undefined ||
    device === undefined ||
    links === undefined ||
    blocks === undefined ||
    fsType === undefined
  ) {
    throw unexpected(record);
  }
  const type = entryType(kind);
  return {
    path: targetAt === 1 ? '' : record.slice(2, targetAt),
    type,
    sizeBytes: type === 'file' ? Number(size) : 0,
    mtimeNs: parseSeconds(mtime),
    ctimeNs: parseSeconds(ctime),
    inode: BigInt(inode),
    device: BigInt(device),
    mode: Number.parseInt(mode, 8),
    uid: Number(uid),
    gid: Number(gid),
    linkCount: Number(links),
    claimsHole: type === 'file' && size !== '0' && blocks === '0' && !COUNTS_BLOCKS.has(fsType),
    linkTarget: factsAt === targetAt ? '' : record.slice(targetAt + 2, factsAt),
    state: record.slice(0, stateEnd),
  };
}

/** An entry as a record that {@link parseRecord} takes. */
export function recordOf({ state, device, linkCount, claimsHole }: Entry): string {
  return `${state} ${device} ${linkCount} ${claimsHole ? 0 : 1} -`;
}

/** A copy that does not keep alive the chunk the record was cut from. */
export function detached(record: string): string {
  return Buffer.from(record, 'latin1').toString('latin1');
}

function entryType(kind: string): EntryType {
  switch (kind) {
    case 'f':
      return 'file';
    case 'd':
      return 'directory';
    case 'l':
      return 'symlink';
    case 'p':
      return 'fifo';
    case 's':
      return 'socket';
    case 'c':
      return 'character';
    case 'b':
      return 'block';
    default:
      throw unexpected(`file type ${kind}`);
  }
}

/**
 * find's `%T@`: whole seconds, then the nanoseconds to add with one digit too many. (Before 1970 that
 * is not the decimal number it looks like: -1.75 s is printed as -2.25.)
 */
function parseSeconds(text: string): bigint {
  const dot = text.indexOf('.');
  if (dot < 0) return BigInt(text) * 1_000_000_000n;
  return (
    BigInt(text.slice(0, dot)) * 1_000_000_000n +
    BigInt(text.slice(dot + 1, dot + 10).padEnd(9, '0'))
  );
}

function unexpected(what: string): HoldfastError {
  return new HoldfastError(
    'ARCHIVE_FAILED',
    `find printed something unexpected: ${what.slice(0, 200)}`,
    { hint: 'GNU find is needed (findutils)' },
  );
}
