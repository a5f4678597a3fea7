/** The old script's files as sets a restore can start from, beside those of the catalogue. */
import { toStackView } from '../config/stack-view.js';
import type { Config } from '../format/config/schema.js';
import {
  frameOldSet,
  groupOldFiles,
  importRunId,
  momentOfStamp,
  type MatchedOldFile,
  type OldSet,
  type UnknownOldFile,
} from './plan/old-backups.js';
import {
  FORMAT_VERSION,
  SET_FORMAT,
  type Problem,
  type SetArtifact,
  type SetFile,
} from '../format/manifest.js';
import {
  estimateContentBytes,
  findOldFiles,
  identityDigest,
  timesOf,
  type FoundOldFile,
  type OldFileIdentity,
} from './old-files.js';
import { readOldRecord, type OldFileRecord } from './old-records.js';

export interface OldFileState extends MatchedOldFile {
  readonly identity: OldFileIdentity;
  /** What reading it told, where it was read since it was written. */
  readonly record?: OldFileRecord | undefined;
}

export interface OldBackup {
  readonly id: string;
  readonly tier: SetFile['tier'];
  readonly files: readonly OldFileState[];
  /** As a set of the catalogue; its artifacts' paths are those of the files. */
  readonly set: SetFile;
}

export interface OldBackups {
  /** By id, then tier; oldest first. */
  readonly backups: readonly OldBackup[];
  /** Files that look like the script's and that no source of the configuration claims. */
  readonly unknown: readonly UnknownOldFile[];
}

/**
 * Finds what was not imported yet. Reads names and sizes, and the last bytes of files; nothing is
 * verified.
 * @param sets the catalogue's, which name what was imported
 */
export async function readOldBackups(
  root: string,
  config: Config,
  sets: readonly SetFile[],
): Promise<OldBackups> {
  const found = await findOldFiles(root);
  const byPath = new Map(found.files.map((file) => [file.path, file]));
  const grouped = groupOldFiles(found.files, toStackView(config).services, adoptedPaths(sets));
  const backups: OldBackup[] = [];
  for (const set of grouped.sets) {
    const files: OldFileState[] = [];
    const artifacts: SetArtifact[] = [];
    for (const match of set.files) {
      const file = byPath.get(match.file.path);
      if (file === undefined) continue;
      const state = {
        ...match,
        identity: file.identity,
        record: await recordOf(root, config, file),
      };
      files.push(state);
      artifacts.push(await artifactOf(root, file, state));
    }
    backups.push({
      id: set.id,
      tier: set.tier,
      files,
      set: setFile(config, set, files, artifacts),
    });
  }
  const name = ({ id, tier }: OldBackup): string => `${id}-${tier}`;
  return {
    backups: backups.sort((left, right) => (name(left) < name(right) ? -1 : 1)),
    unknown: [...found.unknown, ...grouped.unknown].sort((a, b) => (a.path < b.path ? -1 : 1)),
  };
}

/** Paths of the old files that sets of the catalogue were made from. */
export function adoptedPaths(sets: readonly SetFile[]): ReadonlySet<string> {
  return new Set(
    sets.flatMap(({ artifacts }) =>
      artifacts.flatMap(({ importedFrom }) => (importedFrom === undefined ? [] : [importedFrom])),
    ),
  );
}

/** Another configuration may say that the same file is something else. */
async function recordOf(
  root: string,
  config: Config,
  { path, identity }: FoundOldFile,
): Promise<OldFileRecord | undefined> {
  const record = await readOldRecord(root, path, identity);
  return record?.configDigest === config.digest ? record : undefined;
}

async function artifactOf(
  root: string,
  file: FoundOldFile,
  { service, source, record }: OldFileState,
): Promise<SetArtifact> {
  const known = record?.outcome.type === 'whole' ? record.outcome.manifest.totals : undefined;
  return {
    service,
    source: source.source,
    kind: source.kind,
    path: file.path,
    manifestSha256: identityDigest(file.path, file.identity),
    contentBytes: known?.contentBytes ?? (await estimateContentBytes(root, file)),
    storedBytes: file.identity.sizeBytes,
    entries: known?.entries ?? 0,
    consistent: true,
    importedFrom: file.path,
  };
}

function setFile(
  config: Config,
  set: OldSet,
  files: readonly OldFileState[],
  artifacts: SetArtifact[],
): SetFile {
  const damaged = files.flatMap(({ service, source, record }): Problem[] =>
    record?.outcome.type === 'refused'
      ? [
          {
            service,
            source: source.source,
            code: record.outcome.code,
            message: record.outcome.message,
          },
        ]
      : [],
  );
  const times = files.map(({ file, identity }) => timesOf(file.stamp, identity));
  const startedAt = momentOfStamp(set.id).toISOString();
  return {
    format: SET_FORMAT,
    version: FORMAT_VERSION,
    id: set.id,
    tier: set.tier,
    stack: config.stack,
    host: config.hostId,
    configDigest: config.digest,
    ...frameOldSet(toStackView(config), set.files, damaged),
    startedAt,
    finishedAt:
      [startedAt, ...times.map(({ finishedAt }) => finishedAt)].sort().at(-1) ?? startedAt,
    workflowId: importRunId(config.stack, set),
    origin: 'old-script',
    artifacts,
  };
}
