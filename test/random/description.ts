/** Random stacks, described: what there is, how it is wrecked, what is changed. Pure. */
import { drawFor, type Draw } from './draw.js';
import {
  DATABASE_KINDS,
  POSTGRES_FEATURES,
  ROLE_FEATURES,
  type DatabaseKind,
  type PostgresFeatureName,
  type RoleFeature,
} from './postgres-features.js';
import { TREE_FEATURES, type TreeFeature } from './tree-features.js';

export type Quiesce = 'live' | 'pause' | 'stop';

/**
 * What happens to a place between the restore and its undo, which takes it back all the same:
 * `stop` stops what runs there, `rewrite` changes the data, `lose` removes them and what runs on them.
 */
export type Afterwards = 'nothing' | 'stop' | 'rewrite' | 'lose';

export interface VolumeDescription {
  /** In the compose file; the source's key, too. */
  readonly key: string;
  /** `plain`: named by compose; `device`: a bind of a directory by driver options. */
  readonly kind: 'plain' | 'named' | 'device' | 'external';
  readonly quiesce: Quiesce;
  readonly features: readonly TreeFeature[];
  readonly wreck: 'nothing' | 'change' | 'empty' | 'remove';
}

export interface ContainerDescription {
  /** The compose service. */
  readonly key: string;
  readonly kind: 'sleeps' | 'loops' | 'job';
  readonly scale: number;
  readonly state: 'running' | 'stopped' | 'paused' | 'never';
  readonly profile: boolean;
  readonly named: boolean;
  readonly init: boolean;
  readonly restart: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  readonly healthCheck: boolean;
  readonly network: 'none' | 'external';
  /** Keys of volumes; `./bind` of the home where it is true. */
  readonly volumes: readonly string[];
  readonly bind: boolean;
  readonly dependsOn: readonly string[];
}

export interface ProjectDescription {
  /** In the configuration. */
  readonly service: string;
  /** Name of the home; the stack's id goes before it. */
  readonly directory: string;
  /** Where the project's name is from. `commandLine`: compose was told, and nobody else. */
  readonly naming: 'explicit' | 'dotenv' | 'directory' | 'commandLine';
  readonly source: string;
  readonly quiesce: Quiesce;
  readonly features: readonly TreeFeature[];
  readonly volumes: readonly VolumeDescription[];
  readonly containers: readonly ContainerDescription[];
  readonly wreckHome: 'nothing' | 'change' | 'remove';
  readonly wreckContainers: 'nothing' | 'removeOne' | 'removeAll' | 'stopOne';
  readonly afterwards: Afterwards;
}

export interface TreeDescription {
  readonly service: string;
  readonly directory: string;
  readonly source: string;
  readonly features: readonly TreeFeature[];
  readonly mount: 'none' | 'tmpfs' | 'bind';
  /** A mount that the configuration leaves out is expected; another one is named and degrades the backup. */
  readonly mountExcluded: boolean;
  readonly wreck: 'change' | 'empty' | 'remove';
  readonly afterwards: Afterwards;
}

export interface DatabaseDescription {
  readonly name: string;
  readonly kind: DatabaseKind;
  readonly features: readonly PostgresFeatureName[];
  readonly wreck: 'nothing' | 'change' | 'drop';
}

export interface ServerDescription {
  readonly service: string;
  readonly directory: string;
  readonly container: string;
  readonly user: string;
  readonly data: 'volume' | 'bind';
  readonly roles: readonly RoleFeature[];
  readonly settings: readonly string[];
  readonly databases: readonly DatabaseDescription[];
  readonly wreck: 'nothing' | 'remove';
  readonly afterwards: Afterwards;
}

export interface StackDescription {
  readonly seed: number;
  readonly projects: readonly ProjectDescription[];
  readonly trees: readonly TreeDescription[];
  readonly servers: readonly ServerDescription[];
}

