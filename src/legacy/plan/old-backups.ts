/**
 * What the old script left, `<service>/<tier>/<configs|data|docker>/<name>_<stamp>.tar.gz` or `.sql`
 * and `large_volumes/<name>_<stamp>.tar.gz`: which source each file is of, and which belong together.
 * Pure.
 */
import type { Problem, SetFile } from '../../format/manifest.js';
import { LARGE_DIRECTORY, type ArtifactCategory } from '../../format/artifact-paths.js';
import type {
  ScheduledTier,
  ServiceView,
  SourceView,
  StackView,
} from '../../plan/shared/stack-view.js';

export interface OldFile {
  /** Relative to the root of the backups. */
  readonly path: string;
  /** Its directory's; absent for `large_volumes`, which is nobody's. */
  readonly place?: {
    readonly service: string;
    readonly tier: ScheduledTier;
    readonly category: ArtifactCategory;
  };
  /** What stands before the stamp. */
  readonly name: string;
  /** `YYYYMMDD_HHMMSS`, the same for all files of one run. */
  readonly stamp: string;
  readonly format: 'tar.gz' | 'sql';
}

export interface MatchedOldFile {
  readonly file: OldFile;
  readonly service: string;
  readonly source: SourceView;
}

export interface OldSet {
  readonly id: string;
  /** `manual` where only files of `large_volumes` are left, which tell no tier. */
  readonly tier: SetFile['tier'];
  readonly files: readonly MatchedOldFile[];
}

export interface UnknownOldFile {
  readonly path: string;
  readonly reason: string;
}

const NAME = /^([A-Za-z0-9][A-Za-z0-9_.-]*)_(\d{8}_\d{6})\.(tar\.gz|sql)$/;
const TIERS: readonly ScheduledTier[] = ['daily', 'weekly', 'monthly'];
const CATEGORIES: readonly ArtifactCategory[] = ['configs', 'data', 'docker'];

/** A file of the tree by its path; undefined where no file of the old script lies. */
export function parseOldPath(path: string): OldFile | undefined {
  const parts = path.split('/');
  const [, name, stamp, ending] = NAME.exec(parts.at(-1) ?? '') ?? [];
  if (name === undefined || stamp === undefined) return undefined;
  const format = ending === 'sql' ? 'sql' : 'tar.gz';
  if (parts.length === 2 && parts[0] === LARGE_DIRECTORY) return { path, name, stamp, format };
  const [service = '', tierName, categoryName] = parts;
  const tier = TIERS.find((one) => one === tierName);
  const category = CATEGORIES.find((one) => one === categoryName);
  if (parts.length !== 4 || tier === undefined || category === undefined) return undefined;
  return { path, place: { service, tier, category }, name, stamp, format };
}

/** May a directory of the root hold files of the old script? */
export function oldPlaces(directory: string): readonly string[] {
  if (directory.startsWith('.') || directory === 'sets') return [];
  if (directory === LARGE_DIRECTORY) return [directory];
  return TIERS.flatMap((tier) => CATEGORIES.map((category) => `${directory}/${tier}/${category}`));
}

/**
 * The source a file is of: the one of its name, as the artifact, the source or the volume is called.
 * Else the only one of its kind in its folder, where the script named the file after what it does
 * (`data`, `pgdump`) or after the service.
 */
export function matchOldFile(
  file: OldFile,
  services: readonly ServiceView[],
): MatchedOldFile | undefined {
  const { place } = file;
  const inPlace = services
    .filter(({ name }) => place === undefined || name === place.service)
    .flatMap(({ name: service, sources }) => sources.map((source) => ({ file, service, source })))
    .filter(({ source }) => fits(file, source));
  const named = inPlace.filter(({ source }) => isCalled(file, source));
  const preferred = named.filter(({ source }) => source.large === (place === undefined));
  const exact = preferred.length > 0 ? preferred : named;
  if (exact.length > 0) return exact.length === 1 ? exact[0] : undefined;
  if (place === undefined || inPlace.length !== 1) return undefined;
  const usual = [place.service, place.category, ...(file.format === 'sql' ? SQL_NAMES : [])];
  return usual.includes(file.name) ? inPlace[0] : undefined;
}

const SQL_NAMES: readonly string[] = ['pgdump', 'pg_dump', 'pgdumpall', 'pg_dumpall', 'dump'];

function fits({ format, place }: OldFile, { kind, category }: SourceView): boolean {
  if (format === 'sql') return kind === 'postgres' && place?.category === category;
  if (kind === 'postgres') return false;
  return place === undefined || place.category === category;
}

