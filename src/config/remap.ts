/** A configuration under other names: what a mapped restore and a drill work with. */
import { mapName, mapPath, type Mapping } from '../format/mapping.js';
import type { Quiesce, SourceConfig } from '../format/config/sources.js';
import type { HealthCheck } from '../format/config/health-checks.js';
import type { Config, ServiceConfig } from '../format/config/schema.js';

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
