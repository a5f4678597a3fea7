/** One service of a compose project as a drill runs it. Pure. */
import { drillName, drillPath } from '../../format/drill-names.js';
import {
  splitVolume,
  type ComposeServiceConfig,
  type ComposeConfig,
  type NamedThing,
} from './drill-compose-schema.js';

/** What lies on the host where a container would mount it. */
export type HostPlace =
  /** In the drill's workspace, also when followed through links. */
  | { readonly kind: 'workspace' }
  | { readonly kind: 'missing' }
  /** Outside: a file, a directory, or what a container must not get (a socket, a device …). */
  | { readonly kind: 'file' | 'directory' }
  | { readonly kind: 'unsafe'; readonly reason: string };

export interface DrillComposeOptions {
  readonly drillId: string;
  readonly workspace: string;
  /** The project's own name. */
  readonly project: string;
  /** Between project and service in the name of an image that was built: `_` with compose v1. */
  readonly imageSeparator: '_' | '-';
  /** Container names the configuration uses: a container without a name of its own gets it. */
  readonly containers: readonly string[];
  /** On everything the drill makes. */
  readonly labels: Readonly<Record<string, string>>;
  /** Bytes a container may use. */
  readonly memoryBytes?: number | undefined;
  /** What is at each of {@link bindSources}. */
  readonly places: ReadonlyMap<string, HostPlace>;
}

/** Absolute paths of the host that the project would mount, as the drill would mount them. */
export function bindSources(config: ComposeConfig, workspace: string): string[] {
  const found = new Set<string>();
  for (const service of Object.values(config.services)) {
    for (const entry of service.volumes ?? []) {
      const { source } = splitVolume(entry);
      if (source?.startsWith('/') !== true) continue;
      found.add(drillPath(source, workspace));
      found.add(source);
    }
  }
  for (const { file } of [...Object.values(config.secrets), ...Object.values(config.configs)]) {
    if (file === undefined) continue;
    found.add(drillPath(file, workspace));
    found.add(file);
  }
  return [...found].sort();
}

export interface Mount {
  /** As written to the drill's file; absent where the service can't have it. */
  readonly entry?: Readonly<Record<string, unknown>>;
  /** Key of the volume it mounts. */
  readonly volume?: string;
  readonly makes?: string;
  readonly note?: string;
  readonly unsafe?: string;
}

interface Surroundings {
  readonly mounts: readonly Mount[];
  readonly isStarted: (service: string) => boolean;
  readonly useNetwork: (key: string) => void;
  readonly useVolume: (key: string) => void;
}

/** Keys that are made anew below, or that have no place in a drill. */
const REPLACED = new Set([
  'build',
  'cgroup_parent',
  'container_name',
  'cpu_rt_period',
  'cpu_rt_runtime',
  'depends_on',
  'deploy',
  'dns',
  'dns_search',
  'expose',
  'external_links',
  'extra_hosts',
  'image',
  'labels',
  'links',
  'logging',
  'mac_address',
  'mem_limit',
  'mem_reservation',
  'memswap_limit',
  'network_mode',
  'networks',
  'oom_kill_disable',
  'oom_score_adj',
  'ports',
  'pull_policy',
  'restart',
  'scale',
  'volumes',
]);

export function adaptService(
  name: string,
  service: ComposeServiceConfig,
  config: ComposeConfig,
  options: DrillComposeOptions,
  { mounts, isStarted, useNetwork, useVolume }: Surroundings,
): Record<string, unknown> {
  const { drillId, labels, memoryBytes } = options;
  const kept = Object.fromEntries(Object.entries(service).filter(([key]) => !REPLACED.has(key)));
  const names = containerNames(name, service, options);
  for (const { volume } of mounts) if (volume !== undefined) useVolume(volume);
  const memory = memoryBytes ?? service.mem_limit ?? service.deploy?.resources?.limits?.memory;
  return {
    ...kept,
    image: imageOf(name, service, options),
    ...(names.given === undefined ? {} : { container_name: drillName(drillId, names.given) }),
    ...networkOf(service, names.all, config, useNetwork),
    ...(mounts.length === 0 ? {} : { volumes: mounts.flatMap(({ entry }) => entry ?? []) }),
    ...dependenciesOf(service, isStarted),
    ...linksOf(service, isStarted),
    labels,
    logging: { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '2' } },
    restart: 'no',
    // When memory runs out the copy goes first, not the real one.
    oom_score_adj: 800,
    ...(memory === undefined ? {} : { mem_limit: memory }),
  };
}

/** What other containers may call it, and the name it must get, if any. */
function containerNames(
  name: string,
  { container_name: own }: ComposeServiceConfig,
  { project, containers }: DrillComposeOptions,
): { readonly given: string | undefined; readonly all: readonly string[] } {
  const usual = [`${project}_${name}_1`, `${project}-${name}-1`];
  const given = own ?? usual.find((one) => containers.includes(one));
  return { given, all: [...new Set([name, ...(own === undefined ? usual : [own])])] };
}

function networkOf(
  service: ComposeServiceConfig,
  aliases: readonly string[],
  config: ComposeConfig,
  useNetwork: (key: string) => void,
): Record<string, unknown> {
  const { network_mode: mode } = service;
  if (mode === 'none' || mode?.startsWith('service:') === true) return { network_mode: mode };
  const wanted = service.networks ?? ['default'];
  const keys = Array.isArray(wanted) ? wanted : Object.keys(wanted);
  const attached: Record<string, unknown> = {};
  for (const key of keys.length === 0 ? ['default'] : keys) {
    useNetwork(key);
    const own = Array.isArray(wanted) ? undefined : wanted[key]?.aliases;
    attached[key] = { aliases: [...new Set([...(own ?? []), ...aliases])] };
  }
  return { networks: attached };
}

function dependenciesOf(
  { depends_on: needs }: ComposeServiceConfig,
  isStarted: (service: string) => boolean,
): Record<string, unknown> {
  if (needs === undefined) return {};
  if (Array.isArray(needs)) return { depends_on: needs.filter(isStarted) };
  return {
    depends_on: Object.fromEntries(Object.entries(needs).filter(([name]) => isStarted(name))),
  };
}

function linksOf(
  { links }: ComposeServiceConfig,
  isStarted: (service: string) => boolean,
): Record<string, unknown> {
  const kept = (links ?? []).filter((link) => isStarted(link.split(':')[0] ?? ''));
  return kept.length === 0 ? {} : { links: kept };
}

/** What compose calls the image of a service that is built. */
export function imageOf(
  name: string,
  { image }: ComposeServiceConfig,
  { project, imageSeparator }: DrillComposeOptions,
): string {
  return image ?? `${project}${imageSeparator}${name}`;
}

export function realName(definition: NamedThing | undefined, key: string, project: string): string {
  const external = definition?.external;
  if (typeof external === 'object' && external.name !== undefined) return external.name;
  if (definition?.name !== undefined) return definition.name;
  return external === true ? key : `${project}_${key}`;
}

export function filesOf(
  what: 'secrets' | 'configs',
  all: ComposeConfig['secrets'],
  { workspace, places }: DrillComposeOptions,
): Record<string, unknown> {
  const entries = Object.entries(all).map(([key, one]): [string, unknown] => {
    if (one.file === undefined) return [key, one];
    const restored = drillPath(one.file, workspace);
    const file = places.get(restored)?.kind === 'workspace' ? restored : one.file;
    return [key, { ...one, file }];
  });
  return entries.length === 0 ? {} : { [what]: Object.fromEntries(entries) };
}
