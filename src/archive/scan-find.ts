/** The dialogue with GNU find: its arguments and its output. */
import type { Readable } from 'node:stream';
import { HoldfastError } from '../errors.js';
import type { Glob } from './glob.js';
import type { BytePath } from './paths.js';
import type { Entry, EntryType } from './entry.js';

/** NUL-separated, because every other byte may be in a name. */
const FORMAT = '%p\\0%y %s %T@ %C@ %i %D %m %U %G %n\\0%l\\0';
const FIELDS = 3;

/**
 * Arguments of one walk from `start`. What certainly does not count is not entered, so that a few
 * configuration files beside a large data directory cost nothing; the exact choice is the caller's.
 */
export function findArguments(
  start: BytePath,
  oneFileSystem: boolean,
  globs: { readonly include: readonly Glob[]; readonly exclude: readonly Glob[] },
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

/** Entries as find prints them, the start point first. */
export async function* parseFindOutput(output: Readable): AsyncGenerator<Entry, void, void> {
  let rest = '';
  for await (const chunk of output) {
    const fields = (rest + toLatin1(chunk)).split('\0');
    const whole = Math.floor((fields.length - 1) / FIELDS) * FIELDS;
    for (let at = 0; at < whole; at += FIELDS) {
      yield parseEntry(fields[at] ?? '', fields[at + 1] ?? '', fields[at + 2] ?? '');
    }
    rest = fields.slice(whole).join('\0');
  }
  if (rest !== '') throw unexpected(rest);
}

function toLatin1(chunk: unknown): string {
  return Buffer.isBuffer(chunk) ? chunk.toString('latin1') : String(chunk);
}

function parseEntry(name: string, facts: string, linkTarget: string): Entry {
  const [kind, size, mtime, ctime, inode, device, mode, uid, gid, links] = facts.split(' ');
  if (
    kind === undefined ||
    size === undefined ||
    mtime === undefined ||
    ctime === undefined ||
    inode === undefined ||
    device === undefined ||
    mode === undefined ||
    uid === undefined ||
    gid === undefined ||
    links === undefined
  ) {
    throw unexpected(facts);
  }
  const type = entryType(kind);
  return {
    path: name === '.' ? '' : name.slice(2),
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
    linkTarget,
  };
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
  const [seconds = '0', fraction = ''] = text.split('.');
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
}

function unexpected(what: string): HoldfastError {
  return new HoldfastError(
    'ARCHIVE_FAILED',
    `find printed something unexpected: ${what.slice(0, 200)}`,
    {
      hint: 'GNU find is needed (findutils)',
    },
  );
}
