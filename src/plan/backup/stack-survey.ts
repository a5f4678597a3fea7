/**
 * What of a stack's data no source saves, and which sources get in each other's way: the
 * configuration held against the containers and volumes of the host. Pure.
 */
import path from 'node:path';
import { filesBase, relativeWithin } from '../../format/config/artifacts.js';
import { covers, mayCover } from '../../format/config/glob.js';
import type { ConfigPath } from '../../format/config/config-path.js';
import type { Config, ServiceConfig } from '../../format/config/schema.js';
import type { Uncovered } from '../../format/manifest.js';
import type {
  InventoryMount,
  InventoryContainer,
  InventoryVolume,
} from '../../format/inventory.js';

/** error: a backup or a restore would go wrong · note: worth knowing */
export type SurveySeverity = 'error' | 'note';

export interface SurveyFinding {
  readonly severity: SurveySeverity;
  /** Stable, for scripts: `not-there`, `project`, `login` … */
  readonly code: string;
  /** Where in the configuration. */
  readonly path: ConfigPath;
  readonly message: string;
  readonly fix: string;
}

export interface StackFacts {
  readonly containers: readonly InventoryContainer[];
  readonly volumes: readonly InventoryVolume[];
  /** Service → its compose project, where it can be told. */
  readonly projects: ReadonlyMap<string, string>;
  /** Container → its server's data directory, of those that have PGDATA in their environment. */
  readonly dataDirectories: ReadonlyMap<string, string>;
  /** Path → the same with all links followed; what is not in it is as it is. */
  readonly real: ReadonlyMap<string, string>;
}

/** Something a service uses that no source names; whether there is data in it is not known yet. */
export interface Candidate extends Uncovered {
  /** Where it can be looked at, on the engine's host. */
  readonly place: string;
  /** Sources save parts of it. */
  readonly partly: boolean;
}

/** The official images' default. */
const PGDATA = '/var/lib/postgresql/data';
/** By the name of the image: its own, and those made from it. */
const POSTGRES_IMAGE = /(^|[/_-])(postgres|postgresql|postgis|pgvector|timescaledb)([:/_-]|$)/;

/** What the host itself is and no disk keeps. */
const KERNEL_PLACES = ['/dev', '/proc', '/run', '/sys', '/tmp/.X11-unix', '/var/run'];
/** The host's own files: containers that only read them look at the host. */
const SYSTEM_PLACES = [
  ...['/bin', '/boot', '/lib', '/lib32', '/lib64', '/sbin', '/usr', '/var/log', '/var/lib/docker'],
  ...['/etc/localtime', '/etc/timezone', '/etc/passwd', '/etc/group', '/etc/hosts', '/etc/ssl'],
  ...['/etc/hostname', '/etc/machine-id', '/etc/resolv.conf', '/etc/os-release', '/etc/pki'],
  '/etc/ca-certificates',
];
/** Directories that hold nearly everything: whoever mounts one looks at the host. */
const HOST_PLACES = [
  '/',
  '/etc',
  '/home',
  '/mnt',
  '/media',
  '/opt',
  '/root',
  '/srv',
  '/var',
  '/var/lib',
];
/** Kept beside what a restore replaced; `holdfast discard` removes it. */
const OWN_VOLUME = /[.]holdfast-|^holdfast-/;

/** All the services' volumes, directories and database servers that no source covers. */
export function uncoveredCandidates(config: Config, facts: StackFacts): Candidate[] {
  const found = new Map<string, Candidate>();
  const add = (candidate: Omit<Candidate, 'usedBy'>, usedBy: string | undefined): void => {
    const key = `${candidate.kind}:${candidate.name}`;
    const known = found.get(key);
    const users = new Set([...(known?.usedBy ?? []), ...(usedBy === undefined ? [] : [usedBy])]);
    found.set(key, { ...(known ?? candidate), usedBy: [...users].sort() });
  };
  const covered = coveredBy(config, facts);
  for (const [service, settings] of Object.entries(config.services)) {
    const projects = projectsOf(service, settings, facts);
    const named = namedContainers(settings);
    for (const container of facts.containers) {
      const own = container.project !== undefined && projects.has(container.project);
      if (!own && !named.has(container.name)) continue;
      const server = serverData(container, facts);
      for (const mount of container.mounts) {
        const candidate = mountCandidate(mount, covered);
        if (candidate === undefined) continue;
        if (server !== mount) add({ service, ...candidate }, container.name);
        else if (!covered.servers.has(container.name)) {
          add({ ...candidate, service, kind: 'database', name: container.name }, container.name);
        }
      }
    }
    for (const volume of facts.volumes) {
      if (volume.project === undefined || !projects.has(volume.project)) continue;
      if (found.has(`volume:${volume.name}`) || serverVolumes(facts).has(volume.name)) continue;
      const candidate = volumeCandidate(volume, covered);
      if (candidate !== undefined) add({ service, ...candidate }, undefined);
    }
  }
  return [...found.values()];
}

