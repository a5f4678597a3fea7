/** The configuration against the host: everything it names that is not there, told at once. */
import path from 'node:path';
import { compileGlobs } from '../../glob/glob.js';
import { filesBase } from '../../format/config/artifacts.js';
import { nearest } from '../../base/nearest.js';
import { notificationFiles } from '../notification-files.js';
import type { ConfigPath } from '../../format/config/config-path.js';
import type { Locate, Position } from './positions.js';
import { formatPath } from './problems.js';
import type { PathProblem } from './problems.js';
import type { SourceConfig } from '../../format/config/sources.js';
import type { HealthCheck } from '../../format/config/health-checks.js';
import type { Config, ServiceConfig } from '../../format/config/schema.js';

/** How the host is asked. Every method is called at most a few times per source, side by side. */
export interface HostProbe {
  /** `path` is absolute; links are followed. */
  pathExists(path: string): Promise<boolean>;
  volumeExists(name: string): Promise<boolean>;
  containerExists(name: string): Promise<boolean>;
  /** By name; numbers are not asked about. */
  userExists(name: string): Promise<boolean>;
  groupExists(name: string): Promise<boolean>;
  /** Names for "did you mean"; may be left out. */
  volumeNames?(): Promise<readonly string[]>;
  containerNames?(): Promise<readonly string[]>;
}

/** As a problem of the file, but without a place in it where the text is not at hand. */
export interface HostProblem extends Partial<Position> {
  readonly path: string;
  readonly message: string;
  readonly fix: string;
}

type Question = Promise<PathProblem | undefined>;

async function ask(
  at: ConfigPath,
  exists: Promise<boolean>,
  message: string,
  fix: string | (() => Promise<string>),
): Question {
  if (await exists) return undefined;
  return { path: at, message, fix: typeof fix === 'string' ? fix : await fix() };
}

class HostCheck {
  readonly questions: Question[] = [];

  constructor(private readonly probe: HostProbe) {}

  path(at: ConfigPath, target: string, what: string): void {
    this.questions.push(
      ask(at, this.probe.pathExists(target), `${what} ${target} is not there`, 'correct the path'),
    );
  }

  volume(at: ConfigPath, name: string): void {
    const fix = async (): Promise<string> => {
      const near = nearest(name, (await this.probe.volumeNames?.()) ?? []);
      return near === undefined ? 'see `docker volume ls`' : `did you mean "${near}"?`;
    };
    this.questions.push(
      ask(at, this.probe.volumeExists(name), `there is no volume "${name}"`, fix),
    );
  }

  container(at: ConfigPath, name: string): void {
    const fix = async (): Promise<string> => {
      const near = nearest(name, (await this.probe.containerNames?.()) ?? []);
      return near === undefined ? 'see `docker ps -a`' : `did you mean "${near}"?`;
    };
    this.questions.push(
      ask(at, this.probe.containerExists(name), `there is no container "${name}"`, fix),
    );
  }

  owner(at: ConfigPath, owner: string | undefined): void {
    if (owner === undefined) return;
    const [user = '', group = ''] = owner.split(':');
    const byName = (name: string): boolean => !/^\d+$/.test(name);
    if (byName(user)) {
      const fix = 'create it, or use another one or a number';
      this.questions.push(ask(at, this.probe.userExists(user), `there is no user "${user}"`, fix));
    }
    if (byName(group)) {
      const fix = 'create it, or use another one or a number';
      this.questions.push(
        ask(at, this.probe.groupExists(group), `there is no group "${group}"`, fix),
      );
    }
  }
}

function checkSource(
  check: HostCheck,
  where: ConfigPath,
  service: ServiceConfig,
  source: SourceConfig,
): void {
  switch (source.kind) {
    case 'files': {
      // The home is asked about once, for the service.
      const base = filesBase(service, source);
      if (source.base !== undefined && base !== undefined) {
        check.path([...where, 'base'], base, 'the directory');
      }
      check.owner([...where, 'afterRestore', 'owner'], source.afterRestore?.owner);
      break;
    }
    case 'volume':
      check.volume([...where, 'volume'], source.volume);
      break;
    case 'postgres':
      check.container([...where, 'container'], source.container);
      if (source.passwordFile !== undefined) {
        check.path([...where, 'passwordFile'], source.passwordFile, 'the password file');
      }
      if (source.dataVolume !== undefined) {
        check.volume([...where, 'dataVolume'], source.dataVolume);
      }
      return;
  }
  if (typeof source.quiesce === 'object') {
    check.container([...where, 'quiesce', 'container'], source.quiesce.container);
  }
}

function checkHealth(check: HostCheck, where: ConfigPath, health: HealthCheck): void {
  switch (health.type) {
    case 'container':
    case 'sql':
    case 'command':
      check.container([...where, 'container'], health.container);
      return;
    case 'containers':
    case 'http':
    case 'tcp':
      return;
  }
}

function checkService(check: HostCheck, name: string, service: ServiceConfig): void {
  const where: ConfigPath = ['services', name];
  if (service.home !== undefined) check.path([...where, 'home'], service.home, 'the home');
  const { home } = service;
  if (home !== undefined) {
    for (const [index, pattern] of (service.compose?.files ?? []).entries()) {
      if (pattern.startsWith('!')) continue;
      for (const glob of compileGlobs([pattern]).filter(({ literal }) => literal)) {
        const file = path.posix.join(home, glob.fixedPrefix);
        check.path([...where, 'compose', 'files', index], file, 'the compose file');
      }
    }
  }
  for (const [key, source] of Object.entries(service.sources)) {
    checkSource(check, [...where, 'sources', key], service, source);
  }
  for (const [index, health] of (service.health ?? []).entries()) {
    checkHealth(check, [...where, 'health', index], health);
  }
}

/**
 * Everything the configuration names that is nowhere on the host: homes, bases, compose and
 * secret files, volumes, containers, owners. Empty when all is there. Before a restore on a bare
 * machine much is missing by right: the caller decides what it means.
 *
 * @throws whatever the probe throws, e.g. DOCKER_UNREACHABLE.
 */
export async function missingOnHost(config: Config, probe: HostProbe): Promise<PathProblem[]> {
  const check = new HostCheck(probe);
  check.owner(['backups', 'owner'], config.backups.owner);
  for (const [index, notification] of config.notifications.entries()) {
    for (const { key, file } of notificationFiles(notification)) {
      check.path(['notifications', index, ...key], file, 'the file');
    }
  }
  for (const [name, service] of Object.entries(config.services)) checkService(check, name, service);
  const answers = await Promise.all(check.questions);
  return answers.flatMap((problem) => (problem === undefined ? [] : [problem]));
}

/**
 * {@link missingOnHost} with places in the text: with `locate` (from `loadConfigFile`) each problem
 * has its line, and they come in the order of the text.
 */
export async function checkHost(
  config: Config,
  probe: HostProbe,
  locate?: Locate,
): Promise<HostProblem[]> {
  return (await missingOnHost(config, probe))
    .map((problem) => ({
      path: formatPath(problem.path),
      message: problem.message,
      fix: problem.fix,
      ...locate?.(problem.path),
    }))
    .sort((left, right) => (left.line ?? 0) - (right.line ?? 0));
}
