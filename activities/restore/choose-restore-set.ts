/** Which set a restore is from. Reads the store and looks at the host; touches nothing, and needs no run. */
import { namesIn } from '../../src/format/config/names.js';
import { remapConfig } from '../../src/config/remap.js';
import { withProjects } from '../../src/docker/compose/project.js';
import { chooseAmongAll } from '../../src/legacy/plan/choose-old-set.js';
import type { ChosenSet } from '../../src/plan/restore/choose-set.js';
import type { HostSurvey } from '../../src/plan/restore/host-survey.js';
import { requireUsed, type Mapping, type NamesInUse } from '../../src/format/mapping.js';
import { mixSets, renameServices } from '../../src/plan/restore/mix-sets.js';
import { own } from '../../src/base/own.js';
import { setName } from '../../src/format/set-order.js';
import { archivesOf } from '../../src/postgres/replace/replace-database.js';
import { readArtifact } from '../../src/store/write/artifact.js';
import { readCatalogue } from '../../src/store/catalogue/catalogue.js';
import { chooseLooking, requireThere } from '../../src/store/catalogue/choose-whole.js';
import { requireStore } from '../../src/store/write/known-store.js';
import { resolveInside } from '../../src/store/layout.js';
import type { ArtifactManifest, SetArtifact, SetFile } from '../../src/format/manifest.js';
import { readOldBackups } from '../../src/legacy/old-sets.js';
import type { ReportProgress } from '../../src/base/progress.js';
import { timeOf, type ActivityDependencies } from '../shared/runtime.js';
import { surveyHost } from '../survey/survey.js';

type Context = Pick<ActivityDependencies, 'config' | 'engine' | 'now'>;

export interface RestoreChoice {
  readonly set: string;
  readonly services?: readonly string[] | undefined;
  /** Service → set, as {@link restoreStackInputSchema} takes them. */
  readonly sets?: Readonly<Record<string, string>> | undefined;
  /** `<service>/<source>`, where not all of the services' sources are meant. */
  readonly sources?: readonly string[] | undefined;
  /** Only these of each PostgreSQL source. */
  readonly databases?: readonly string[] | undefined;
  readonly map?: Mapping | undefined;
  /** The mapping is a person's, who is told of a name in it that stands for nothing. */
  readonly isAsked?: boolean | undefined;
}

export interface ChosenRestoreSet {
  readonly set: SetFile;
  /** Services that come from another set, with its name. */
  readonly otherSets: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
  readonly survey: HostSurvey;
}

/** What a mapping can name: in the configuration, in the dumps that are restored, and of the sets. */
async function namesFor(
  { engine, config }: Pick<ActivityDependencies, 'engine' | 'config'>,
  dumps: readonly ArtifactManifest[],
  sets: readonly SetFile[],
): Promise<NamesInUse> {
  const names = namesIn(await withProjects(engine, config));
  const data = dumps.flatMap(({ postgres }) => (postgres === undefined ? [] : [postgres.data]));
  return {
    ...names,
    paths: new Set([
      ...names.paths,
      ...data.flatMap((place) => (place.type === 'bind' ? [place.path] : [])),
    ]),
    volumes: new Set([
      ...names.volumes,
      ...data.flatMap((place) => (place.type === 'volume' ? [place.volume.name] : [])),
    ]),
    services: new Set(sets.flatMap(({ artifacts }) => artifacts.map(({ service }) => service))),
  };
}

/** One after the other: each names every table of every database of its server. */
async function manifestsOf(
  root: string,
  artifacts: readonly SetArtifact[],
  report: ReportProgress,
): Promise<ArtifactManifest[]> {
  const manifests: ArtifactManifest[] = [];
  for (const { path } of artifacts) {
    manifests.push(await readArtifact(await resolveInside(root, path)));
    report({ phase: 'manifests', bytes: 0, entries: manifests.length, totalBytes: 0 });
  }
  return manifests;
}

/**
 * The set to restore from, mixed from several where that was asked for, and what it will meet.
 * `latest` is the newest set that is whole as far as its files' sizes tell.
 * @throws HoldfastError SET_NOT_FOUND; INTEGRITY where what is to be read is plainly not all there
 */
export async function chooseRestoreSet(
  dependencies: Context,
  input: RestoreChoice,
  report: ReportProgress = () => undefined,
): Promise<ChosenRestoreSet> {
  const { config } = dependencies;
  const { root } = config.backups;
  const { sets, damaged } = await readCatalogue(root);
  // No sets because no disk is another thing than no sets.
  if (sets.length === 0) await requireStore(root);
  const { map } = input;
  const known = map === undefined ? sets : sets.map((set) => renameServices(set, map.services));
  const { backups } = await readOldBackups(root, config, sets);
  const old = backups.map((backup) => backup.set);
  const now = timeOf(dependencies);
  const reads = ({ service, source }: SetArtifact): boolean =>
    own(own(config.services, service)?.sources ?? {}, source) !== undefined &&
    (input.services === undefined || input.services.includes(service)) &&
    (input.sources === undefined || input.sources.includes(`${service}/${source}`));
  const choose = (wanted: string, services: readonly string[] | undefined): Promise<ChosenSet> =>
    chooseLooking(root, sets, (unsound) =>
      chooseAmongAll(known, old, wanted, services, { unsound, reads, now }),
    );
  const picks: Record<string, SetFile> = {};
  const warnings: string[] = [];
  for (const [service, wanted] of Object.entries(input.sets ?? {})) {
    const chosen = await choose(wanted, [service]);
    picks[service] = chosen.set;
    warnings.push(...chosen.warnings.map((warning) => `${service}: ${warning}`));
  }
  const rest = input.services?.filter((service) => own(picks, service) === undefined);
  const [onlyPick] = rest?.length === 0 ? Object.values(picks) : [];
  const base =
    onlyPick === undefined ? await choose(input.set, rest) : { set: onlyPick, warnings: [] };
  const { otherSets, ...set } = mixSets(base.set, picks);
  const isImported = ({ path }: SetArtifact): boolean =>
    sets.some(({ artifacts }) => artifacts.some((one) => one.path === path));
  const needed = set.artifacts.filter((artifact) => reads(artifact) && isImported(artifact));
  await requireThere(root, setName(set), needed);
  const dumps = await manifestsOf(
    root,
    needed.filter(({ kind }) => kind === 'postgres'),
    report,
  );
  if (input.databases !== undefined) {
    for (const { files } of dumps) archivesOf(files, input.databases);
  }
  if (map !== undefined && input.isAsked === true) {
    requireUsed(map, await namesFor(dependencies, dumps, sets));
  }
  const named =
    map === undefined ? dependencies : { ...dependencies, config: remapConfig(config, map) };
  return {
    set,
    otherSets,
    warnings: [
      ...base.warnings,
      ...warnings,
      ...damaged.map(({ file, reason }) => `${file} can't be read: ${reason}`),
    ],
    survey: await surveyHost(named),
  };
}