/** The service's project, and those of what its sources name: a configured one may be the wrong one. */
function projectsOf(
  service: string,
  settings: ServiceConfig,
  facts: StackFacts,
): ReadonlySet<string> {
  const named = namedContainers(settings);
  const volumes = Object.values(settings.sources).flatMap((source) =>
    source.kind === 'volume' ? [source.volume] : [],
  );
  return new Set(
    [
      facts.projects.get(service),
      ...facts.containers.filter(({ name }) => named.has(name)).map(({ project }) => project),
      ...facts.volumes.filter(({ name }) => volumes.includes(name)).map(({ project }) => project),
    ].filter((project) => project !== undefined),
  );
}

interface Covered {
  readonly volumes: ReadonlyMap<string, InventoryVolume>;
  readonly savedVolumes: ReadonlySet<string>;
  /** Containers whose databases are dumped. */
  readonly servers: ReadonlySet<string>;
  /** How much of a path files sources take. */
  readonly path: (target: string) => 'all' | 'part' | 'none';
}

function coveredBy(config: Config, facts: StackFacts): Covered {
  const real = (target: string): string => facts.real.get(target) ?? target;
  const savedVolumes = new Set<string>();
  const servers = new Set<string>();
  const trees: { base: string; include: readonly string[]; exclude: readonly string[] }[] = [];
  const volumes = new Map(facts.volumes.map((volume) => [volume.name, volume]));
  for (const service of Object.values(config.services)) {
    for (const source of Object.values(service.sources)) {
      switch (source.kind) {
        case 'volume': {
          savedVolumes.add(source.volume);
          const place = placeOf(volumes.get(source.volume));
          if (place !== '') trees.push({ base: real(place), include: ['**'], exclude: [] });
          break;
        }
        case 'postgres':
          servers.add(source.container);
          break;
        case 'files': {
          const base = filesBase(service, source);
          const { include, exclude } = source;
          if (base !== undefined) trees.push({ base: real(base), include, exclude });
          break;
        }
      }
    }
  }
  const { root } = config.backups;
  return {
    volumes,
    savedVolumes,
    servers,
    path: (given) => {
      const target = real(given);
      if (relativeWithin(real(root), target) !== undefined) return 'all';
      let part = false;
      for (const { base, include, exclude } of trees) {
        const inside = relativeWithin(base, target);
        // What is left out by name is left out on purpose.
        if (inside !== undefined && (mayCover(include, inside) || covers(exclude, inside))) {
          return 'all';
        }
        part ||= relativeWithin(target, base) !== undefined;
      }
      return part ? 'part' : 'none';
    },
  };
}

type Thing = Omit<Candidate, 'usedBy' | 'service'>;

function mountCandidate(mount: InventoryMount, covered: Covered): Thing | undefined {
  if (mount.type === 'volume' && mount.volume !== undefined) {
    const known = covered.volumes.get(mount.volume);
    return known === undefined ? undefined : volumeCandidate(known, covered);
  }
  if (mount.type !== 'bind' || isHosts(mount)) return undefined;
  const saved = covered.path(mount.source);
  if (saved === 'all') return undefined;
  const { source } = mount;
  return { kind: 'directory', name: source, place: source, partly: saved === 'part' };
}

function volumeCandidate(volume: InventoryVolume, covered: Covered): Thing | undefined {
  if (covered.savedVolumes.has(volume.name) || OWN_VOLUME.test(volume.name)) return undefined;
  // Memory: nothing of it outlives the container.
  if (volume.options['type'] === 'tmpfs') return undefined;
  const place = placeOf(volume);
  const saved = place === '' ? 'none' : covered.path(place);
  if (saved === 'all') return undefined;
  return { kind: 'volume', name: volume.name, place, partly: saved === 'part' };
}

