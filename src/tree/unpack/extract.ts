/** The parts of an artifact back into a tree. */
import { readdir, rm } from 'node:fs/promises';
import { HoldfastError, systemCodeOf } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { ArtifactFile } from '../../format/manifest.js';
import { runCommand, type RunningCommand } from '../../base/process/process.js';
import { HostileCheck } from '../../tar/hostile.js';
import { inParallel, usualParallelism } from '../../base/parallel.js';
import { directReader } from '../scan/reader.js';
import { scanEntries } from '../scan/scan.js';
import type { TarMember } from '../../tar/headers.js';
import { unpackParts, type Unpacking } from './unpack.js';
import {
  beginUnpacking,
  noteUnpacked,
  readUnpacked,
  type UnpackJournal,
} from './unpacked-parts.js';

export interface ExtractOptions {
  readonly artifactDirectory: string;
  /** The manifest's files; those with role `part` are read, in this order. */
  readonly files: readonly ArtifactFile[];
  /** Existing directory, empty but for what the journal knows of; gets the mode and owner of the tree's root. */
  readonly target: string;
  /** Device nodes are unpacked instead of refused. */
  readonly allowDevices?: boolean;
  /** How many parts are unpacked at a time; as many as there are processors, at most 4, by default. */
  readonly unpackers?: number;
  /**
   * A file outside of the target that notes what is unpacked. When a killed attempt has left one for
   * this target and these parts, the work goes on from there. The caller removes it in the end.
   */
  readonly journal?: string;
  /**
   * Where tar runs when the target can't be written from here: started with these arguments, the
   * target as its working directory and an open stdin. The caller has seen that it is empty.
   */
  readonly startTar?: (args: readonly string[], signal: AbortSignal) => RunningCommand;
}

/**
 * Unpacks all parts into an empty directory and flushes it to disk. What is unpacked is hashed and
 * looked through on its way, so that what was checked is what was written: a wrong hash or a hostile
 * member ends the work, with whatever was unpacked before it left in `target`.
 *
 * Where the directories are a part of their own, they are made first (two tars that make the same one
 * at the same time fail), the other parts are unpacked side by side, and the directories once more:
 * that gives them their times, modes and ACLs after everything is in them.
 * @returns members unpacked and bytes of the tar streams
 * @throws HoldfastError RESTORE_FAILED (also: target not empty), INTEGRITY (facts: path, expected,
 *   actual), ARCHIVE_HOSTILE, DISK_FULL; or the signal's reason
 */
export async function extractTree(
  options: ExtractOptions,
  work: Work,
): Promise<{ entries: number; bytes: number }> {
  const parts = options.files.filter(({ role }) => role === 'part');
  const journal = journalOf(options, parts);
  const earlier = journal === undefined ? undefined : await readUnpacked(journal);
  if (earlier === undefined) {
    if (options.startTar === undefined) await requireEmptyDirectory(options.target);
    if (journal !== undefined) await beginUnpacking(journal);
  }
  if (parts.length === 0) {
    throw new HoldfastError('RESTORE_FAILED', 'the artifact has no parts to unpack', {
      facts: { path: options.artifactDirectory },
    });
  }
  const totalBytes = parts.reduce((sum, { contentBytes }) => sum + (contentBytes ?? 0), 0);
  const progress = { bytes: 0, entries: 0 };
  // One for all: a part may not write through a symlink of another one either.
  const hostile = new HostileCheck({ allowDevices: options.allowDevices ?? false });
  const unpacking: Unpacking & ExtractOptions = {
    ...options,
    onMember: (member) => {
      hostile.check(member);
      progress.entries += 1;
    },
    onBytes: (bytes) => {
      progress.bytes += bytes;
      work.report({ phase: 'extract', ...progress, totalBytes });
    },
  };
  try {
    await unpackAll(parts, { ...unpacking, earlier, journal }, hostile, work.signal);
    if (options.startTar === undefined) {
      await runCommand('sync', ['-f', options.target], { signal: work.signal });
    }
  } catch (error) {
    throw extractFailure(error, options);
  }
  requireAllEntries(parts, progress.entries);
  if (earlier !== undefined && journal !== undefined) {
    await requireOnDisk(journal, progress.entries, work);
  }
  return progress;
}

/** Can the work go on from what this journal notes? Then the target need not be emptied first. */
export async function canResume(
  options: Pick<ExtractOptions, 'files' | 'target' | 'journal'>,
): Promise<boolean> {
  const parts = options.files.filter(({ role }) => role === 'part');
  const journal = journalOf(options, parts);
  return journal !== undefined && (await readUnpacked(journal)) !== undefined;
}

