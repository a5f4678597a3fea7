/** Facts about sources that follow from the configuration alone. */
import path from 'node:path';
import type { FilesSource, SourceConfig } from './sources.js';
import type { ServiceConfig } from './schema.js';

/** The artifact's name: as configured, else for a volume the volume's name, else the source's key. */
export function artifactName(sourceKey: string, source: SourceConfig): string {
  if (source.name !== undefined) return source.name;
  switch (source.kind) {
    case 'volume':
      return source.volume;
    case 'files':
    case 'postgres':
      return sourceKey;
  }
}

/** The absolute directory a files source reads: its base, else the service's home; undefined without both. */
export function filesBase(service: ServiceConfig, source: FilesSource): string | undefined {
  const base = source.base ?? service.home;
  return base === undefined ? undefined : path.posix.join(path.posix.normalize(base), '.');
}

/** Does the source take everything below its base, as far as `include` goes? */
export function isWholeTree(source: FilesSource): boolean {
  return source.include.some((glob) => glob === '**' || glob === '**/*');
}

/** Does the service run containers that a restore stops and starts again? */
export function hasContainers(service: ServiceConfig): boolean {
  return (
    service.compose !== undefined ||
    Object.values(service.sources).some(
      (source) => source.kind === 'postgres' || source.kind === 'volume',
    ) ||
    (service.health ?? []).some((check) => 'container' in check || check.type === 'containers')
  );
}

/** `path` as seen from `directory`; undefined where it is not in it. The directory itself is `''`. */
export function relativeWithin(directory: string, target: string): string | undefined {
  const relative = path.posix.relative(directory, target);
  return relative === '..' || relative.startsWith('../') ? undefined : relative;
}
