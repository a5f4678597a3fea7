/** Which services and sources of a set a restore is about. Pure. */
import { HoldfastError } from '../../base/errors.js';
import type { SetFile } from '../../format/manifest.js';
import type { StackView } from '../shared/stack-view.js';

/** As much of a set as planning needs. */
export type RestorableSet = Pick<
  SetFile,
  'id' | 'tier' | 'stack' | 'status' | 'problems' | 'artifacts'
>;

export interface RestoreSelection {
  readonly services?: readonly string[] | undefined;
  /** `service/source`; with services, only those named here of a service that has any here. */
  readonly sources?: readonly string[] | undefined;
  /** Only these databases of the PostgreSQL sources, and nothing else. */
  readonly databases?: readonly string[] | undefined;
  /** False leaves servers with the settings that initdb makes. */
  readonly serverSettings?: boolean | undefined;
  /** What comes after a restored service is stopped and started again, or left as it is. */
  readonly dependents?: 'restart' | 'leave' | undefined;
  /** Services whose artifacts come from another set, by its name. */
  readonly otherSets?: Readonly<Record<string, string>> | undefined;
}

/** Is the source meant, as far as sources were chosen? */
export function selector({
  sources,
}: RestoreSelection): (service: string, source: string) => boolean {
  const limited = new Set((sources ?? []).map((name) => name.slice(0, name.indexOf('/'))));
  return (service, source) =>
    !limited.has(service) || (sources ?? []).includes(`${service}/${source}`);
}

/** @throws HoldfastError UNKNOWN_SOURCE naming all unknown ones and what there is */
export function requireSources(stack: StackView, sources: readonly string[]): void {
  const known = stack.services.flatMap(({ name, sources: all }) =>
    all.map(({ source }) => `${name}/${source}`),
  );
  const unknown = sources.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new HoldfastError(
    'UNKNOWN_SOURCE',
    `unknown ${unknown.length === 1 ? 'source' : 'sources'}: ${unknown.join(', ')}`,
    { hint: `Known sources: ${known.join(', ')}.`, facts: { unknown, known } },
  );
}

/** The services meant; undefined for all. Databases alone mean the services that have servers. */
export function selectedServices(
  stack: StackView,
  set: RestorableSet,
  { services, sources, databases }: RestoreSelection,
): readonly string[] | undefined {
  if (services !== undefined || sources !== undefined) {
    const ofSources = (sources ?? []).map((name) => name.split('/')[0] ?? '');
    return [...new Set([...(services ?? []), ...ofSources])];
  }
  if (databases === undefined) return undefined;
  const held = new Set(set.artifacts.map(({ service }) => service));
  return stack.services
    .filter(
      ({ name, sources: all }) => held.has(name) && all.some(({ kind }) => kind === 'postgres'),
    )
    .map(({ name }) => name);
}
