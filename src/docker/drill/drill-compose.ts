/**
 * A compose project as a drill runs it. Pure: takes what `docker-compose config` says of the restored
 * files under the project's own name, and gives one compose file that can't reach the real stack:
 *
 * - containers, volumes and networks under the drill's names, networks and volumes made by the drill;
 * - no published ports, no restarts, no labels (a proxy or an updater that watches labels must not find
 *   the copies), logs kept by the engine;
 * - all other containers of the drill under their own names on the drill's networks, so that
 *   `ml_postgres:5432` is the drill's server and nothing else;
 * - nothing of the host that the drill did not make: what would need that is not started, and said.
 */
import { parse } from 'yaml';
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import { drillName, drillPath, isBelow } from '../../format/drill-names.js';
import { unsafeReason } from './drill-unsafe.js';
import {
  composeSchema,
  splitVolume,
  type ComposeServiceConfig,
  type ComposeConfig,
  type NamedThing,
  type VolumeEntry,
} from './drill-compose-schema.js';
import { publishedPorts, type PublishedPort } from './drill-ports.js';
import { own } from '../../base/own.js';

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

export interface NotStarted {
  readonly service: string;
  readonly reason: string;
}

export interface DrillCompose {
  /** The compose file, as data. */
  readonly file: Readonly<Record<string, unknown>>;
  /** Compose services that are started. */
  readonly started: readonly string[];
  readonly notStarted: readonly NotStarted[];
  /** Published by the real project: where the gates of the configuration point to. */
  readonly ports: readonly PublishedPort[];
  /** Images that must be there. */
  readonly images: readonly string[];
  /** Real names of the networks and volumes the file refers to under the drill's names. */
  readonly networks: readonly string[];
  readonly volumes: readonly string[];
  /** Directories to make, empty: writable mounts of what the backup does not hold. */
  readonly emptyDirectories: readonly string[];
  readonly notes: readonly string[];
}

/**
 * The output of `docker-compose config`.
 * @throws HoldfastError RESTORE_FAILED where it has another shape
 */
export function parseCompose(text: string): ComposeConfig {
  const parsed = composeSchema.safeParse(withoutFalseNumbers(parse(text), parse(text, FAILSAFE)));
  if (parsed.success) return parsed.data;
  throw new HoldfastError('RESTORE_FAILED', 'what compose says of the project is not understood', {
    facts: { detail: z.prettifyError(parsed.error).slice(0, 500) },
  });
}

const FAILSAFE = { schema: 'failsafe' } as const;
const listSchema = z.array(z.unknown());
const recordSchema = z.record(z.string(), z.unknown());

/**
 * Compose v1 writes YAML 1.1, where the text `1e3` needs no quotes; read as YAML 1.2 it would be a
 * number, and a service would get another value than the real one. What is no plain number stays text.
 */
