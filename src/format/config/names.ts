/** Every name in a configuration that a restore could map to another. */
import type { NamesInUse } from '../mapping.js';
import { filesBase } from './artifacts.js';
import type { SourceConfig } from './sources.js';
import type { Config, ServiceConfig } from './schema.js';

/** What of a configuration has a name that a mapping can change. */
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