/** Valid, and each unlike what somebody had in mind: `--` and `__` part the fields of other names. */
const NAMES = [
  'a--b',
  'a',
  'b--c',
  'a__b',
  'x.y',
  '0',
  '1e3',
  'null',
  'true',
  'constructor',
  'toString',
  'latest',
  'all',
  'files',
  'daily',
  'configs',
  'A.b_C-',
  'a..b',
  'n'.repeat(60),
] as const;
const DIRECTORIES = [
  'plain',
  'with space',
  "quo'te",
  'naïve 名前',
  'a--b__c',
  'UPPER.Case',
  '-dash',
  'per%cent',
  'a,b;c&d',
] as const;
const COMPOSE_KEYS = ['web', 'a.b', 'a-b', 'A_B', 'db--1', '7', 'w__x', 'constructor'] as const;
const VOLUME_KEYS = ['data', 'a.data', 'up-loads', 'B_2', 'x--y', '3'] as const;
const DATABASES = [
  'shop',
  `we ird/"q'=ünï\\x`,
  'CamelCase',
  '-dash',
  'per%cent {a,b}',
  'select',
  ' ',
  'a\nb',
  '日本',
] as const;
const USERS = ['postgres', 'admin', 'Odd-User', 'the boss'] as const;
const SETTINGS = [
  `alter system set work_mem = '77MB'`,
  `alter system set max_connections = 123`,
  `alter system set shared_preload_libraries = 'pg_stat_statements'`,
  `alter system set log_line_prefix = 'it''s %m '`,
] as const;

/** The stack that belongs to a seed. @param seed a whole number */
export function describeStack(seed: number): StackDescription {
  const draw = drawFor(seed, 'stack');
  const names = draw.shuffled(NAMES);
  const directories = draw.shuffled(DIRECTORIES);
  const take = (from: string[]): string => from.pop() ?? 'more';
  const places = () => ({ service: take(names), directory: take(directories) });
  const projects = Array.from({ length: draw.between(1, 3) }, (_, index) =>
    describeProject(drawFor(seed, `project ${index}`), places()),
  );
  const trees = Array.from({ length: draw.between(0, 2) }, (_, index) =>
    describeTree(drawFor(seed, `tree ${index}`), places()),
  );
  const servers = draw.chance(0.5) ? [describeServer(drawFor(seed, 'server'), places())] : [];
  return { seed, projects, trees, servers };
}

interface Place {
  readonly service: string;
  readonly directory: string;
}

const AFTERWARDS = ['nothing', 'stop', 'rewrite', 'lose'] as const;
const STAYS = ['nothing', 'stop', 'rewrite'] as const;

const QUIESCE = ['live', 'pause', 'stop'] as const;

function features(draw: Draw, most: number): TreeFeature[] {
  const all = Object.keys(TREE_FEATURES).filter((key): key is TreeFeature => key in TREE_FEATURES);
  return draw.some(all, draw.between(1, most));
}

function describeProject(draw: Draw, place: Place): ProjectDescription {
  const drawn = draw.one(['explicit', 'dotenv', 'directory', 'commandLine'] as const);
  // The engine takes no volume whose name begins with a dash.
  const naming = drawn === 'directory' && place.directory.startsWith('-') ? 'dotenv' : drawn;
  const wreckContainers = draw.one(
    // Nobody could tell the project's name again.
    naming === 'commandLine'
      ? (['nothing', 'removeOne', 'stopOne'] as const)
      : (['nothing', 'removeOne', 'removeAll', 'removeAll', 'stopOne'] as const),
  );
  const volumes = draw.some(VOLUME_KEYS, draw.between(0, 2)).map((key) => ({
    key,
    kind: draw.one(['plain', 'named', 'device', 'external'] as const),
    quiesce: draw.one(QUIESCE),
    features: features(draw, 4),
    wreck: draw.one(
      // One that containers use can't be removed.
      wreckContainers === 'removeAll'
        ? (['change', 'empty', 'remove', 'remove'] as const)
        : (['nothing', 'change', 'empty'] as const),
    ),
  }));
  const keys = draw.some(COMPOSE_KEYS, draw.between(1, 3));
  const containers = keys.map((key, index) =>
    describeContainer(draw, key, keys.slice(0, index), volumes, index === 0),
  );
  const { service, directory } = place;
  const wreckHome = draw.one(['nothing', 'change', 'remove'] as const);
  return {
    service,
    directory,
    naming,
    source: draw.one(['home', 'a--b', 'b', 'c__d', '1']),
    quiesce: draw.one(QUIESCE),
    features: features(draw, 5),
    volumes,
    containers,
    wreckHome,
    wreckContainers,
    afterwards: draw.one(
      // Containers that run without their compose file are nobody's to make again.
      wreckHome === 'remove' && wreckContainers !== 'removeAll' ? STAYS : AFTERWARDS,
    ),
  };
}

