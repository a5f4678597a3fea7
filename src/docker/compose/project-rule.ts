/**
 * Which compose project a service is. Pure: facts of the host and of the files in, a name out.
 *
 * What runs decides; where nothing of it is there any more, the rule by which compose itself would
 * name it. A name that compose would not use makes a second stack beside the first, on new empty
 * volumes, and everything about it looks healthy.
 */
import path from 'node:path';

/** A container with compose's labels. */
export interface ProjectContainer {
  readonly name: string;
  readonly project: string;
  /** The project's directory; absent where compose did not note it (before 1.27). */
  readonly workingDirectory?: string;
  /** Compose files as noted: absolute, or relative to wherever compose was started. */
  readonly configFiles: readonly string[];
}

/** A volume that compose has made. */
export interface ProjectVolume {
  readonly name: string;
  readonly project: string;
  /** Its key in the compose file. */
  readonly key: string;
}

export interface HostProjects {
  readonly containers: readonly ProjectContainer[];
  readonly volumes: readonly ProjectVolume[];
}

/** What is known of a service with compose files from the configuration and its files. */
export interface ProjectService {
  readonly service: string;
  readonly configured?: string;
  /** Absolute, with and without links followed: any of them is the home. */
  readonly homes: readonly string[];
  /** Compose files, relative to the home. */
  readonly files: readonly string[];
  /** Containers and volumes that the service's sources and gates name. */
  readonly containers: readonly string[];
  readonly volumes: readonly string[];
  /** Volumes that its compose files declare for compose to make and name: by key. */
  readonly ownVolumes: readonly string[];
  /** What compose would call it, see {@link projectByRule}. */
  readonly byRule: string;
}

export interface ProjectFinding {
  readonly service: string;
  /** Absent where there are several candidates. */
  readonly project?: string;
  readonly by: 'configuration' | 'containers' | 'volumes' | 'rule';
  /** Why a run must not begin with it. */
  readonly problem?: { readonly message: string; readonly fix: string };
}

/**
 * Compose's own form of a name: lower case, everything but letters, digits, `-` and `_` left out. v2
 * also leaves out what stands before the first letter or digit.
 */
export function normaliseProject(name: string, major: 1 | 2): string {
  const plain = name.toLowerCase().replace(/[^-_a-z0-9]/g, '');
  return major === 1 ? plain : plain.replace(/^[-_]+/, '');
}

/**
 * The name compose gives a project that nobody names on the command line: `COMPOSE_PROJECT_NAME` of
 * the environment, of `.env`, then `name:` of the files (v1 knows none), then the directory's name.
 */
export function projectByRule(
  found: {
    readonly environment?: string | undefined;
    readonly dotenv?: string | undefined;
    readonly inFile?: string | undefined;
    readonly directory: string;
  },
  major: 1 | 2,
): string {
  const given = [found.environment, found.dotenv, major === 1 ? undefined : found.inFile].find(
    (name) => name !== undefined && name !== '',
  );
  const name = normaliseProject(given ?? path.basename(found.directory), major);
  return name === '' ? 'default' : name;
}

/**
 * One finding for each service, in their order. Projects that are configured for one service, or run
 * from the files of one, are no candidates for another.
 */
export function findProjects(
  services: readonly ProjectService[],
  host: HostProjects,
): ProjectFinding[] {
  const owners = new Map<string, string>();
  for (const service of services) {
    for (const { project } of madeFromFiles(service, host)) {
      if (!owners.has(project)) owners.set(project, service.service);
    }
  }
  for (const { service, configured } of services) {
    if (configured !== undefined) owners.set(configured, service);
  }
  const findings = services.map((service) => {
    const free = (project: string): boolean =>
      [undefined, service.service].includes(owners.get(project));
    return service.configured === undefined
      ? discover(service, host, free)
      : checkConfigured(service, service.configured, host, free);
  });
  return withoutDoubles(findings);
}

