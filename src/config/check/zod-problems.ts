/** What zod found wrong with a configuration file, in words that name the choices. */
import type { z } from 'zod';
import { isRecord, knownKeysAt } from './known-keys.js';
import { nearest, suggestion } from '../../base/nearest.js';
import type { ConfigPath } from '../../format/config/config-path.js';
import type { PathProblem } from './problems.js';

type Issue = z.core.$ZodIssue;

function toPath(path: readonly PropertyKey[]): ConfigPath {
  return path.map((segment) => (typeof segment === 'number' ? segment : String(segment)));
}

function valueAt(root: unknown, path: ConfigPath): unknown {
  let value = root;
  for (const segment of path) {
    if (Array.isArray(value)) {
      const items: readonly unknown[] = value;
      value = items[Number(segment)];
    } else if (isRecord(value)) {
      value = Object.hasOwn(value, segment) ? value[String(segment)] : undefined;
    } else {
      return undefined;
    }
  }
  return value;
}

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of keys',
  record: 'a map of keys',
};

function wordOf(type: string): string {
  return TYPE_WORDS[type] ?? type;
}

function choices(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(', ');
}

/** `; did you mean "x"?`, or nothing. */
function meant(value: unknown, values: readonly unknown[]): string {
  const words = values.filter((each) => typeof each === 'string');
  const near = typeof value === 'string' ? nearest(value, words) : undefined;
  return near === undefined ? '' : `; did you mean "${near}"?`;
}

function wrongChoice(path: ConfigPath, value: unknown, values: readonly unknown[]): PathProblem {
  const fix = `${values.length === 1 ? 'write' : 'one of'} ${choices(values)}`;
  const last = path.at(-1);
  if (value === undefined) return { path, message: `missing ${String(last)}`, fix };
  const what = typeof last === 'string' ? last : 'value';
  const hint = values.length === 1 ? '' : meant(value, values);
  return { path, message: `unknown ${what} ${JSON.stringify(value)}`, fix: `${fix}${hint}` };
}

function wrongType(path: ConfigPath, value: unknown, expected: string): PathProblem {
  if (value === undefined) {
    return { path, message: 'missing', fix: `needs ${wordOf(expected)}` };
  }
  if (expected === 'string' && typeof value === 'number') {
    // 0640 without quotes is the decimal number 640 in YAML 1.2: never guess what was meant.
    return {
      path,
      message: 'a number where text is needed',
      fix: 'write it in quotes, a duration with its unit',
    };
  }
  return {
    path,
    message: `needs ${wordOf(expected)}, is ${kindOf(value)}`,
    fix: value === null ? 'give it a value or remove the key' : '',
  };
}

/** A plain union: if the value has the form of one branch, that branch's problems, else all forms. */
function unionProblems(
  root: unknown,
  path: ConfigPath,
  errors: readonly (readonly Issue[])[],
): PathProblem[] {
  const fitting = errors.filter((issues) => issues.every((issue) => issue.path.length > 0));
  const [only] = fitting;
  if (fitting.length === 1 && only !== undefined) {
    return only.flatMap((issue) => describe(root, issue, path));
  }
  const forms = errors.flat().flatMap((issue) => {
    if (issue.path.length > 0) return [];
    if (issue.code === 'invalid_value') return [choices(issue.values)];
    return issue.code === 'invalid_type' ? [wordOf(issue.expected)] : [];
  });
  const value = valueAt(root, path);
  const message =
    typeof value === 'string' ? `unknown value ${JSON.stringify(value)}` : `is ${kindOf(value)}`;
  const known = errors
    .flat()
    .flatMap((issue) => (issue.code === 'invalid_value' ? issue.values : []));
  return [{ path, message, fix: `one of ${forms.join(', or ')}${meant(value, known)}` }];
}

function describe(root: unknown, issue: Issue, parent: ConfigPath): PathProblem[] {
  const path = [...parent, ...toPath(issue.path)];
  const value = valueAt(root, path);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeysAt(root, path);
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `unknown key "${key}"`,
        fix: suggestion(key, known) ?? 'remove it',
        onKey: true,
      }));
    }
    case 'invalid_union':
      if (issue.discriminator !== undefined && 'options' in issue) {
        return [wrongChoice(path, value, [...(issue.options ?? [])])];
      }
      return unionProblems(root, path, issue.errors);
    case 'invalid_value':
      return [wrongChoice(path, value, issue.values)];
    case 'invalid_type':
      return [wrongType(path, value, issue.expected)];
    case 'invalid_key':
    case 'invalid_element':
      return issue.issues.map((inner) => ({
        path,
        message: `"${String(path.at(-1))}" is not a usable name`,
        fix: `needs ${inner.message}`,
        onKey: true,
      }));
    case 'invalid_format':
      // A URL may hold a token: it is not repeated in a message that ends in logs.
      if (issue.format === 'url') return [{ path, message: 'is not a URL', fix: '' }];
      return [
        { path, message: `${JSON.stringify(value)} does not fit`, fix: `needs ${issue.message}` },
      ];
    case 'too_small':
      return [
        {
          path,
          message: issue.origin === 'number' ? `${String(value)} is too small` : 'is empty',
          fix: `at least ${issue.minimum}`,
        },
      ];
    case 'too_big':
      return [{ path, message: `${String(value)} is too big`, fix: `at most ${issue.maximum}` }];
    case 'not_multiple_of':
    case 'custom':
      return [{ path, message: issue.message, fix: '' }];
    default:
      // A newer zod may know more kinds of issues than this file does.
      return [{ path, message: 'does not fit', fix: '' }];
  }
}

/** Zod's issues as problems; `root` is what was parsed, the values are quoted from it. */
export function describeIssues(root: unknown, issues: readonly Issue[]): PathProblem[] {
  return issues.flatMap((issue) => describe(root, issue, []));
}
