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
  type VolumeEntry,
} from './drill-compose-schema.js';
import { publishedPorts, type PublishedPort } from './drill-ports.js';
import { own } from '../../base/own.js';
import {
  type DrillComposeOptions,
  type Mount,
  adaptService,
  imageOf,
  realName,
  filesOf,
} from './adapt-service.js';

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
