/** A tree into an artifact's files: scan, cut, write, look again, and write again what changed. */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { ChangePolicy } from '../config/schema.js';
import { HoldfastError } from '../errors.js';
import type { Work } from '../progress.js';
import type { ArtifactFile, TreeInfo } from '../store/manifest.js';
import { removeTree, renameDurably } from '../system/durable.js';
import { cutIntoParts, hardLinkGroups, type Part } from './cut.js';
import type { Entry, TreeSpec } from './entry.js';
import { writeIndex } from './index-file.js';
import { inParallel } from './parallel.js';
import { writePart, type WrittenPart } from './part.js';
import { pathToName } from './paths.js';
import { directReader, type TreeReader } from './reader.js';
import { changedBetween, scanTree, type Scan } from './scan.js';

/** How often a tree is read again because it changed meanwhile, after the first time. */
const REREADS = 3;
/** Parts written at a time, where there are as many processors: a disk gains nothing from more. */
const MAX_WRITERS = 4;

export interface ArchiveOptions {
  readonly spec: TreeSpec;
  /** Existing empty directory; gets `part-00001.tar.zst` … and `index.jsonl.zst`. */
  readonly destination: string;
  /** zstd's level, 1 to 19. */
  readonly compressionLevel: number;
  /** What it means that something keeps changing while it is read. */
  readonly onChange: ChangePolicy;
  /** A tree without a single file or link is not an error. */
  readonly allowEmpty: boolean;
  /** How the bytes are reached; read directly by default. */
  readonly reader?: TreeReader;
  /** Where to cut; by {@link cutIntoParts}'s own size by default. */
  readonly partTargetBytes?: number;
}

export interface ArchivedTree {
  /** The parts in order, then the index. */
  readonly files: ArtifactFile[];
  readonly tree: TreeInfo;
  readonly totals: {
    readonly contentBytes: number;
    readonly storedBytes: number;
    readonly entries: number;
  };
  readonly consistency: {
    readonly state: 'consistent' | 'inconsistent';
    /** At most 1000 names; {@link changedCount} says how many there were. */
    readonly changed: string[];
    readonly policy: ChangePolicy;
  };
  readonly changedCount: number;
  /** Includes that matched nothing: for the caller to complain about. */
  readonly unmatchedIncludes: readonly string[];
  /** Mount points whose contents are not in the archive. */
  readonly skippedMounts: readonly string[];
  readonly skippedSockets: number;
  /** What tar warned of without failing: attributes it could not read, for one. At most 20 a part. */
  readonly warnings: readonly string[];
}

/**
 * Archives a tree.
 * @throws HoldfastError SOURCE_MISSING, EMPTY_SOURCE, ARCHIVE_FAILED (also: kept changing, with policy
 *   `fail`), DISK_FULL; or the signal's reason. Nothing of it is left in `destination` then.
 */
export async function archiveTree(options: ArchiveOptions, work: Work): Promise<ArchivedTree> {
  const reader = options.reader ?? directReader(options.spec.root);
  const names = new Set<string>();
  try {
    return await readUntilStill(options, reader, names, work);
  } catch (error) {
    await Promise.all([...names].map((name) => removeTree(path.join(options.destination, name))));
    throw error;
  }
}

interface Attempt {
  readonly scan: Scan;
  readonly parts: readonly Part[];
  readonly written: readonly WrittenPart[];
}

async function readUntilStill(
  options: ArchiveOptions,
  reader: TreeReader,
  names: Set<string>,
  work: Work,
): Promise<ArchivedTree> {
  let scan = await scanTree(options.spec, reader, work);
  // What is expected to change is not read over and over.
  const rereads = options.onChange === 'expected' ? 0 : REREADS;
  let previous = new Map<string, WrittenPart>();
  for (let round = 0; ; round += 1) {
    refuseEmpty(scan, options);
    const parts = cutIntoParts(scan.entries, options.partTargetBytes);
    const written = await writeRound({ options, reader, names, work, round, parts, previous });
    const after = await scanTree(options.spec, reader, work);
    const changed = changedBetween(scan.entries, after.entries);
    const attempt: Attempt = { scan, parts, written };
    const disturbed = written.some((part) => part.disturbed);
    if ((changed.count === 0 && !disturbed) || round === rereads) {
      return await finish(options, attempt, changed, reader, names, work);
    }
    previous = new Map(
      written.flatMap((part, index) => {
        const entries = parts[index]?.entries;
        return part.disturbed || entries === undefined ? [] : [[fingerprint(entries), part]];
      }),
    );
    scan = after;
  }
}

interface Round {
  readonly options: ArchiveOptions;
  readonly reader: TreeReader;
  readonly names: Set<string>;
  readonly work: Work;
  readonly round: number;
  readonly parts: readonly Part[];
  /** Parts of the round before, by the fingerprint of their entries. */
  readonly previous: ReadonlyMap<string, WrittenPart>;
}

