/**
 * Docker Compose, v2 (`docker compose`) or v1 from 1.29 (`docker-compose`): bringing a project up is
 * its work. What exists and runs is asked of the engine, whose labels are the same for both.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { resolveComposeFiles } from './compose-files.js';
import { HoldfastError, isHoldfastError, systemCodeOf } from '../../base/errors.js';
import { redactText } from '../../base/redact.js';
import { pathExists } from '../../base/files/durable.js';
import { runCommand, type CommandResult } from '../../base/process/process.js';
import type { ContainerInfo } from '../containers/containers.js';
import { listContainers, stopContainer, type StopResult } from '../containers/containers.js';
import type { Engine } from '../engine/engine.js';
import { isPermanentRefusal } from '../engine/refusals.js';
import { detectCompose } from './detect-compose.js';

/** Images may have to be built, and containers wait for each other's health. */
const UP_TIMEOUT_MS = 30 * 60_000;
/** How deep below the service's home a compose file may lie. */
const DEEPEST_FILE = 4;

/**
 * The compose files of a service, relative to its home: names in the order given, globs in name
 * order.
 * @throws HoldfastError CONFIG_INVALID when a named file is missing or nothing matches (facts: path).
 */
export async function composeFiles(home: string, patterns: readonly string[]): Promise<string[]> {
  const depth = patterns.some((pattern) => pattern.includes('**'))
    ? DEEPEST_FILE
    : Math.max(1, ...patterns.map((pattern) => pattern.split('/').length));
  const names = await namesBelow(home, '', Math.min(depth, DEEPEST_FILE));
  const files = resolveComposeFiles(patterns, names);
  for (const file of files) {
    if (!(await pathExists(path.join(home, file)))) throw noFile(path.join(home, file));
  }
  if (files.length === 0) throw noFile(`${home}/${patterns.join(', ')}`);
  return files;
}

function noFile(file: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `there is no compose file ${file}`, {
    facts: { path: file },
    hint: 'correct `compose.files` of the service; paths are relative to its home',
  });
}

async function namesBelow(home: string, below: string, depth: number): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await entriesOf(path.join(home, below))) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    if (!entry.isDirectory()) names.push(name);
    else if (depth > 1) names.push(...(await namesBelow(home, name, depth - 1)));
  }
  return names;
}

async function entriesOf(
  directory: string,
): Promise<{ name: string; isDirectory: () => boolean }[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    // A data directory of another user's, or gone since: no compose file of ours is in there.
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(systemCodeOf(error) ?? '')) return [];
    throw error;
  }
}

export interface ComposeProject {
  /** The project's directory, absolute: relative paths and `.env` are looked up there. */
  readonly home: string;
  /** Relative to home, or absolute; later ones override earlier ones. */
  readonly files: readonly string[];
  readonly project: string;
  /** What it was started in, where that is another directory: relative paths are of there. */
  readonly directory?: string;
  /** Absolute; instead of the `.env` of the directory. */
  readonly envFiles?: readonly string[];
}

export interface ComposeServicesUp extends ComposeProject {
  readonly signal: AbortSignal;
  /** Service → how many containers of it there are to be. */
  readonly scale: ReadonlyMap<string, number>;
  /** Otherwise they are only made. */
  readonly start: boolean;
  /** Those that are there are made anew where they are configured otherwise now. */
  readonly recreate: boolean;
}

/**
 * `up` of single services with the number of their containers, and of nothing they depend on.
 * @throws HoldfastError COMPOSE_FAILED (facts: project, output: its end), or the signal's reason.
 */
export async function composeUpServices(options: ComposeServicesUp): Promise<ComposeUpResult> {
  const { scale, start, recreate } = options;
  if (scale.size === 0) return { acted: false, warnings: [] };
  const { stderr } = await runCompose(
    options,
    [
      ...['up', start ? '-d' : '--no-start', '--no-deps'],
      ...(recreate ? [] : ['--no-recreate']),
      ...[...scale].flatMap(([service, count]) => ['--scale', `${service}=${count}`]),
      ...scale.keys(),
    ],
    options,
  );
  return { acted: true, warnings: warningsIn(stderr) };
}

export interface ComposeUpOptions extends ComposeProject {
  readonly signal: AbortSignal;
  /** 30 minutes by default. */
  readonly timeoutMs?: number;
  /** Services that are left as they are. */
  readonly except?: readonly string[];
  /** What services there are, where that is known; else compose is asked for it. */
  readonly services?: Iterable<string>;
}

export interface ComposeUpResult {
  /** False where every service was to be left as it is. */
  readonly acted: boolean;
  /** Warnings of compose, such as a variable that is not set and counts as empty. */
  readonly warnings: readonly string[];
}

/**
 * `up -d`: makes what is missing, re-creates what is configured otherwise now, starts what is
 * stopped. Orphans are left alone: they may be another file's services.
 * @throws HoldfastError COMPOSE_FAILED (facts: project, output: its end), or the signal's reason.
 */
export async function composeUp(options: ComposeUpOptions): Promise<ComposeUpResult> {
  const services = await servicesToStart(options);
  if (services !== undefined && services.length === 0) return { acted: false, warnings: [] };
  const { stderr } = await runCompose(
    options,
    ['up', '-d', ...(services === undefined ? [] : ['--no-deps', ...services])],
    options,
  );
  return { acted: true, warnings: warningsIn(stderr) };
}

