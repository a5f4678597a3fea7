/** The PostgreSQL server a source means: its container, and who logs in there. */
import { readFile } from 'node:fs/promises';
import type { PostgresSource } from '../../src/format/config/sources.js';
import { type ContainerInfo } from '../../src/docker/containers/containers.js';
import { dataDirectoryIn } from '../../src/postgres/client/data-location.js';
import { HoldfastError } from '../../src/base/errors.js';
import { sourceOf, type ActivityDependencies } from './runtime.js';

export function postgresSource(
  { config }: Pick<ActivityDependencies, 'config'>,
  input: { readonly service: string; readonly source: string },
): PostgresSource {
  const source = sourceOf(config, input.service, input.source);
  if (source.kind === 'postgres') return source;
  throw new HoldfastError(
    'INTERNAL',
    `${input.service}/${input.source} is not a PostgreSQL source`,
  );
}

/** User and, where one is configured, the password, read anew each time so that it can be changed. */
export async function loginOf(
  source: PostgresSource,
): Promise<{ user: string; password?: string }> {
  if (source.passwordFile === undefined) return { user: source.user };
  const password = (await readFile(source.passwordFile, 'utf8')).replace(/\r?\n$/, '');
  return { user: source.user, password };
}

/** Where the server of a container has its data: as it is started, else PGDATA, as its programs look. */
export function pgdataOf(container: Pick<ContainerInfo, 'args' | 'env'>): string {
  return toldDataDirectory(container) ?? DEFAULT_PGDATA;
}

/** As {@link pgdataOf}; undefined where the image's default holds, if it is a server at all. */
export function toldDataDirectory({
  args = [],
  env,
}: Pick<ContainerInfo, 'args' | 'env'>): string | undefined {
  return dataDirectoryIn(args) ?? env['PGDATA'];
}

/** The official image's default when PGDATA is not set. */
const DEFAULT_PGDATA = '/var/lib/postgresql/data';
