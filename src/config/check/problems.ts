/** What is wrong with a configuration file, as data and as the line a person reads. */
import { HoldfastError } from '../../base/errors.js';
import type { ConfigPath } from '../../format/config/config-path.js';
import type { Position } from './positions.js';

/** A problem before its place in the text is known. */
export interface PathProblem {
  readonly path: ConfigPath;
  readonly message: string;
  /** What to do about it; empty where the message says it all. */
  readonly fix: string;
  /** The key is wrong, not its value. */
  readonly onKey?: boolean;
}

export interface ConfigProblem extends Position {
  /** `services.agent.after[0]`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  readonly fix: string;
}

/** `['services', 'agent', 'after', 0]` → `services.agent.after[0]`. */
export function formatPath(path: ConfigPath): string {
  return path
    .map((segment, index) => {
      if (typeof segment === 'number') return `[${segment}]`;
      return index === 0 ? segment : `.${segment}`;
    })
    .join('');
}

/** `holdfast.yaml:12:5 services.agent.after[0]: unknown service "pgbd"; did you mean "pgdb"?` */
export function formatProblem(file: string, problem: ConfigProblem): string {
  const place = `${file}:${problem.line}:${problem.column}`;
  const where = problem.path === '' ? `${place}:` : `${place} ${problem.path}:`;
  const fix = problem.fix === '' ? '' : `; ${problem.fix}`;
  return `${where} ${problem.message}${fix}`;
}

/**
 * CONFIG_INVALID with every problem in it, so that correcting the file takes one round: one line
 * each in the message and in `facts.problems`. `file` is the file's name as the reader knows it.
 */
export function configInvalid(file: string, problems: readonly ConfigProblem[]): HoldfastError {
  const lines = problems.map((problem) => formatProblem(file, problem));
  return new HoldfastError('CONFIG_INVALID', lines.join('\n'), {
    hint: 'Correct the lines named above; nothing was started.',
    facts: { file, problems: lines },
  });
}