/** Starts one service of a project and nothing else of it. @throws HoldfastError COMPOSE_FAILED */
export async function composeUpOnly(
  project: ComposeProject,
  service: string,
  signal: AbortSignal,
): Promise<void> {
  await runCompose(project, ['up', '-d', '--no-deps', service], { signal });
}

/** The services of a project's files, in no particular order. @throws HoldfastError COMPOSE_FAILED */
export async function composeServices(
  project: ComposeProject,
  signal: AbortSignal,
): Promise<string[]> {
  const { stdout } = await runCompose(project, ['config', '--services'], {
    signal,
    timeoutMs: 60_000,
  });
  return stdout.split('\n').filter((line) => line.trim() !== '');
}

/** The project's containers in any state, one-off ones left out, dependencies before dependents. */
export async function composePs(engine: Engine, project: string): Promise<ContainerInfo[]> {
  const all = await listContainers(engine, { composeProject: project });
  return inStartOrder(
    all.filter((one) => !/^true$/i.test(one.labels['com.docker.compose.oneoff'] ?? '')),
  );
}

/**
 * Stops a project's containers, dependents first, without a record of what ran: for what is thrown
 * away anyway. `recordAndStop` is for everything else.
 */
export async function composeStop(
  engine: Engine,
  project: string,
  graceMs: number,
): Promise<readonly (StopResult & { readonly name: string })[]> {
  const results: (StopResult & { readonly name: string })[] = [];
  for (const { id, name } of (await composePs(engine, project)).reverse()) {
    results.push({ name, ...(await stopContainer(engine, id, graceMs)) });
  }
  return results;
}

/** Dependencies first, as compose v2 notes them in a label; otherwise the order of creation. Pure. */
export function inStartOrder(containers: readonly ContainerInfo[]): ContainerInfo[] {
  const ordered: ContainerInfo[] = [];
  const visited = new Set<ContainerInfo>();
  const visit = (container: ContainerInfo): void => {
    if (visited.has(container)) return;
    visited.add(container);
    const label = container.labels['com.docker.compose.depends_on'] ?? '';
    const needed = new Set(label.split(',').map((dependency) => dependency.split(':')[0] ?? ''));
    containers.filter((other) => needed.has(other.composeService ?? '')).forEach(visit);
    ordered.push(container);
  };
  containers.forEach(visit);
  return ordered;
}

async function servicesToStart(options: ComposeUpOptions): Promise<string[] | undefined> {
  const except = new Set(options.except ?? []);
  if (except.size === 0) return undefined;
  const services = options.services ?? (await composeServices(options, options.signal));
  return [...services].filter((service) => !except.has(service));
}

/** Runs one compose command of a project. @throws HoldfastError COMPOSE_FAILED with the output's end */
export async function runCompose(
  project: ComposeProject,
  args: readonly string[],
  limits: {
    readonly signal: AbortSignal;
    readonly timeoutMs?: number;
    /** Active beside those of the environment. */
    readonly profiles?: readonly string[];
  },
): Promise<CommandResult> {
  const { command } = await detectCompose();
  const [program = '', ...first] = command;
  const files = project.files.flatMap((file) => ['-f', path.resolve(project.home, file)]);
  try {
    return await runCommand(
      program,
      [
        ...first,
        ...['--ansi', 'never', '--project-directory', project.directory ?? project.home],
        ...(project.envFiles ?? []).flatMap((file) => ['--env-file', file]),
        ...(limits.profiles ?? []).flatMap((profile) => ['--profile', profile]),
        ...['-p', project.project, ...files, ...args],
      ],
      {
        cwd: project.directory ?? project.home,
        // v1 gives up on a busy engine after a minute.
        env: { COMPOSE_HTTP_TIMEOUT: process.env['COMPOSE_HTTP_TIMEOUT'] ?? '600' },
        signal: limits.signal,
        timeoutMs: limits.timeoutMs ?? UP_TIMEOUT_MS,
      },
    );
  } catch (error) {
    if (!isHoldfastError(error) || error.code !== 'COMMAND_FAILED') throw error;
    throw composeFailed(project, args[0] ?? '', error);
  }
}

function composeFailed(
  project: ComposeProject,
  subcommand: string,
  error: HoldfastError,
): HoldfastError {
  const stderr = error.facts['stderr'];
  const output = redactText(typeof stderr === 'string' ? stderr : '').trim();
  const lastLines = output.split('\n').slice(-3).join(' | ');
  return new HoldfastError(
    'COMPOSE_FAILED',
    `compose ${subcommand} of ${project.project} failed: ${lastLines || error.message}`,
    {
      facts: {
        project: project.project,
        subcommand,
        output,
        exitCode: error.facts['exitCode'] ?? null,
      },
      hint: `run it by hand in ${project.home} to see all of its output`,
      permanent: isPermanentRefusal(output),
      cause: error,
    },
  );
}

function warningsIn(output: string): string[] {
  return redactText(output)
    .split('\n')
    .filter((line) => /variable is not set|WARN/i.test(line))
    .map((line) => line.trim());
}
