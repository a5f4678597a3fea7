/**
 * Parts that another program wrote: gzipped tars whose names begin with a path of their own (`data/…`
 * for `tar czf x /data`). It is taken off while they are unpacked, the directory itself becomes the
 * root and keeps its owner and mode – which `--strip-components` would lose.
 */
import { HoldfastError } from '../errors.js';
import type { ArtifactFile } from '../store/manifest.js';
import { normalize } from './hostile.js';
import { pathFromText, pathToName, type BytePath } from './paths.js';

const DELIMITERS = [',', '|', '#', '!', '%', '@', '~'] as const;

/** What the names of these parts begin with; undefined for parts of ours. */
export function foreignPrefix(parts: readonly ArtifactFile[]): string | undefined {
  return parts[0]?.foreign?.stripPrefix;
}

/** Is any of the files a part that another program wrote? */
export function isForeign(files: readonly ArtifactFile[]): boolean {
  return files.some(({ foreign }) => foreign !== undefined);
}

/** GNU tar's arguments that take the prefix off names and targets of hard links. */
export function renameArguments(prefix: string | undefined): readonly string[] {
  return prefix === undefined || prefix === '' ? [] : [`--transform=${renameExpression(prefix)}`];
}

/** The sed-like expression itself, for instructions. Symlinks point where they point: `S`. */
export function renameExpression(prefix: string): string {
  const d = DELIMITERS.find((one) => !prefix.includes(one));
  if (d === undefined) {
    throw new HoldfastError('RESTORE_FAILED', `"${prefix}" can't be taken off names`, {
      facts: { prefix },
    });
  }
  const pattern = prefix.replace(/[\\.[\]*^$]/g, '\\$&');
  const s = (from: string, to: string, flags = ''): string => `s${d}${from}${d}${to}${d}${flags}`;
  return [
    'flags=rSh',
    // `a//b` and `a/./b` are `a/b`; a trailing slash is gone before tar comes to this.
    s('/\\(\\.\\?/\\)*', '/', 'g'),
    s('/\\.$', ''),
    s('^\\(\\./\\)*', ''),
    s(`^${pattern}$`, '.'),
    s(`^${pattern}/`, './'),
  ].join(';');
}

/** A member's path below the prefix, `''` for the root; undefined for what does not lie below it. */
export function pathBelow(name: BytePath, prefix: BytePath): BytePath | undefined {
  const path = normalize(name);
  if (prefix === '') return path;
  if (path === prefix) return '';
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length + 1) : undefined;
}

/**
 * As {@link pathBelow}, of an archive that was seen to lie below the prefix altogether.
 * @throws HoldfastError ARCHIVE_HOSTILE
 */
export function requireBelow(name: BytePath, prefix: string): BytePath {
  const path = pathBelow(name, pathFromText(prefix));
  if (path !== undefined) return path;
  throw new HoldfastError(
    'ARCHIVE_HOSTILE',
    `refused to unpack: "${pathToName(name)}" is not below "${prefix}"`,
    { facts: { path: pathToName(name), prefix } },
  );
}
