/**
 * Other names for a restore: of paths, volumes, containers, projects and services. With it a set goes
 * to another place than the configuration says: to another host's paths, or to throw-away names.
 */
import { z } from 'zod';
import { HoldfastError } from '../base/errors.js';
import { own } from '../base/own.js';

const names = z.record(z.string().min(1), z.string().min(1)).default({});

export const mappingSchema = z.strictObject({
  /** Absolute directory → absolute directory; holds for all below it, the longest that fits. */
  paths: z.record(z.string().regex(/^\//), z.string().regex(/^\//)).default({}),
  volumes: names,
  containers: names,
  /** Compose projects. */
  projects: names,
  /** Service in the set → service in the configuration. */
  services: names,
});

export type Mapping = z.output<typeof mappingSchema>;
export type MappingInput = z.input<typeof mappingSchema>;

const KINDS = {
  volume: 'volumes',
  container: 'containers',
  project: 'projects',
  service: 'services',
} as const;

/** `name` under its other name, or as it is. */
export function mapName(name: string, names: Readonly<Record<string, string>>): string {
  return own(names, name) ?? name;
}

/** An absolute path with the longest prefix that is mapped replaced, whole components only. */
export function mapPath(path: string, paths: Readonly<Record<string, string>>): string {
  const fits = (from: string): boolean =>
    from === '/' || path === from || path.startsWith(`${from}/`);
  const [longest] = Object.entries(paths)
    .map(([from, to]): [string, string] => [withoutSlash(from), withoutSlash(to)])
    .filter(([from]) => fits(from))
    .sort(([left], [right]) => right.length - left.length);
  if (longest === undefined) return path;
  const [from, to] = longest;
  const rest = path.slice(from === '/' ? 0 : from.length);
  return `${to === '/' ? '' : to}${rest}` || '/';
}

/**
 * `/old/dir=/new/dir`, `volume:old=new`, `container:…`, `project:…`, `service:…` → a mapping.
 * @throws HoldfastError USAGE naming the one that can't be read, or that contradicts another
 */
export function parseMapping(options: readonly string[]): Mapping {
  const mapping = mappingSchema.parse({});
  for (const option of options) {
    const [, kind = '', from = '', to = ''] =
      /^(?:(volume|container|project|service):)?([^=]+)=([^=]+)$/.exec(option) ?? [];
    const isPath = kind === '' && from.startsWith('/') && to.startsWith('/');
    if (!isPath && !isKind(kind)) {
      throw new HoldfastError('USAGE', `--map ${option} is not understood`, {
        hint: "write '/old/dir=/new/dir', 'volume:old=new', 'container:old=new', 'project:old=new' or 'service:old=new'",
        facts: { option },
      });
    }
    const names = isKind(kind) ? mapping[KINDS[kind]] : mapping.paths;
    const known = own(names, from);
    if (known !== undefined && known !== to) {
      throw new HoldfastError('USAGE', `--map gives ${from} two names: ${known} and ${to}`, {
        hint: 'leave one of them out',
        facts: { from, to: [known, to] },
      });
    }
    names[from] = to;
  }
  return mapping;
}

/** What a mapping can name; each kind as the configuration and the set write it. */
export interface NamesInUse {
  /** Absolute. */
  readonly paths: ReadonlySet<string>;
  readonly volumes: ReadonlySet<string>;
  readonly containers: ReadonlySet<string>;
  readonly projects: ReadonlySet<string>;
  /** Of the set. */
  readonly services: ReadonlySet<string>;
}

/**
 * A name that stands for nothing is a mistyped one, and what it was to keep safe would be overwritten.
 * @throws HoldfastError INPUT_INVALID naming what of the mapping changes nothing (facts: unused)
 */
export function requireUsed(mapping: Mapping, names: NamesInUse): void {
  const isUsed = (kind: keyof Mapping, from: string): boolean =>
    kind === 'paths'
      ? [...names.paths].some((path) => mapPath(path, { [from]: '/-' }) !== path)
      : names[kind].has(from);
  const kinds: readonly (keyof Mapping)[] = [
    'paths',
    'volumes',
    'containers',
    'projects',
    'services',
  ];
  const unused = kinds.flatMap((kind) =>
    Object.keys(mapping[kind])
      .filter((from) => !isUsed(kind, from))
      .map((from) => ({ kind, from })),
  );
  const [first] = unused;
  if (first === undefined) return;
  const written = unused.map(({ kind, from }) =>
    kind === 'paths' ? from : `${kind.replace(/s$/, '')}:${from}`,
  );
  const known = [...names[first.kind]].sort();
  throw new HoldfastError(
    'INPUT_INVALID',
    `the mapping of ${written.join(', ')} changes nothing: there is nothing of that name`,
    {
      hint:
        known.length === 0
          ? `there are no ${first.kind} to give another name`
          : `${first.kind} are ${known.join(', ')}`,
      facts: { unused: written, known },
    },
  );
}

function isKind(kind: string): kind is keyof typeof KINDS {
  return Object.hasOwn(KINDS, kind);
}

function withoutSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') || '/' : path;
}
