/** The PostgreSQL server a source means: its container, and who logs in there. */
import { readFile } from 'node:fs/promises';
import type { PostgresSource } from '../../src/format/config/sources.js';
import { type ContainerInfo } from '../../src/docker/containers/containers.js';
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

export function pgdataOf(container: ContainerInfo): string {
  return container.env['PGDATA'] ?? DEFAULT_PGDATA;
}

/** The official image's default when PGDATA is not set. */
const DEFAULT_PGDATA = '/var/lib/postgresql/data';
