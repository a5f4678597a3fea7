/** The compose files of a service: patterns of the configuration to names in the service's home. */
import { compileGlobs } from '../../glob/glob.js';

/**
 * Resolves `compose.files` against the file names in the service's home (`names`, relative, `/`
 * between segments). A name stays as it is, also where the file is missing, so that the caller
 * can say so; a glob becomes its matches in name order, since later files override earlier ones
 * and the order must not depend on the file system; `!pattern` leaves out what it matches, from
 * globs only. No file comes twice.
 */
export function resolveComposeFiles(
  patterns: readonly string[],
  names: readonly string[],
): string[] {
  const excluded = compileGlobs(
    patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1)),
  );
  const sorted = names.filter((name) => !excluded.some((each) => each.matches(name))).sort();
  const files = compileGlobs(patterns.filter((pattern) => !pattern.startsWith('!'))).flatMap(
    (glob) => (glob.literal ? [glob.fixedPrefix] : sorted.filter((name) => glob.matches(name))),
  );
  return [...new Set(files)];
}
