/** A configuration text, checked: everything wrong with it is told at once, with its line. */
import { createHash } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import type { YAMLError } from 'yaml';
import { checkAfter, checkServiceNames, checkServices } from './check-services.js';
import { checkModes, checkCron, checkTests, checkTimezone } from './check-settings.js';
import { checkNotifications } from './check-notifications.js';
import { NAME_PATTERN } from '../../format/config/fields.js';
import { isRecord } from './known-keys.js';
import { parseYaml } from './positions.js';
import type { Locate, ParsedYaml } from './positions.js';
import { configInvalid, formatPath } from './problems.js';
import type { ConfigProblem, PathProblem } from './problems.js';
import { configSchema, serviceSchema } from '../../format/config/schema.js';
import type { Config, ServiceConfig } from '../../format/config/schema.js';
import { describeIssues } from './zod-problems.js';

/** A host name as a name: what does not belong in one becomes "-". */
export function hostIdOf(hostname: string): string {
  const clean = hostname.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  const cut = clean.slice(0, 100);
  return NAME_PATTERN.test(cut) ? cut : 'host';
}

function yamlProblem(error: YAMLError, text: string, yaml: ParsedYaml): ConfigProblem {
  const [start, end] = error.pos;
  const place = { ...yaml.at(start), path: '' };
  switch (error.code) {
    case 'DUPLICATE_KEY': {
      const key = /^[^:\n]*/.exec(text.slice(start, Math.max(end, start + 80)))?.[0].trim() ?? '';
      return { ...place, message: `the key "${key}" is there twice`, fix: 'remove one of them' };
    }
    case 'TAB_AS_INDENT':
      return { ...place, message: 'a tab in the indentation', fix: 'indent with spaces' };
    case 'MULTIPLE_DOCS':
      return { ...place, message: 'several documents in one file', fix: 'keep one of them' };
    default:
      return { ...place, message: error.message.replace(/\s+/g, ' ').trim(), fix: '' };
  }
}

/** Services as far as they are well-formed, and what each comes after, also of those that are not. */
function crossCheckServices(
  services: Readonly<Record<string, unknown>>,
  root: string | undefined,
  locate: Locate,
): PathProblem[] {
  const afters = new Map<string, readonly string[]>();
  const valid = new Map<string, ServiceConfig>();
  for (const [name, value] of Object.entries(services)) {
    const after = isRecord(value) ? serviceSchema.shape.after.safeParse(value['after']) : undefined;
    afters.set(name, after?.data ?? []);
    const service = serviceSchema.safeParse(value);
    if (service.success) valid.set(name, service.data);
  }
  if (afters.size === 0) {
    const problem = { path: ['services'], message: 'no services: nothing would be backed up' };
    return [{ ...problem, fix: 'add one' }];
  }
  return [
    ...checkServiceNames([...afters.keys()]),
    ...checkAfter(afters, locate),
    ...checkServices(valid, root),
  ];
}

/**
 * Cross-checks all that is well-formed by itself, so that a typo in one place does not hide the
 * problems of the others. What is malformed has been told already and is left out here.
 */
function crossCheck(raw: unknown, locate: Locate): PathProblem[] {
  if (!isRecord(raw)) return [];
  const part = (key: string): Readonly<Record<string, unknown>> => {
    const value = raw[key];
    return isRecord(value) ? value : {};
  };
  const backups = part('backups');
  const tiers = part('tiers');
  const schedules = part('schedules');
  const root = configSchema.shape.backups.shape.root.safeParse(backups['root']).data;
  return [
    ...(isRecord(raw['services']) ? crossCheckServices(raw['services'], root, locate) : []),
    ...checkModes(backups),
    ...['daily', 'weekly', 'monthly'].flatMap((tier) => {
      const value = tiers[tier];
      return isRecord(value) ? checkCron(['tiers', tier, 'schedule'], value['schedule']) : [];
    }),
    ...checkCron(['schedules', 'check'], schedules['check']),
    ...checkTests(schedules, Object.keys(part('services'))),
    ...checkTimezone(schedules['timezone']),
    ...checkNotifications(raw['notifications']),
  ];
}

export type ConfigCheck =
  | { readonly ok: true; readonly config: Config; readonly locate: Locate }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/**
 * Checks a configuration text; never throws for what is in it. Problems come in the order of the
 * text. `file` is only recorded (made absolute); `hostname` is the host id where none is given.
 */
export function checkConfig(
  text: string,
  file: string,
  hostname: string = os.hostname(),
): ConfigCheck {
  const yaml = parseYaml(text);
  const problems = yaml.document.errors.map((error) => yamlProblem(error, text, yaml));
  const place = (problem: PathProblem): ConfigProblem => ({
    ...yaml.locate(problem.path, problem.onKey),
    message: problem.message,
    fix: problem.fix,
    path: formatPath(problem.path),
  });
  // After a syntax error the rest of the text means nothing certain; a duplicate key is harmless.
  const readable = yaml.document.errors.every((error) => error.code === 'DUPLICATE_KEY');
  if (!readable) return { ok: false, problems: inTextOrder(problems) };
  let raw: unknown;
  try {
    raw = yaml.document.toJS();
  } catch (error) {
    // An unknown anchor, or aliases of aliases without end.
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, problems: [...problems, place({ path: [], message, fix: '' })] };
  }
  if (raw === null) {
    const message = 'the file is empty';
    return { ok: false, problems: [place({ path: [], message, fix: 'see config/ml-stack.yaml' })] };
  }
  const parsed = configSchema.safeParse(raw);
  if (!parsed.success) problems.push(...describeIssues(raw, parsed.error.issues).map(place));
  problems.push(...crossCheck(raw, yaml.locate).map(place));
  if (!parsed.success || problems.length > 0) {
    return { ok: false, problems: inTextOrder(problems) };
  }
  const config: Config = {
    ...parsed.data,
    file: path.resolve(file),
    digest: createHash('sha256').update(text, 'utf8').digest('hex'),
    hostId: parsed.data.host?.id ?? hostIdOf(hostname),
  };
  return { ok: true, config, locate: yaml.locate };
}

function inTextOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return [...problems].sort((left, right) => left.line - right.line || left.column - right.column);
}

/**
 * A configuration text as a configuration; `file` is named in messages.
 *
 * @throws CONFIG_INVALID with one line per problem (message and `facts.problems`).
 */
export function parseConfig(
  text: string,
  file: string,
  hostname?: string,
): { config: Config; locate: Locate } {
  const checked = checkConfig(text, file, hostname);
  if (!checked.ok) throw configInvalid(file, checked.problems);
  return { config: checked.config, locate: checked.locate };
}
