/** Globs of the configuration, judged with the matcher that reads trees with them. */
import { compileGlobs } from '../../glob/glob.js';
import { isHoldfastError } from '../../base/errors.js';

/** What is wrong with a pattern in itself, in words; undefined where nothing is. */
export function globProblem(pattern: string): string | undefined {
  if (pattern.startsWith('/')) return 'is absolute';
  if (pattern.split('/').includes('..')) return 'leads out of its directory';
  try {
    compileGlobs([pattern]);
    return undefined;
  } catch (error) {
    if (isHoldfastError(error)) return error.message.replace(`the pattern "${pattern}" `, '');
    throw error;
  }
}

/** Does a pattern match the path itself or a directory above it? Both relative; patterns are valid. */
export function covers(patterns: readonly string[], path: string): boolean {
  const globs = compileGlobs(patterns.filter((pattern) => globProblem(pattern) === undefined));
  const segments = path.split('/');
  return segments.some((_, index) => {
    const ancestor = segments.slice(0, index + 1).join('/');
    return globs.some((glob) => glob.matches(ancestor));
  });
}

/** Could a pattern take the path itself, something below it, or all of a directory above it? */
export function mayCover(patterns: readonly string[], path: string): boolean {
  if (path === '') return patterns.length > 0;
  if (covers(patterns, path)) return true;
  const globs = compileGlobs(patterns.filter((pattern) => globProblem(pattern) === undefined));
  return globs.some((glob) => glob.mayMatchBelow(path));
}
