/** How compose is asked about a service: its project, files and environment. */
import type { Config, ServiceConfig } from '../../src/format/config/schema.js';
import { composeFiles, type ComposeProject } from '../../src/docker/compose/compose.js';
import { HoldfastError } from '../../src/base/errors.js';
import { isBelow, isDrillId } from '../../src/format/drill-names.js';
import { mapPath } from '../../src/format/mapping.js';
import type { ServiceInventory } from '../../src/format/manifest.js';
import { readRunningBefore } from '../../src/store/records/restore-running.js';
import { readRestoreRecord } from '../../src/store/records/restore-record.js';
import { pathExists } from '../../src/base/files/durable.js';
import { projectOf, serviceOf } from './runtime.js';

export function homeOf(name: string, service: ServiceConfig): string {
  if (service.home !== undefined) return service.home;
  throw new HoldfastError('CONFIG_INVALID', `service ${name} has a compose file but no home`);
}

/**
 * The project of a service with compose files, with what its containers were made from: another
 * directory below the home, an env file, files beside the default one.
 * @param config under the names of the restore, with its projects
 * @throws HoldfastError CONFIG_INVALID
 */
export async function composeProjectOf(
  { config }: { readonly config: Config },
  { restoreId, service: name }: { readonly restoreId: string; readonly service: string },
): Promise<ComposeProject> {
  const service = serviceOf(config, name);
  const home = homeOf(name, service);
  const project = projectOf(name, service) ?? name;
  const patterns = service.compose?.files ?? [];
  const made = isDrillId(restoreId) ? undefined : await madeFrom(config, restoreId, name);
  const found = await existing(made, home);
  const files =
    isDefault(patterns) && found !== undefined && found.files.length > 0
      ? found.files
      : await composeFiles(home, patterns);
  return {
    home,
    project,
    files,
    ...(found === undefined || found.directory === home ? {} : { directory: found.directory }),
    ...(found === undefined || found.envFiles.length === 0 ? {} : { envFiles: found.envFiles }),
  };
}

type Made = NonNullable<ServiceInventory['made']>;

/** As it was made before the restore, else when the backup was; under the names of the restore. */
async function madeFrom(
  config: Config,
  restoreId: string,
  name: string,
): Promise<Made | undefined> {
  const noted = await readRunningBefore(config.backups.root, restoreId);
  const of = (inventories: readonly ServiceInventory[]): Made | undefined =>
    inventories.find(({ service }) => service === name)?.made;
  const made = of(noted?.services ?? []) ?? of(noted?.saved ?? []);
  const map = (await readRestoreRecord(config.backups.root, restoreId))?.map;
  if (made === undefined || map === undefined) return made;
  const moved = (one: string): string => mapPath(one, map.paths);
  return {
    directory: moved(made.directory),
    files: made.files.map(moved),
    envFiles: made.envFiles.map(moved),
  };
}

/** Only what is there and belongs to the home: paths of another place are of another stack. */
async function existing(made: Made | undefined, home: string): Promise<Made | undefined> {
  if (made === undefined) return undefined;
  if (made.directory !== home && !isBelow(made.directory, home)) return undefined;
  const there = async (files: readonly string[]): Promise<string[]> => {
    const kept: string[] = [];
    for (const file of files) if (await pathExists(file)) kept.push(file);
    return kept;
  };
  const files = await there(made.files);
  return {
    directory: (await pathExists(made.directory)) ? made.directory : home,
    // Some of them alone are another project.
    files: files.length === made.files.length ? files : [],
    envFiles: await there(made.envFiles),
  };
}

/** Nobody said which files: those it was started with are meant. */
function isDefault(patterns: readonly string[]): boolean {
  return patterns.length === 1 && patterns[0] === 'docker-compose.yml';
}