function withoutFalseNumbers(value: unknown, text: unknown): unknown {
  if (typeof value === 'number') return String(value) === text ? value : text;
  if (Array.isArray(value)) {
    const texts = listSchema.safeParse(text).data ?? [];
    return listSchema.parse(value).map((one, at) => withoutFalseNumbers(one, texts[at]));
  }
  const fields = recordSchema.safeParse(value).data;
  if (fields === undefined) return value;
  const texts = recordSchema.safeParse(text).data ?? {};
  return Object.fromEntries(
    Object.entries(fields).map(([key, one]) => [key, withoutFalseNumbers(one, own(texts, key))]),
  );
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

export function drillCompose(config: ComposeConfig, options: DrillComposeOptions): DrillCompose {
  const mounts = new Map(
    Object.entries(config.services).map(([name, service]) => [
      name,
      (service.volumes ?? []).map((entry) => placeMount(entry, config, options)),
    ]),
  );
  const notStarted = findNotStarted(config, mounts);
  const started = Object.keys(config.services).filter((name) => !notStarted.has(name));
  const networks = new Map<string, string>();
  const volumes = new Map<string, string>();
  const services: Record<string, unknown> = {};
  for (const name of started) {
    const service = config.services[name];
    if (service === undefined) continue;
    services[name] = adaptService(name, service, config, options, {
      mounts: mounts.get(name) ?? [],
      isStarted: (other) => started.includes(other),
      useNetwork: (key) =>
        networks.set(key, realName(own(config.networks, key), key, options.project)),
      useVolume: (key) =>
        volumes.set(key, realName(own(config.volumes, key), key, options.project)),
    });
  }
  const external = (real: ReadonlyMap<string, string>): Record<string, unknown> =>
    Object.fromEntries(
      [...real].map(([key, name]) => [
        key,
        { external: true, name: drillName(options.drillId, name) },
      ]),
    );
  const used = started.flatMap((name) => mounts.get(name) ?? []);
  return {
    file: {
      services,
      networks: external(networks),
      volumes: external(volumes),
      ...filesOf('secrets', config.secrets, options),
      ...filesOf('configs', config.configs, options),
    },
    started,
    notStarted: [...notStarted].map(([service, reason]) => ({ service, reason })),
    ports: Object.entries(config.services).flatMap(([name, { ports }]) =>
      publishedPorts(name, ports ?? []),
    ),
    images: [
      ...new Set(started.map((name) => imageOf(name, config.services[name] ?? {}, options))),
    ],
    networks: [...new Set(networks.values())],
    volumes: [...new Set(volumes.values())],
    emptyDirectories: [...new Set(used.flatMap(({ makes }) => makes ?? []))],
    notes: [...new Set(used.flatMap(({ note }) => note ?? []))],
  };
}

interface Mount {
  /** As written to the drill's file; absent where the service can't have it. */
  readonly entry?: Readonly<Record<string, unknown>>;
  /** Key of the volume it mounts. */
  readonly volume?: string;
  readonly makes?: string;
  readonly note?: string;
  readonly unsafe?: string;
}

/**
 * Where a mount of the real project comes from in the drill. What is restored is mounted from the
 * workspace. Of what lies outside, files and what is read-only anyway are mounted read-only; for a
 * writable directory the container gets an empty one, as it would on a new machine.
 */
function placeMount(
  entry: VolumeEntry,
  config: ComposeConfig,
  { workspace, places }: DrillComposeOptions,
): Mount {
  const { type, source, target, readOnly } = splitVolume(entry);
  if (source === undefined) return { entry: typeof entry === 'string' ? { type, target } : entry };
  if (!source.startsWith('/')) {
    if (type === 'volume' || Object.hasOwn(config.volumes, source)) {
      return {
        volume: source,
        entry: {
          ...(typeof entry === 'string' ? {} : entry),
          ...{ type: 'volume', source, target },
          ...(readOnly ? { read_only: true } : {}),
        },
      };
    }
    return { unsafe: `what it mounts from ${source} is not known` };
  }
  const bind = (from: string, asReadOnly: boolean): Readonly<Record<string, unknown>> => ({
    type: 'bind',
    source: from,
    target,
    ...(asReadOnly ? { read_only: true } : {}),
  });
  const restored = drillPath(source, workspace);
  const inside = places.get(restored) ?? { kind: 'missing' };
  if (inside.kind === 'workspace') return { entry: bind(restored, readOnly) };
  if (inside.kind === 'unsafe') return { unsafe: `${source}: ${inside.reason}` };
  if (inside.kind !== 'missing') {
    return { unsafe: `${source} leads out of what was restored, by a link` };
  }
  // Below the home, or anywhere the workspace has its like: what compose or a person would make.
  const outside = isBelow(source, workspace)
    ? { kind: 'missing' as const }
    : (places.get(source) ?? { kind: 'missing' as const });
  switch (outside.kind) {
    case 'unsafe':
      return { unsafe: `it needs ${source} of the host: ${outside.reason}` };
    case 'file':
      return {
        entry: bind(source, true),
        ...(readOnly ? {} : { note: `${source} is not in the backup: it was mounted read-only` }),
      };
    case 'directory':
      if (readOnly) return { entry: bind(source, true) };
      return {
        entry: bind(restored, false),
        makes: restored,
        note: `${source} is not in the backup: an empty directory took its place`,
      };
    case 'missing':
    case 'workspace':
      return { entry: bind(restored, readOnly), makes: restored };
  }
}

/** Services that can't be started safely, with the reason; and those that hang on one of them. */
function findNotStarted(
  config: ComposeConfig,
  mounts: ReadonlyMap<string, readonly Mount[]>,
): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, service] of Object.entries(config.services)) {
    const mount = mounts.get(name)?.find(({ unsafe }) => unsafe !== undefined);
    const reason = unsafeReason(service) ?? mount?.unsafe;
    if (reason !== undefined) found.set(name, reason);
  }
  for (let before = -1; before !== found.size;) {
    before = found.size;
    for (const [name, service] of Object.entries(config.services)) {
      if (found.has(name)) continue;
      const needed = hardNeeds(service).find((other) => found.has(other));
      if (needed !== undefined) found.set(name, `it needs ${needed}, which is not started`);
    }
  }
  return found;
}

/** Other services without which this one can't be made at all. */
function hardNeeds(service: ComposeServiceConfig): string[] {
  const { network_mode: network, pid, ipc, volumes_from: from = [] } = service;
  const named = [network, pid, ipc].flatMap((mode) =>
    mode?.startsWith('service:') === true ? [mode.slice('service:'.length)] : [],
  );
  return [...named, ...from.map((one) => one.split(':')[0] ?? '')];
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

function adaptService(
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
function imageOf(
  name: string,
  { image }: ComposeServiceConfig,
  { project, imageSeparator }: DrillComposeOptions,
): string {
  return image ?? `${project}${imageSeparator}${name}`;
}

function realName(definition: NamedThing | undefined, key: string, project: string): string {
  const external = definition?.external;
  if (typeof external === 'object' && external.name !== undefined) return external.name;
  if (definition?.name !== undefined) return definition.name;
  return external === true ? key : `${project}_${key}`;
}

function filesOf(
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