function journalOf(
  { journal, target }: Pick<ExtractOptions, 'target' | 'journal'>,
  parts: readonly ArtifactFile[],
): UnpackJournal | undefined {
  return journal === undefined ? undefined : { file: journal, target, parts };
}

interface Resuming {
  /** Hashes of parts that an earlier attempt has unpacked. */
  readonly earlier: ReadonlySet<string> | undefined;
  readonly journal: UnpackJournal | undefined;
}

async function unpackAll(
  parts: readonly ArtifactFile[],
  unpacking: Unpacking & Omit<ExtractOptions, 'journal'> & Resuming,
  hostile: HostileCheck,
  signal: AbortSignal,
): Promise<void> {
  const [directories, ...others] = parts;
  const separate =
    unpacking.startTar === undefined &&
    // Others could not write into a directory that has its final mode.
    process.getuid?.() === 0 &&
    directories?.holds === 'directories' &&
    others.every(({ holds }) => holds === 'files');
  if (!separate) {
    await unpackParts(parts, unpacking, signal);
    return;
  }
  // Neither counted nor with attributes: what is unpacked next would inherit ACLs.
  const bare = {
    ...unpacking,
    bare: true,
    onMember: (member: TarMember) => hostile.check(member),
    onBytes: () => undefined,
  };
  await unpackParts([directories], bare, signal);
  await inParallel(
    // The largest first, so that none is left for a single processor at the end.
    [...others].sort((left, right) => right.sizeBytes - left.sizeBytes),
    unpacking.unpackers ?? usualParallelism(),
    async (part, _index, any) => {
      // Still looked through: another part must not be written through a symlink of this one.
      const lookOnly = unpacking.earlier?.has(part.sha256) === true;
      await unpackParts([part], { ...unpacking, lookOnly }, any);
      if (!lookOnly && unpacking.journal !== undefined) await noteUnpacked(unpacking.journal, part);
    },
    signal,
  );
  await unpackParts([directories], unpacking, signal);
}

async function requireEmptyDirectory(target: string): Promise<void> {
  const names = await readdir(target).catch((error: unknown) => {
    throw new HoldfastError('RESTORE_FAILED', `${target} is not a directory to unpack into`, {
      facts: { path: target, reason: systemCodeOf(error) ?? null },
      cause: error,
    });
  });
  if (names.length === 0) return;
  throw new HoldfastError('RESTORE_FAILED', `${target} is not empty`, {
    facts: { path: target, found: names.slice(0, 5) },
    hint: 'a restore never merges into existing files: move them aside first',
  });
}

/**
 * After going on from an earlier attempt: is what that one had unpacked still there? If not, the next
 * attempt begins anew.
 */
async function requireOnDisk(journal: UnpackJournal, expected: number, work: Work): Promise<void> {
  let actual = 0;
  const spec = { root: journal.target, include: ['**'], exclude: [], oneFileSystem: true };
  await scanEntries(spec, directReader(journal.target), work, {
    onEntries: (entries) => {
      actual += entries.length;
    },
  });
  if (actual === expected) return;
  await rm(journal.file, { force: true });
  throw new HoldfastError(
    'RESTORE_FAILED',
    `${journal.target} holds ${actual} of ${expected} entries`,
    {
      facts: { path: journal.target, expected, actual },
      hint: 'something else changed what was unpacked: restore again',
    },
  );
}

function requireAllEntries(parts: readonly ArtifactFile[], actual: number): void {
  let expected = 0;
  for (const { entries } of parts) {
    if (entries === undefined) return;
    expected += entries;
  }
  if (actual === expected) return;
  throw new HoldfastError('RESTORE_FAILED', `${actual} of ${expected} entries were unpacked`, {
    facts: { expected, actual },
  });
}

function extractFailure(error: unknown, options: ExtractOptions): unknown {
  const code = systemCodeOf(error);
  if (code === 'ENOENT' || code === 'EISDIR') {
    return new HoldfastError('INTEGRITY', 'a part of the artifact is missing', {
      facts: { path: options.artifactDirectory },
      cause: error,
    });
  }
  if (!(error instanceof HoldfastError) || error.code !== 'COMMAND_FAILED') return error;
  return new HoldfastError(
    'RESTORE_FAILED',
    `unpacking into ${options.target} failed: ${error.message}`,
    {
      facts: { ...error.facts, path: options.target },
      cause: error,
    },
  );
}