/** Writes the parts of one round; those whose entries are as they were are taken over. */
async function writeRound(round: Round): Promise<readonly WrittenPart[]> {
  const { options, parts, names, work } = round;
  const totalBytes = parts.reduce((sum, part) => sum + part.contentBytes, 0);
  const progress = { bytes: 0, entries: 0 };
  const workers = Math.min(parts.length, availableParallelism(), MAX_WRITERS);
  const kept = new Set<string>();
  const written = await inParallel(
    parts,
    workers,
    async (part, index, signal) => {
      const same = round.previous.get(fingerprint(part.entries));
      if (same !== undefined) {
        kept.add(same.file.name);
        return same;
      }
      // Temporary until the round is whole: the old parts may still be taken over.
      const name = `part-${round.round}-${index}.tmp`;
      names.add(name);
      const result = await writePart(part, round.reader, {
        directory: options.destination,
        name,
        compressionLevel: options.compressionLevel,
        threads: workers === 1 ? availableParallelism() : 1,
        signal,
        onBytes: (bytes) => {
          progress.bytes += bytes;
          work.report({ phase: 'read', ...progress, totalBytes });
        },
      });
      progress.entries += part.entries.length;
      work.report({ phase: 'read', ...progress, totalBytes });
      return result;
    },
    work.signal,
  );
  for (const old of round.previous.values()) {
    if (!kept.has(old.file.name)) await removeTree(path.join(options.destination, old.file.name));
  }
  return written;
}

async function finish(
  options: ArchiveOptions,
  attempt: Attempt,
  changed: { readonly names: readonly string[]; readonly count: number },
  reader: TreeReader,
  names: Set<string>,
  work: Work,
): Promise<ArchivedTree> {
  const { scan, parts } = attempt;
  const disturbed = attempt.written.some((part) => part.disturbed);
  const inconsistent = changed.count > 0 || disturbed;
  if (inconsistent && options.onChange === 'fail') {
    throw new HoldfastError(
      'ARCHIVE_FAILED',
      `${options.spec.root} kept changing while it was read: ${changed.names.slice(0, 5).join(', ')}`,
      {
        facts: {
          path: options.spec.root,
          changed: changed.names.slice(0, 20),
          count: changed.count,
        },
        hint: 'quiesce the source (pause or stop), or set onChange to degrade or expected',
      },
    );
  }
  const files: ArtifactFile[] = [];
  for (const [index, { file }] of attempt.written.entries()) {
    const name = `part-${String(index + 1).padStart(5, '0')}.tar.zst`;
    names.add(name);
    await renameDurably(
      path.join(options.destination, file.name),
      path.join(options.destination, name),
    );
    files.push({ ...file, name });
  }
  const named = parts.map((part, index) => ({ part, name: files[index]?.name ?? '' }));
  names.add('index.jsonl.zst');
  files.push(
    await writeIndex(options.destination, named, {
      compressionLevel: options.compressionLevel,
      signal: work.signal,
    }),
  );
  return {
    files,
    tree: {
      root: options.spec.root,
      include: [...options.spec.include],
      exclude: [...options.spec.exclude],
      counts: countEntries(scan.entries),
      readThrough: reader.readThrough,
    },
    totals: {
      contentBytes: parts.reduce((sum, part) => sum + part.contentBytes, 0),
      storedBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
      entries: attempt.written.reduce((sum, { file }) => sum + (file.entries ?? 0), 0),
    },
    consistency: {
      state: inconsistent ? 'inconsistent' : 'consistent',
      // tar may have seen a change that left no trace: then its own words are the names.
      changed:
        changed.count > 0 || !inconsistent
          ? [...changed.names]
          : attempt.written.flatMap(({ complaints }) => complaints).slice(0, 1000),
      policy: options.onChange,
    },
    changedCount: changed.count,
    unmatchedIncludes: scan.unmatchedIncludes,
    skippedMounts: scan.skippedMounts.map(pathToName),
    skippedSockets: scan.skippedSockets,
    warnings: attempt.written.flatMap((part) => (part.disturbed ? [] : part.complaints)),
  };
}

function refuseEmpty(scan: Scan, options: ArchiveOptions): void {
  if (options.allowEmpty || scan.entries.some(({ type }) => type !== 'directory')) return;
  throw new HoldfastError('EMPTY_SOURCE', `${options.spec.root} has nothing to back up`, {
    facts: { path: options.spec.root, include: [...options.spec.include] },
    hint: 'is the disk mounted and the path right? If it may be empty, set allowEmpty: true',
  });
}

function countEntries(entries: readonly Entry[]): TreeInfo['counts'] {
  const further = new Set<Entry>();
  for (const group of hardLinkGroups(entries).values()) {
    for (const member of group.slice(1)) further.add(member);
  }
  const counts = { files: 0, directories: 0, symlinks: 0, hardLinks: 0, others: 0 };
  for (const entry of entries) {
    if (further.has(entry)) counts.hardLinks += 1;
    else if (entry.type === 'file') counts.files += 1;
    else if (entry.type === 'directory') counts.directories += 1;
    else if (entry.type === 'symlink') counts.symlinks += 1;
    else counts.others += 1;
  }
  return counts;
}

/** The state of all entries of a part in one value: the same means nothing of it has changed. */
export function fingerprint(entries: readonly Entry[]): string {
  const hash = createHash('sha256');
  for (const entry of entries) {
    hash.update(
      `${entry.path}\0${entry.type} ${entry.sizeBytes} ${entry.mtimeNs} ${entry.ctimeNs} ` +
        `${entry.inode} ${entry.mode} ${entry.uid} ${entry.gid} ${entry.linkTarget}\0`,
      'latin1',
    );
  }
  return hash.digest('hex');
}