/** A volume with a device is that directory; what lies at its mountpoint comes and goes. */
function placeOf(volume: InventoryVolume | undefined): string {
  const device = volume?.options['device'];
  return device?.startsWith('/') === true ? device : (volume?.mountpoint ?? '');
}

function isHosts({ source, readWrite }: InventoryMount): boolean {
  const plain = path.posix.normalize(source).replace(/(.)\/+$/, '$1');
  return (
    HOST_PLACES.includes(plain) ||
    plain.endsWith('.sock') ||
    [...KERNEL_PLACES, ...(readWrite ? [] : SYSTEM_PLACES)].some(
      (place) => relativeWithin(place, plain) !== undefined,
    )
  );
}

/** The mount with a PostgreSQL server's data directory; undefined where the container is none. */
function serverData(container: InventoryContainer, facts: StackFacts): InventoryMount | undefined {
  const told = facts.dataDirectories.get(container.name);
  if (told === undefined && !POSTGRES_IMAGE.test(container.image)) return undefined;
  const pgdata = told ?? PGDATA;
  return container.mounts
    .filter(({ destination }) => relativeWithin(destination, pgdata) !== undefined)
    .sort((left, right) => right.destination.length - left.destination.length)[0];
}

function serverVolumes(facts: StackFacts): ReadonlySet<string> {
  return new Set(
    facts.containers.flatMap((container) => {
      const volume = serverData(container, facts)?.volume;
      return volume === undefined ? [] : [volume];
    }),
  );
}

/** Containers that a service's sources and gates name. */
export function namedContainers(service: ServiceConfig): ReadonlySet<string> {
  const names = new Set<string>();
  for (const source of Object.values(service.sources)) {
    if (source.kind === 'postgres') names.add(source.container);
    else if (typeof source.quiesce === 'object') names.add(source.quiesce.container);
  }
  for (const check of service.health ?? []) {
    if ('container' in check) names.add(check.container);
  }
  return names;
}

/** Sources that save the same twice, databases that are read live, backups that would save themselves. */
export function overlapFindings(config: Config, facts: StackFacts): SurveyFinding[] {
  const findings: SurveyFinding[] = [];
  const real = (target: string): string => facts.real.get(target) ?? target;
  const seen = new Map<string, string>();
  const volumes = new Map(facts.volumes.map((volume) => [volume.name, volume]));
  const live = new Map<string, string>();
  for (const container of facts.containers) {
    const data = container.state === 'running' ? serverData(container, facts) : undefined;
    if (data !== undefined) live.set(data.volume ?? real(data.source), container.name);
  }
  for (const [service, settings] of Object.entries(config.services)) {
    for (const [key, source] of Object.entries(settings.sources)) {
      if (source.kind === 'postgres') continue;
      const where = ['services', service, 'sources', key];
      const base =
        source.kind === 'files' ? filesBase(settings, source) : placeOf(volumes.get(source.volume));
      if (base === undefined || base === '') continue;
      const place = real(base);
      const { exclude } = source;
      const include = source.kind === 'files' ? source.include : ['**'];
      const takes = (inside: string): boolean =>
        mayCover(include, inside) && !covers(exclude, inside);
      const same = [place, ...[...include].sort(), '!', ...[...exclude].sort()].join('\n');
      const other = seen.get(same);
      const fix = 'remove one of them: a restore would put both back, one over the other';
      if (other === undefined) seen.set(same, `${service}/${key}`);
      else {
        const message = `saves the same as ${other}: ${base}`;
        findings.push({ severity: 'note', code: 'saved-twice', path: where, message, fix });
      }
      const inRoot = relativeWithin(place, real(config.backups.root));
      if (source.kind === 'volume' && inRoot !== undefined && takes(inRoot)) {
        findings.push({
          severity: 'error',
          code: 'saves-itself',
          path: where,
          message: `the volume ${source.volume} holds the backups themselves (${config.backups.root})`,
          fix: 'move backups.root',
        });
      }
      const server = [...live].find(([data]) => {
        if (source.kind === 'volume' && data === source.volume) return true;
        const inside = data.startsWith('/') ? relativeWithin(place, data) : undefined;
        return inside !== undefined && takes(inside);
      })?.[1];
      if (server !== undefined && source.quiesce === 'live') {
        findings.push({
          severity: 'note',
          code: 'database-read-live',
          path: where,
          message: `reads the files of the database server ${server} while it writes them: such a copy need not start`,
          fix: `use a source of kind postgres and exclude its files, or quiesce: stop`,
        });
      }
    }
  }
  return findings;
}