function isCalled({ name, place }: OldFile, source: SourceView): boolean {
  if (name === source.name) return true;
  if (source.kind === 'volume') return name === source.target;
  // Outside of its service the key of a source says nothing.
  return place !== undefined && name === source.source;
}

/**
 * Puts files of one run together: by stamp and tier. A file of `large_volumes` goes with the first
 * tier that has its stamp.
 * @param adopted paths of files that were imported already: they are part of the catalogue
 */
export function groupOldFiles(
  files: readonly OldFile[],
  services: readonly ServiceView[],
  adopted: ReadonlySet<string>,
): { readonly sets: readonly OldSet[]; readonly unknown: readonly UnknownOldFile[] } {
  const unknown: UnknownOldFile[] = [];
  const sets = new Map<string, { id: string; tier: SetFile['tier']; files: MatchedOldFile[] }>();
  const matches: MatchedOldFile[] = [];
  for (const file of files.filter(({ path }) => !adopted.has(path))) {
    const match = matchOldFile(file, services);
    if (match !== undefined) matches.push(match);
    else unknown.push({ path: file.path, reason: 'no source of the configuration is called so' });
  }
  // Those with a tier first: they tell the tiers of a stamp. A source takes the file of its name first.
  matches.sort(
    (left, right) => order(left) - order(right) || (left.file.path < right.file.path ? -1 : 1),
  );
  for (const match of matches) {
    const { file } = match;
    const tier = file.place?.tier ?? tierOfStamp(file.stamp, sets) ?? 'manual';
    const key = `${file.stamp}-${tier}`;
    const set = sets.get(key) ?? { id: file.stamp, tier, files: [] };
    const taken = set.files.find(
      (other) => other.service === match.service && other.source.source === match.source.source,
    );
    if (taken === undefined) {
      set.files.push(match);
      sets.set(key, set);
    } else {
      unknown.push({ path: file.path, reason: `${taken.file.path} is the same source’s` });
    }
  }
  return { sets: [...sets.values()], unknown };
}

function order({ file, source }: MatchedOldFile): number {
  return (file.place === undefined ? 2 : 0) + (isCalled(file, source) ? 0 : 1);
}

function tierOfStamp(stamp: string, sets: ReadonlyMap<string, unknown>): ScheduledTier | undefined {
  return TIERS.find((tier) => sets.has(`${stamp}-${tier}`));
}

/** What a run is called, as a record of who made a set. */
export function importRunId(stack: string, set: Pick<OldSet, 'id' | 'tier'>): string {
  return `${IMPORT_PREFIX}${stack}/${set.id}-${set.tier}`;
}

const IMPORT_PREFIX = 'import/';

/** Is a run of this id an import, which no workflow stands for? */
export function isImportRun(workflowId: string): boolean {
  return workflowId.startsWith(IMPORT_PREFIX);
}

type Frame = Pick<SetFile, 'scope' | 'status' | 'problems'>;

/**
 * What a set of old files says of itself. It is of the whole stack when no service is missing. It is
 * degraded when a service lacks a source, or one was read live that the configuration holds still
 * while it is read; failed when a file of it is damaged.
 */
export function frameOldSet(
  stack: Pick<StackView, 'services'>,
  held: readonly Pick<MatchedOldFile, 'service' | 'source'>[],
  damaged: readonly Problem[] = [],
): Frame {
  const services = [...new Set([...held, ...damaged].map(({ service }) => service))];
  const doubts: Problem[] = [];
  for (const { name, sources } of stack.services) {
    if (!services.includes(name)) continue;
    for (const source of sources) {
      const about = { service: name, source: source.source };
      const known = (one: { service: string; source: string }): boolean =>
        one.service === name && one.source === source.source;
      if (damaged.some(known)) continue;
      if (!held.some((one) => known({ service: one.service, source: one.source.source }))) {
        const message = 'the old script has no file of it in this set';
        doubts.push({ ...about, code: 'SOURCE_MISSING', message });
      } else if (source.quiesced) {
        const message = 'the old script read it while its containers ran';
        doubts.push({ ...about, code: 'ARCHIVE_FAILED', message });
      }
    }
  }
  const all = stack.services.every(
    ({ name, sources }) => sources.length === 0 || services.includes(name),
  );
  const problems = [...damaged, ...doubts];
  return {
    scope: all ? 'all' : services.sort(),
    status: damaged.length > 0 ? 'failed' : problems.length > 0 ? 'degraded' : 'success',
    problems,
  };
}

/** The moment a stamp names: local time, as the script's `date` and `formatStamp` mean it. */
export function momentOfStamp(stamp: string): Date {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = (
    /^(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)$/.exec(stamp) ?? []
  )
    .slice(1)
    .map(Number);
  return new Date(year, month - 1, day, hour, minute, second);
}
