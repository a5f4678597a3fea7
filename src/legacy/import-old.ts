/**
 * Making a set of the catalogue of the old script's files. They become files of artifacts by hard
 * links: no byte is copied, and the old name stays until the set is published. Whoever is killed in
 * between, the old files are where they were, and importing again goes on.
 */
import { link, lstat, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { cannotLink } from '../format/known-parts.js';
import type { Config } from '../format/config/schema.js';
import { toStackView } from '../config/stack-view.js';
import { HoldfastError, isHoldfastError } from '../base/errors.js';
import { frameOldSet, importRunId, isImportRun } from './plan/old-backups.js';
import { artifactPath } from '../format/artifact-paths.js';
import type { Work } from '../base/progress.js';
import { fsyncPath } from '../base/files/durable.js';
import { withFileLock } from '../base/files/lock.js';
import { finishArtifact } from '../store/write/artifact.js';
import { readCatalogue } from '../store/catalogue/catalogue.js';
import { copyFiles } from '../store/write/copy-files.js';
import { beginAttempt, promoteAttempt } from '../store/write/attempts.js';
import { beginSet, recoverIncoming } from '../store/write/incoming.js';
import { RECORDS_DIRECTORY, resolveInside, type StoreOwnership } from '../store/layout.js';
import type {
  ArtifactFile,
  ArtifactManifest,
  Problem,
  SetArtifact,
  SetFile,
} from '../format/manifest.js';
import { identifyOldFile } from './old-files.js';
import { inspectOldFile, OLD_PART_FILE, OLD_SCRIPT_FILE } from './old-inspect.js';
import {
  dropOldRecord,
  hasOldRecord,
  oldRecordDirectory,
  type OldFileRecord,
} from './old-records.js';
import type { OldBackup, OldFileState } from './old-sets.js';
import { publishSet } from '../store/write/publish.js';

/** How long what a check has found is believed without reading again. */
const RECORD_AGE_MS = 24 * 3_600_000;

export interface ImportOptions {
  readonly root: string;
  readonly config: Config;
  readonly ownership?: StoreOwnership | undefined;
  /** Everything is checked, nothing becomes part of the catalogue. */
  readonly dryRun: boolean;
  /** The old names stay beside the artifacts'. */
  readonly keepOld: boolean;
  /** Told how each file's check went. */
  readonly onFile?: (file: ImportedFile) => void;
  /** For tests: called before each step, may throw to stop there. */
  readonly beforeStep?: ((step: string) => void) | undefined;
}

export interface ImportedFile {
  /** Relative to the root. */
  readonly path: string;
  readonly service: string;
  readonly source: string;
  readonly sizeBytes: number;
  readonly outcome:
    | {
        readonly type: 'whole';
        readonly entries: number;
        readonly contentBytes: number;
        readonly sha256: string;
        readonly warnings: readonly string[];
      }
    | { readonly type: 'refused'; readonly code: string; readonly message: string };
}

export interface ImportedSet {
  readonly files: readonly ImportedFile[];
  /** The set as published, or as it would be; absent where no file of it can be used. */
  readonly set?: SetFile;
  /** Old names that are still there because the file was copied, not linked. */
  readonly copied: readonly string[];
}

/** Only one import at a time; a backup's clean-up asks whether one holds it. */
export function importLock(root: string): string {
  return path.join(root, RECORDS_DIRECTORY, 'locks', 'import.lock');
}

/** Is an import at work? What it has begun must then be left alone. */
export async function importRuns(root: string): Promise<boolean> {
  try {
    await withFileLock(importLock(root), { mode: 'refuse' }, () => Promise.resolve());
    return false;
  } catch (error) {
    if (isHoldfastError(error) && error.code === 'LOCK_HELD') return true;
    throw error;
  }
}

/**
 * Checks every file of an old set, and makes a set of those that are whole. The others stay what they
 * are, and the set says that they are missing. Callers hold {@link importLock}.
 * @throws HoldfastError STORE_UNSAFE, DISK_FULL, INTEGRITY when a file changes meanwhile; or the
 *   signal's reason. A file that is refused is no error: it is in the result.
 */
export async function importOldSet(
  backup: OldBackup,
  options: ImportOptions,
  work: Work,
): Promise<ImportedSet> {
  const { root, config, dryRun } = options;
  const checked: { state: OldFileState; record: OldFileRecord | undefined; file: ImportedFile }[] =
    [];
  for (const state of backup.files) {
    const { record, file } = await check(state, options, work);
    options.onFile?.(file);
    checked.push({ state, record, file });
  }
  const files = checked.map(({ file }) => file);
  const whole = checked.flatMap(({ state, record }) =>
    record?.outcome.type === 'whole' ? [{ ...state, outcome: record.outcome }] : [],
  );
  if (whole.length === 0) return { files, copied: [] };
  const workflowId = importRunId(config.stack, backup);
  const frame: SetFile = {
    ...backup.set,
    ...frameOldSet(toStackView(config), whole, files.flatMap(problemOf)),
    workflowId,
    artifacts: [],
  };
  if (dryRun) return { files, set: frame, copied: [] };

  options.beforeStep?.('begin');
  const setId = await beginSet(root, { workflowId, stamp: backup.id });
  const artifacts: SetArtifact[] = [];
  const copied: string[] = [];
  for (const one of whole) {
    options.beforeStep?.(`adopt ${one.file.path}`);
    const adopted = await adopt(one, { ...options, setId, tier: backup.tier }, work);
    artifacts.push(adopted.artifact);
    if (adopted.copied) copied.push(one.file.path);
  }
  options.beforeStep?.('publish');
  const set = await publishSet(
    root,
    { ...frame, id: setId, artifacts },
    { ownership: options.ownership, beforeStep: options.beforeStep },
  );
  options.beforeStep?.('old names');
  if (!options.keepOld) await removeOldNames(root, [set]);
  for (const { file } of whole) await dropOldRecord(root, file.path);
  return { files, set, copied };
}

/**
 * Removes the old names of files that are part of the catalogue: only where the artifact has the very
 * same file under its own name, so that nothing but a name goes.
 * @returns the paths that went
 */
export async function removeOldNames(root: string, sets: readonly SetFile[]): Promise<string[]> {
  const removed: string[] = [];
  for (const { path: directory, importedFrom, kind } of sets.flatMap((set) => set.artifacts)) {
    if (importedFrom === undefined) continue;
    const name = kind === 'postgres' ? OLD_SCRIPT_FILE : OLD_PART_FILE;
    const old = await resolveInside(root, importedFrom);
    const [was, is] = await Promise.all([
      lstat(old, { bigint: true }).catch(() => undefined),
      lstat(await resolveInside(root, `${directory}/${name}`), { bigint: true }).catch(
        () => undefined,
      ),
    ]);
    if (was === undefined || is === undefined || !was.isFile()) continue;
    if (was.ino !== is.ino || was.dev !== is.dev) continue;
    await rm(old);
    await fsyncPath(path.dirname(old));
    removed.push(importedFrom);
  }
  return removed;
}

/**
 * Settles what killed imports have left: a set whose publishing had begun is published, others are
 * taken back, and old names go that were to go. Callers hold {@link importLock}.
 */
export async function settleImports(
  root: string,
  ownership: StoreOwnership | undefined,
): Promise<void> {
  await recoverIncoming(root, {
    // Runs of others are theirs to judge.
    isAlive: ({ workflowId }) => Promise.resolve(!isImportRun(workflowId)),
    ownership,
  });
  const { sets } = await readCatalogue(root);
  for (const { artifacts, ...set } of sets.filter(({ origin }) => origin === 'old-script')) {
    for (const artifact of artifacts) {
      const { importedFrom } = artifact;
      // The check's record goes after the name: where it is left, the name was not kept on purpose.
      if (importedFrom === undefined || !(await hasOldRecord(root, importedFrom))) continue;
      await removeOldNames(root, [{ ...set, artifacts: [artifact] }]);
      await dropOldRecord(root, importedFrom);
    }
  }
}

async function check(
  state: OldFileState,
  { root, config }: ImportOptions,
  work: Work,
): Promise<{ record: OldFileRecord | undefined; file: ImportedFile }> {
  const { service, source, identity, file } = state;
  const about = {
    path: file.path,
    service,
    source: source.source,
    sizeBytes: identity.sizeBytes,
  };
  try {
    const record =
      usable(state.record) ?? (await inspectOldFile(root, config, state, { index: true }, work));
    if (record.outcome.type === 'refused')
      return { record, file: { ...about, outcome: record.outcome } };
    const { manifest, warnings } = record.outcome;
    const { entries, contentBytes } = manifest.totals;
    const sha256 = manifest.files[0]?.sha256 ?? '';
    const outcome = { type: 'whole' as const, entries, contentBytes, sha256, warnings };
    return { record, file: { ...about, outcome } };
  } catch (error) {
    work.signal.throwIfAborted();
    if (!isHoldfastError(error)) throw error;
    const { code, message } = error;
    return { record: undefined, file: { ...about, outcome: { type: 'refused', code, message } } };
  }
}

/** A recent check that found the file whole; what was refused is looked at anew. */
function usable(record: OldFileRecord | undefined): OldFileRecord | undefined {
  if (record?.outcome.type !== 'whole') return undefined;
  const { manifest, index } = record.outcome;
  if (manifest.kind !== 'postgres' && index === undefined) return undefined;
  return Date.now() - Date.parse(record.at) < RECORD_AGE_MS ? record : undefined;
}

function problemOf({ service, source, outcome }: ImportedFile): Problem[] {
  if (outcome.type === 'whole') return [];
  return [{ service, source, code: outcome.code, message: outcome.message }];
}

type Whole = OldFileState & {
  readonly outcome: Extract<OldFileRecord['outcome'], { type: 'whole' }>;
};

/** Makes one artifact of one file in the incoming directory of the set. */
async function adopt(
  { file, service, source, identity, outcome }: Whole,
  options: ImportOptions & { readonly setId: string; readonly tier: SetFile['tier'] },
  work: Work,
): Promise<{ artifact: SetArtifact; copied: boolean }> {
  const { root, setId, tier } = options;
  const relativePath = artifactPath(
    service,
    tier,
    source.category,
    source.name,
    setId,
    source.large,
  );
  const attempt = { setId, relativePath, attempt: 1 };
  const { directory } = await beginAttempt(root, attempt);
  const [stored, ...others] = outcome.manifest.files;
  if (stored === undefined || others.length > 0) {
    throw new HoldfastError('INTERNAL', `${file.path} is not one file`);
  }
  const name = stored.role === 'cluster' ? OLD_SCRIPT_FILE : OLD_PART_FILE;
  const content: ArtifactFile = { ...stored, name };
  const old = await resolveInside(root, file.path);
  const copied = await linkOrCopy(old, path.join(directory, name), content, work);
  // What was linked is what was read: nobody has written to it or put another in its place.
  const now = await identifyOldFile(root, file.path);
  if (now.mtimeNs !== identity.mtimeNs || now.inode !== identity.inode) {
    throw new HoldfastError('INTEGRITY', `${file.path} changed after it was checked`, {
      facts: { path: file.path },
      hint: 'wait for the old script to end, and import again',
    });
  }
  const files = [content];
  if (outcome.index !== undefined) {
    const index = path.join(await oldRecordDirectory(root, file.path), outcome.index.name);
    await linkOrCopy(index, path.join(directory, outcome.index.name), outcome.index, work);
    files.push(outcome.index);
  }
  const manifest: ArtifactManifest = { ...outcome.manifest, setId, files };
  const { manifestSha256, storedBytes } = await finishArtifact(
    directory,
    manifest,
    options.ownership,
  );
  await promoteAttempt(root, attempt);
  return {
    copied,
    artifact: {
      service,
      source: source.source,
      kind: source.kind,
      path: relativePath,
      manifestSha256,
      contentBytes: manifest.totals.contentBytes,
      storedBytes,
      entries: manifest.totals.entries,
      consistent: true,
      importedFrom: file.path,
    },
  };
}

/** @returns whether it had to be copied; a copy is seen to be the same */
async function linkOrCopy(
  from: string,
  to: string,
  expected: ArtifactFile,
  work: Work,
): Promise<boolean> {
  try {
    await link(from, to);
    return false;
  } catch (error) {
    if (!cannotLink(error)) throw error;
  }
  const name = path.basename(from);
  await copyFiles(path.dirname(from), [{ ...expected, name }], path.dirname(to), work);
  await rename(path.join(path.dirname(to), name), to);
  return true;
}
