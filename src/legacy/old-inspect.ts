/** Reading one file of the old script to its end, and the manifest it would have had. */
import path from 'node:path';
import { readOldTar, type OldTar } from './read-old-tar.js';
import { filesBase } from '../format/config/artifacts.js';
import type { PostgresSource, SourceConfig } from '../format/config/sources.js';
import type { Config } from '../format/config/schema.js';
import { HoldfastError, isHoldfastError, systemCodeOf } from '../base/errors.js';
import type { MatchedOldFile } from './plan/old-backups.js';
import { readOldScript, type OldScript } from './read-old-script.js';
import type { Work } from '../base/progress.js';
import { resolveInside } from '../store/layout.js';
import {
  ARTIFACT_FORMAT,
  FORMAT_VERSION,
  type ArtifactManifest,
  type PostgresInfo,
  type TreeInfo,
} from '../format/manifest.js';
import { identifyOldFile, timesOf, type OldFileIdentity } from './old-files.js';
import { oldRecordDirectory, writeOldRecord, type OldFileRecord } from './old-records.js';
import { own } from '../base/own.js';

/** Name of an old tar in the artifact that is made of it. */
export const OLD_PART_FILE = 'part-00001.tar.gz';
export const OLD_SCRIPT_FILE = 'cluster.sql';
/** Of volumes the script kept the content only. */
const PLAIN_VOLUME = { driver: 'local', options: {}, labels: {} };

/**
 * Reads the file and records what was found, also that it is refused.
 * @param options.index also make the index an artifact has
 * @throws HoldfastError INTEGRITY, ARCHIVE_HOSTILE, RESTORE_FAILED (its paths can't be placed),
 *   EMPTY_SOURCE; or the signal's reason
 */
export async function inspectOldFile(
  root: string,
  config: Config,
  match: MatchedOldFile,
  options: { readonly index: boolean },
  work: Work,
): Promise<OldFileRecord> {
  const relative = match.file.path;
  const identity = await identifyOldFile(root, relative);
  const common = {
    format: 'holdfast-old-file' as const,
    version: 1 as const,
    path: relative,
    identity,
    configDigest: config.digest,
  };
  const record = async (outcome: OldFileRecord['outcome']): Promise<OldFileRecord> => {
    const made = { ...common, at: new Date().toISOString(), outcome };
    await writeOldRecord(root, made);
    return made;
  };
  try {
    const read = await readFile(root, config, match, options, work);
    const now = await identifyOldFile(root, relative);
    if (now.mtimeNs !== identity.mtimeNs || now.sizeBytes !== read.sizeBytes) {
      throw new HoldfastError('INTEGRITY', `${relative} was written to while it was read`, {
        facts: { path: relative },
        hint: 'wait for the old script to end',
      });
    }
    const manifest = manifestOf(config, match, identity, read);
    return await record({
      type: 'whole',
      manifest,
      index: read.kind === 'tar' ? read.index : undefined,
      warnings: warningsOf(match, read),
    });
  } catch (error) {
    work.signal.throwIfAborted();
    if (!isHoldfastError(error)) throw error;
    await record({ type: 'refused', code: error.code, message: error.message });
    throw error;
  }
}

type Read = (OldTar & { readonly kind: 'tar' }) | (OldScript & { readonly kind: 'script' });

async function readFile(
  root: string,
  config: Config,
  match: MatchedOldFile,
  options: { readonly index: boolean },
  work: Work,
): Promise<Read> {
  const { file, source } = match;
  const target = await resolveInside(root, file.path);
  try {
    if (source.kind === 'postgres')
      return { kind: 'script', ...(await readOldScript(target, work)) };
    const { include = ['**'] } = source;
    const strip = { kind: source.kind, target: source.target, include };
    const index = options.index
      ? { directory: await oldRecordDirectory(root, file.path), partName: OLD_PART_FILE }
      : undefined;
    const read = await readOldTar(target, { target: strip, index }, work);
    refuseEmpty(target, sourceOf(config, match), read);
    return { kind: 'tar', ...read };
  } catch (error) {
    work.signal.throwIfAborted();
    const code = systemCodeOf(error);
    if (isHoldfastError(error) || code === undefined) throw error;
    throw new HoldfastError('INTEGRITY', `${target} can't be read: ${code}`, {
      facts: { path: target, reason: code },
      cause: error,
    });
  }
}