function describeContainer(
  draw: Draw,
  key: string,
  earlier: readonly string[],
  volumes: readonly VolumeDescription[],
  first: boolean,
): ContainerDescription {
  // One that runs is in every project: of one in which nothing ran, all is started.
  const kind = first ? 'sleeps' : draw.one(['sleeps', 'sleeps', 'sleeps', 'loops', 'job'] as const);
  const state =
    first || kind !== 'sleeps'
      ? 'running'
      : draw.one(['running', 'stopped', 'paused', 'never'] as const);
  const named = draw.chance(0.3);
  // What others wait for runs in any case.
  const dependsOn = state === 'running' && draw.chance(0.4) ? earlier.slice(0, 1) : [];
  return {
    key,
    kind,
    scale: named || kind !== 'sleeps' ? 1 : draw.one([1, 1, 2, 3] as const),
    state,
    profile: state === 'never' && draw.chance(0.5),
    named,
    init: draw.chance(0.5),
    restart:
      kind === 'loops'
        ? 'always'
        : kind === 'job'
          ? 'no'
          : draw.one(['no', 'always', 'unless-stopped', 'on-failure'] as const),
    // Engine 20.10 hangs for one that is paused in the moment in which its check is started.
    healthCheck: kind === 'sleeps' && draw.chance(0.3) && state !== 'paused',
    network: draw.chance(0.25) ? 'external' : 'none',
    volumes: volumes.filter(() => draw.chance(0.6)).map((volume) => volume.key),
    bind: draw.chance(0.4),
    dependsOn,
  };
}

function describeTree(draw: Draw, place: Place): TreeDescription {
  const mount = draw.one(['none', 'none', 'tmpfs', 'bind'] as const);
  return {
    ...place,
    source: draw.one(['data', 'a--b', 'b__c', 'constructor', '0']),
    features: features(draw, 10),
    mount,
    mountExcluded: draw.chance(0.5),
    // What something is mounted on can't be removed.
    wreck: draw.one(mount === 'none' ? ['change', 'empty', 'remove'] : ['change', 'empty']),
    afterwards: draw.one(['nothing', 'rewrite', 'lose'] as const),
  };
}

function describeServer(draw: Draw, place: Place): ServerDescription {
  const all = Object.keys(POSTGRES_FEATURES).filter(
    (key): key is PostgresFeatureName => key in POSTGRES_FEATURES,
  );
  const kinds = Object.keys(DATABASE_KINDS).filter(
    (key): key is DatabaseKind => key in DATABASE_KINDS,
  );
  const roles = Object.keys(ROLE_FEATURES).filter(
    (key): key is RoleFeature => key in ROLE_FEATURES,
  );
  return {
    ...place,
    container: draw.one(['db', 'DB--1', 'pg__x.y']),
    user: draw.one(USERS),
    data: draw.one(['volume', 'bind'] as const),
    roles: draw.some(roles, draw.between(0, roles.length)),
    settings: draw.some(SETTINGS, draw.between(0, 2)),
    databases: draw.some(DATABASES, draw.between(1, 2)).map((name) => ({
      name,
      kind: draw.one(['usual', ...kinds]),
      features: draw.some(all, draw.between(2, 8)),
      wreck: draw.one(['nothing', 'change', 'drop'] as const),
    })),
    wreck: draw.one(['nothing', 'nothing', 'remove'] as const),
    afterwards: draw.one(AFTERWARDS),
  };
}