function discover(
  service: ProjectService,
  host: HostProjects,
  free: (project: string) => boolean,
): ProjectFinding {
  const { service: name, byRule } = service;
  const named = host.containers.filter((one) => service.containers.includes(one.name));
  const volumes = namedByCompose(service, host);
  const projectsOf = (found: readonly { readonly project: string }[]): string[] =>
    [...new Set(found.map(({ project }) => project))].filter(free);
  const fromFiles = projectsOf(madeFromFiles(service, host));
  const hints = [...projectsOf(named), ...projectsOf(volumes)];
  const candidates = fromFiles.length > 0 ? fromFiles : projectsOf(named);
  if (candidates.length > 1) {
    // Several stacks from one directory: the one whose containers and volumes the service names.
    const hinted = candidates.filter((project) => hints.includes(project));
    const [only] = hinted;
    if (hinted.length === 1 && only !== undefined) {
      return { service: name, project: only, by: 'containers' };
    }
    return { service: name, by: 'containers', problem: several(candidates, 'containers') };
  }
  const [running] = candidates;
  if (running !== undefined) return { service: name, project: running, by: 'containers' };
  const left = projectsOf(volumes);
  if (left.length > 1) return { service: name, by: 'volumes', problem: several(left, 'volumes') };
  const [only] = left;
  return only === undefined
    ? { service: name, project: byRule, by: 'rule' }
    : { service: name, project: only, by: 'volumes' };
}

function several(projects: readonly string[], what: string): ProjectFinding['problem'] {
  const names = [...projects].sort().map((project) => `"${project}"`);
  return {
    message: `its compose project may be ${names.join(' or ')}: there are ${what} of each`,
    fix: 'say which one in compose.project',
  };
}

function checkConfigured(
  service: ProjectService,
  configured: string,
  host: HostProjects,
  free: (project: string) => boolean,
): ProjectFinding {
  const finding = { service: service.service, project: configured, by: 'configuration' as const };
  const made = madeFromFiles(service, host);
  if (host.containers.some(({ project }) => project === configured)) return finding;
  const others = made.filter(({ project }) => free(project));
  const volumes = namedByCompose(service, host).filter(({ project }) => project !== configured);
  const [container] = others;
  const [volume] = volumes;
  const other = container ?? (made.length === 0 ? volume : undefined);
  if (other === undefined) return finding;
  const what = container === undefined ? `the volume ${other.name}` : `the container ${other.name}`;
  return {
    ...finding,
    problem: {
      message:
        `its compose project is configured as "${configured}", and ${what} ` +
        `is of the project "${other.project}": a second stack would be started beside it`,
      fix: `write compose: { project: ${other.project} }, or leave it out: it is found by itself`,
    },
  };
}

/** Containers that were made from the service's compose files. */
function madeFromFiles(service: ProjectService, { containers }: HostProjects): ProjectContainer[] {
  return containers.filter(({ workingDirectory, configFiles }) => {
    if (workingDirectory === undefined) return false;
    return service.homes.some((home) => {
      if (service.files.length === 0) return workingDirectory === home;
      return service.files.some((file) => {
        const ours = path.resolve(home, file);
        if (configFiles.length === 0) return workingDirectory === home;
        return configFiles.some(
          (theirs) =>
            path.resolve(workingDirectory, theirs) === ours ||
            // Relative to where compose was started, which nobody noted.
            (path.basename(theirs) === path.basename(ours) &&
              (workingDirectory === home || workingDirectory === path.dirname(ours))),
        );
      });
    });
  });
}

/** Volumes the service names whose names hold the project's: under another one they are not used. */
function namedByCompose(service: ProjectService, { volumes }: HostProjects): ProjectVolume[] {
  return volumes.filter(
    ({ name, project, key }) =>
      service.volumes.includes(name) &&
      service.ownVolumes.includes(key) &&
      (name === `${project}_${key}` || name === `${project}-${key}`),
  );
}

/** Two services that came out as one project would stop and remove each other's containers. */
function withoutDoubles(findings: readonly ProjectFinding[]): ProjectFinding[] {
  return findings.map((finding, at) => {
    const first = findings.findIndex(({ project }) => project === finding.project);
    const other = findings[first];
    if (finding.project === undefined || first === at || other === undefined) return finding;
    if (finding.problem !== undefined) return finding;
    return {
      ...finding,
      problem: {
        message: `the compose project "${finding.project}" belongs to services.${other.service}, too`,
        fix: 'make them one service, or set compose.project',
      },
    };
  });
}