/** `docker run -v wrong-name:/data` makes an empty volume, and the script saved that. */
function refuseEmpty(target: string, source: SourceConfig, { entries, counts }: OldTar): void {
  if (source.kind === 'postgres' || source.allowEmpty) return;
  if (entries > counts.directories) return;
  throw new HoldfastError('EMPTY_SOURCE', `${target} holds no files`, {
    facts: { path: target, entries },
    hint: 'did the script name the volume right? `allowEmpty` of the source takes it as it is',
  });
}

function warningsOf({ service, source }: MatchedOldFile, read: Read): string[] {
  if (read.kind === 'script' || read.outside === 0) return [];
  const what = `${service}/${source.source}`;
  return [
    `${read.outside} entries of it are not what ${what} includes: where files are in place, they stay out`,
  ];
}

function sourceOf(config: Config, { service, source }: MatchedOldFile): SourceConfig {
  const found = own(own(config.services, service)?.sources ?? {}, source.source);
  if (found !== undefined) return found;
  throw new HoldfastError('UNKNOWN_SOURCE', `service ${service} has no source ${source.source}`, {
    facts: { service, source: source.source },
  });
}

function manifestOf(
  config: Config,
  match: MatchedOldFile,
  identity: OldFileIdentity,
  read: Read,
): ArtifactManifest {
  const { file, service, source } = match;
  const configured = sourceOf(config, match);
  const { startedAt, finishedAt } = timesOf(file.stamp, identity);
  const { sizeBytes, sha256, entries } = read;
  const contentBytes = read.kind === 'tar' ? read.contentBytes : read.sizeBytes;
  const stored = { name: path.basename(file.path), sizeBytes, sha256, contentBytes, entries };
  return {
    format: ARTIFACT_FORMAT,
    version: FORMAT_VERSION,
    setId: file.stamp,
    stack: config.stack,
    host: config.hostId,
    service,
    source: source.source,
    kind: source.kind,
    name: source.name,
    startedAt,
    finishedAt,
    tools: {},
    quiesce: 'live',
    consistency: {
      state: 'consistent',
      changed: [],
      policy: configured.kind === 'postgres' ? 'fail' : configured.onChange,
    },
    files: [
      read.kind === 'tar'
        ? {
            ...stored,
            role: 'part',
            foreign: { format: 'tar.gz', stripPrefix: read.stripPrefix },
          }
        : { ...stored, role: 'cluster' },
    ],
    totals: { contentBytes, storedBytes: sizeBytes, entries },
    ...(read.kind === 'tar' ? { tree: treeOf(config, match, read) } : {}),
    ...(configured.kind === 'volume'
      ? { volume: { ...PLAIN_VOLUME, name: configured.volume } }
      : {}),
    ...(configured.kind === 'postgres' && read.kind === 'script'
      ? { postgres: postgresOf(config, match, configured, read) }
      : {}),
    verification: [{ at: new Date().toISOString(), level: 'decode', ok: true }],
    importedFrom: file.path,
  };
}

function treeOf(config: Config, match: MatchedOldFile, read: OldTar): TreeInfo {
  const service = own(config.services, match.service);
  const source = sourceOf(config, match);
  const base =
    source.kind === 'files' && service !== undefined ? filesBase(service, source) : undefined;
  return {
    root: base ?? `/var/lib/docker/volumes/${match.source.target}/_data`,
    include: source.kind === 'postgres' ? [] : source.kind === 'files' ? source.include : ['**'],
    exclude: source.kind === 'postgres' ? [] : source.exclude,
    counts: read.counts,
    readThrough: source.kind === 'volume' ? 'helper-container' : 'direct',
  };
}

function postgresOf(
  config: Config,
  { service }: MatchedOldFile,
  source: PostgresSource,
  { found }: OldScript,
): PostgresInfo {
  const home = own(config.services, service)?.home ?? '/';
  return {
    ...found,
    clientVersion: found.serverVersion,
    format: 'cluster',
    container: source.container,
    image: '',
    user: source.user,
    notDumped: [],
    data: dataOf(source, home),
  };
}

function dataOf({ dataDirectory, dataVolume }: PostgresSource, home: string): PostgresInfo['data'] {
  if (dataDirectory !== undefined) return { type: 'bind', path: path.resolve(home, dataDirectory) };
  if (dataVolume === undefined) return { type: 'unknown' };
  return { type: 'volume', volume: { ...PLAIN_VOLUME, name: dataVolume } };
}
