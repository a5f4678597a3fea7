/** Cross-checks of the services: what the shape of one value can't tell. Pure. */
import path from 'node:path';
import { findCycles } from '../../plan/shared/order.js';
import {
  LARGE_DIRECTORY,
  RESERVED_SERVICE_NAMES,
  categoryOf,
} from '../../format/artifact-paths.js';
import { artifactName, filesBase, relativeWithin } from '../../format/config/artifacts.js';
import { covers, globProblem } from '../../format/config/glob.js';
import { suggestion } from '../../base/nearest.js';
import { formatPath } from './problems.js';
import type { PathProblem } from './problems.js';
import type { Locate } from './positions.js';
import type { FilesSource } from '../../format/config/sources.js';
import type { ServiceConfig } from '../../format/config/schema.js';

type Services = ReadonlyMap<string, ServiceConfig>;
type Afters = ReadonlyMap<string, readonly string[]>;

export function checkServiceNames(names: readonly string[]): PathProblem[] {
  return names
    .filter((name) => RESERVED_SERVICE_NAMES.includes(name))
    .map((name) => ({
      path: ['services', name],
      message: `"${name}" is a directory of the store, not a name for a service`,
      fix: 'choose another name',
      onKey: true,
    }));
}

/** Unknown services in `after`, and services that wait for each other, with the lines that say so. */
export function checkAfter(afters: Afters, locate: Locate): PathProblem[] {
  const names = [...afters.keys()];
  const problems: PathProblem[] = [];
  for (const [service, after] of afters) {
    for (const [index, name] of after.entries()) {
      if (names.includes(name)) continue;
      problems.push({
        path: ['services', service, 'after', index],
        message: `unknown service "${name}"`,
        fix:
          suggestion(
            name,
            names.filter((each) => each !== service),
          ) ?? 'remove it',
      });
    }
  }
  const order = Object.fromEntries([...afters].map(([name, after]) => [name, { after }]));
  for (const cycle of findCycles(order)) {
    const links = cycle.slice(0, -1).map((service, index) => {
      const next = cycle[index + 1] ?? '';
      return ['services', service, 'after', (afters.get(service) ?? []).indexOf(next)];
    });
    const lines = links.map((link) => locate(link).line).join(', ');
    problems.push({
      path: links[0] ?? ['services'],
      message: `services wait for each other: ${cycle.join(' → ')} (${links.length === 1 ? 'line' : 'lines'} ${lines})`,
      fix: 'remove one of these "after"',
    });
  }
  return problems;
}

function checkPatterns(
  patterns: readonly string[],
  where: readonly (string | number)[],
  relativeTo: string,
): PathProblem[] {
  return patterns.flatMap((pattern, index) => {
    const wrong = globProblem(pattern.replace(/^!/, ''));
    if (wrong === undefined) return [];
    const fix = `patterns are relative to ${relativeTo}`;
    return [{ path: [...where, index], message: `"${pattern}" ${wrong}`, fix }];
  });
}

/** The form compose itself requires of a project name. */
const COMPOSE_PROJECT = /^[a-z0-9][a-z0-9_-]*$/;

function checkCompose(name: string, service: ServiceConfig, owners: Map<string, string>) {
  if (service.compose === undefined) return [];
  const problems: PathProblem[] = [];
  const where = ['services', name, 'compose'];
  const { files } = service.compose;
  if (service.home === undefined) {
    const fix = `add services.${name}.home, the directory of the compose files`;
    problems.push({ path: where, message: 'compose needs a home', fix });
  }
  problems.push(...checkPatterns(files, [...where, 'files'], 'home'));
  if (files.every((file) => file.startsWith('!'))) {
    const fix = 'name at least one file to use';
    problems.push({ path: [...where, 'files'], message: 'leaves all files out', fix });
  }
  // One that is not configured is found on the host: see src/docker/project-rule.ts.
  const { project } = service.compose;
  if (project === undefined) return problems;
  if (!COMPOSE_PROJECT.test(project)) {
    problems.push({
      path: where,
      message: `compose does not accept the project name "${project}"`,
      fix: 'set compose.project: lower-case letters, digits, "_" and "-"',
    });
  }
  const owner = owners.get(project);
  if (owner === undefined) {
    owners.set(project, name);
  } else {
    problems.push({
      path: where,
      message: `the compose project "${project}" belongs to services.${owner}, too`,
      fix: 'make them one service, or set compose.project',
    });
  }
  return problems;
}

/** A backup that reads the directory it is written into grows until the disk is full. */
function checkEatsItself(
  where: readonly string[],
  source: FilesSource,
  base: string,
  root: string,
): PathProblem[] {
  if (relativeWithin(root, base) !== undefined) {
    const message = `${base} is inside the backups (${root})`;
    return [{ path: where, message, fix: 'back up something else, or move backups.root' }];
  }
  const inside = relativeWithin(base, root);
  if (inside === undefined) return [];
  const included = covers(source.include, inside) || covers(source.include, `${inside}/x`);
  if (!included || covers(source.exclude, inside)) return [];
  return [
    {
      path: where,
      message: `backs up ${base}, which holds the backups themselves (${root})`,
      fix: `add "${inside}" to exclude, or move backups.root`,
    },
  ];
}

function checkFiles(
  serviceName: string,
  key: string,
  service: ServiceConfig,
  source: FilesSource,
  root: string | undefined,
): PathProblem[] {
  const where = ['services', serviceName, 'sources', key];
  const base = filesBase(service, source);
  const problems = [
    ...checkPatterns(source.include, [...where, 'include'], 'the base'),
    ...checkPatterns(source.exclude, [...where, 'exclude'], 'the base'),
  ];
  if (base === undefined) {
    const fix = `add services.${serviceName}.home, or a base to the source`;
    problems.push({ path: where, message: 'files need a directory to be in', fix });
  } else if (root !== undefined) {
    problems.push(...checkEatsItself(where, source, base, root));
  }
  return problems;
}

/** Two sources of one name would write one directory: the second would take the first's place. */
function checkArtifactPaths(services: Services): PathProblem[] {
  const problems: PathProblem[] = [];
  const taken = new Map<string, readonly string[]>();
  for (const [serviceName, service] of services) {
    for (const [key, source] of Object.entries(service.sources)) {
      const name = artifactName(key, source);
      const directory = source.large ? LARGE_DIRECTORY : `${serviceName}/*/${categoryOf(source)}`;
      const where = ['services', serviceName, 'sources', key];
      const other = taken.get(`${directory}/${name}`);
      if (other === undefined) {
        taken.set(`${directory}/${name}`, where);
        continue;
      }
      problems.push({
        path: where,
        message: `its artifact ${directory}/${name} is that of ${formatPath(other)}, too`,
        fix: 'give one of them another name',
      });
    }
  }
  return problems;
}

/** Everything about well-formed services, together; `root` is undefined where it is not well-formed. */
export function checkServices(services: Services, root: string | undefined): PathProblem[] {
  const normalRoot = root === undefined ? undefined : path.posix.normalize(root);
  const problems: PathProblem[] = [];
  const projects = new Map<string, string>();
  for (const [name, service] of services) {
    problems.push(...checkCompose(name, service, projects));
    for (const [key, source] of Object.entries(service.sources)) {
      if (source.kind === 'files') {
        problems.push(...checkFiles(name, key, service, source, normalRoot));
      }
    }
  }
  return [...problems, ...checkArtifactPaths(services)];
}
