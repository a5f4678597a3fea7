/** The configuration as planning sees it. */
import { categoryOf } from '../format/artifact-paths.js';
import type { ServiceView, SourceView, StackView } from '../plan/shared/stack-view.js';
import { artifactName, filesBase, hasContainers } from '../format/config/artifacts.js';
import type { SourceConfig } from '../format/config/sources.js';
import type { Config, ServiceConfig } from '../format/config/schema.js';

function sourceView(key: string, service: ServiceConfig, source: SourceConfig): SourceView {
  const common = {
    source: key,
    name: artifactName(key, source),
    large: source.large,
    category: categoryOf(source),
    ...(source.keep === undefined ? {} : { keep: source.keep }),
  };
  switch (source.kind) {
    case 'files':
      return {
        ...common,
        kind: 'files',
        quiesced: source.quiesce !== 'live',
        changesExpected: source.onChange === 'expected',
        target: filesBase(service, source) ?? '',
        include: source.include,
        exclude: source.exclude,
      };
    case 'volume':
      return {
        ...common,
        kind: 'volume',
        quiesced: source.quiesce !== 'live',
        changesExpected: source.onChange === 'expected',
        target: source.volume,
      };
    case 'postgres':
      // A dump is one snapshot by the server's own doing: nothing to hold still, nothing changes.
      return {
        ...common,
        kind: 'postgres',
        quiesced: false,
        changesExpected: false,
        target: source.container,
      };
  }
}

/** What workflows may know of the configuration: no paths of secrets, no URLs, no commands. */
export function toStackView(config: Config): StackView {
  const services = Object.entries(config.services).map(([name, service]): ServiceView => ({
    name,
    after: service.after,
    hasContainers: hasContainers(service),
    sources: Object.entries(service.sources).map(([key, source]) =>
      sourceView(key, service, source),
    ),
  }));
  const { daily, weekly, monthly } = config.tiers;
  return {
    stack: config.stack,
    hostId: config.hostId,
    configDigest: config.digest,
    root: config.backups.root,
    timezone: config.schedules.timezone,
    tiers: {
      daily: { keep: daily.keep },
      weekly: { keep: weekly.keep },
      monthly: { keep: monthly.keep },
    },
    services,
  };
}
