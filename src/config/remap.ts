/** A configuration under other names: what a mapped restore and a drill work with. */
import { mapName, mapPath, type Mapping, type NamesInUse } from '../plan/mapping.js';
import { filesBase } from './artifacts.js';
import type { Config, HealthCheck, Quiesce, ServiceConfig, SourceConfig } from './schema.js';

/**
 * The configuration with every path, volume, container and project under its other name. Services
 * keep theirs: `mapping.services` is about the set. Compose files are not touched: what they name is
 * theirs.
 */
export function remapConfig(config: Config, mapping: Mapping): Config {
  return {
    ...config,
    services: Object.fromEntries(
      Object.entries(config.services).map(([name, service]) => [
        name,
        remapService(name, service, mapping),
      ]),
    ),
  };
}

/** What of a configuration has a name that {@link remapConfig} can change. */
export function namesIn(
  config: Pick<Config, 'services'>,
): Record<Exclude<keyof NamesInUse, 'services'>, Set<string>> {
  const names = {
    paths: new Set<string>(),
    volumes: new Set<string>(),
    containers: new Set<string>(),
    projects: new Set<string>(),
  };
  for (const [name, service] of Object.entries(config.services)) {
    if (service.home !== undefined) names.paths.add(service.home);
    if (service.compose !== undefined) names.projects.add(service.compose.project ?? name);
    for (const check of service.health ?? []) {
      if ('container' in check) names.containers.add(check.container);
    }
    for (const source of Object.values(service.sources)) addNames(service, source, names);
  }
  return names;
}

function addNames(
  service: ServiceConfig,
  source: SourceConfig,
  names: Record<'paths' | 'volumes' | 'containers', Set<string>>,
): void {
  switch (source.kind) {
    case 'files': {
      const base = filesBase(service, source);
      if (base !== undefined) names.paths.add(base);
      break;
    }
    case 'volume':
      names.volumes.add(source.volume);
      break;
    case 'postgres':
      names.containers.add(source.container);
      if (source.dataVolume !== undefined) names.volumes.add(source.dataVolume);
      if (source.dataDirectory?.startsWith('/') === true) names.paths.add(source.dataDirectory);
      return;
  }
  if (typeof source.quiesce !== 'string') names.containers.add(source.quiesce.container);
}

function remapService(name: string, service: ServiceConfig, mapping: Mapping): ServiceConfig {
  return {
    ...service,
    ...(service.home === undefined ? {} : { home: mapPath(service.home, mapping.paths) }),
    ...(service.compose === undefined
      ? {}
      : {
          compose: {
            ...service.compose,
            project: mapName(service.compose.project ?? name, mapping.projects),
          },
        }),
    ...(service.health === undefined
      ? {}
      : { health: service.health.map((check) => remapCheck(check, mapping)) }),
    sources: Object.fromEntries(
      Object.entries(service.sources).map(([key, source]) => [key, remapSource(source, mapping)]),
    ),
  };
}

function remapSource(source: SourceConfig, mapping: Mapping): SourceConfig {
  switch (source.kind) {
    case 'files':
      return {
        ...source,
        quiesce: remapQuiesce(source.quiesce, mapping),
        ...(source.base === undefined ? {} : { base: mapPath(source.base, mapping.paths) }),
      };
    case 'volume':
      return {
        ...source,
        quiesce: remapQuiesce(source.quiesce, mapping),
        volume: mapName(source.volume, mapping.volumes),
      };
    case 'postgres': {
      const { dataDirectory, dataVolume } = source;
      return {
        ...source,
        container: mapName(source.container, mapping.containers),
        // A relative one is below the home, which is mapped itself.
        ...(dataDirectory?.startsWith('/') === true
          ? { dataDirectory: mapPath(dataDirectory, mapping.paths) }
          : {}),
        ...(dataVolume === undefined ? {} : { dataVolume: mapName(dataVolume, mapping.volumes) }),
      };
    }
  }
}

function remapQuiesce(quiesce: Quiesce, mapping: Mapping): Quiesce {
  if (typeof quiesce === 'string') return quiesce;
  return { ...quiesce, container: mapName(quiesce.container, mapping.containers) };
}

function remapCheck(check: HealthCheck, mapping: Mapping): HealthCheck {
  switch (check.type) {
    case 'container':
    case 'sql':
    case 'command':
      return { ...check, container: mapName(check.container, mapping.containers) };
    case 'containers':
    case 'http':
    case 'tcp':
      return check;
  }
}
