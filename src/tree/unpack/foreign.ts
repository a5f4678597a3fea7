/**
 * Parts that another program wrote: gzipped tars whose names begin with a path of their own (`data/…`
 * for `tar czf x /data`). It is taken off while they are unpacked, the directory itself becomes the
 * root and keeps its owner and mode – which `--strip-components` would lose.
 */
import { HoldfastError } from '../../base/errors.js';
import type { ArtifactFile } from '../../format/manifest.js';
import { normalize } from '../../tar/hostile.js';
import { pathFromText, pathToName, type BytePath } from '../../base/files/byte-paths.js';

/** What the names of these parts begin with; undefined for parts of ours. */
export function foreignPrefix(parts: readonly ArtifactFile[]): string | undefined {
  return parts[0]?.foreign?.stripPrefix;
}

/** Is any of the files a part that another program wrote? */
export function isForeign(files: readonly ArtifactFile[]): boolean {
  return files.some(({ foreign }) => foreign !== undefined);
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
