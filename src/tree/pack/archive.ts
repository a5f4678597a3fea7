/** A tree into an artifact's files: scan, cut, link or write, look again, and write again what changed. */
import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChangePolicy } from '../../format/config/sources.js';
import { HoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import { isLinked, type ArtifactFile, type TreeInfo } from '../../format/manifest.js';
import { removeTree } from '../../base/files/durable.js';
import { noteFinished } from './finished-parts.js';
import { INDEX_FILE, writeIndex } from '../index/index-file.js';
import { pathToName } from '../../base/files/byte-paths.js';
import { planParts } from './plan-parts.js';
import { directReader, type TreeReader } from '../scan/reader.js';
import { indexFingerprint, linkSame, SETTLE_MS, unclearForMs } from './reuse.js';
import { changedBetween, scanToFile, type ScanFile } from '../scan/scan-file.js';
import { writeRound, type RoundPart } from './write-round.js';
import type { ArchiveOptions } from './archive-options.js';

/** How often a tree is read again because it changed meanwhile, after the first time. */
const REREADS = 3;

export interface ArchivedTree {
  /** The parts in order, then the index. */
  readonly files: ArtifactFile[];
  readonly tree: TreeInfo;
  readonly totals: {
    readonly contentBytes: number;
    readonly storedBytes: number;
    readonly entries: number;
  };
  /** What was not read but linked: from earlier sets, and from earlier attempts at this one. */
  readonly linked: { readonly parts: number; readonly storedBytes: number };
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
  /** Entries that were left out for the length of their path. */
  readonly tooLong: number;
  readonly skippedSockets: number;
  /** What tar warned of without failing: attributes it could not read, for one. At most 20 a part. */
  readonly warnings: readonly string[];
}

/**
 * Archives a tree.
 * @throws HoldfastError SOURCE_MISSING, EMPTY_SOURCE, ARCHIVE_FAILED (also: kept changing, with policy
 *   `fail`), DISK_FULL; or the signal's reason. Nothing of it is left in `destination` then, except
 *   the parts that are noted in the journal.
 */
export async function archiveTree(options: ArchiveOptions, work: Work): Promise<ArchivedTree> {
  const archiving = new Archiving(options, work);
  try {
    await removeTree(archiving.scratch);
    await mkdir(archiving.scratch);
    return await archiving.run();
  } catch (error) {
    await archiving.removeUnfinished();
    throw error;
  } finally {
    await removeTree(archiving.scratch);
  }
}

class Archiving {
  /** Scans and the sort's files: on the disk of the backups, since they grow with the tree. */
  readonly scratch: string;
  readonly #reader: TreeReader;
  /** Names in the destination that are not noted as finished. */
  readonly #unfinished = new Set<string>();

  constructor(
    readonly options: ArchiveOptions,
    readonly work: Work,
  ) {
    this.scratch = `${options.destination}.scratch`;
    this.#reader = options.reader ?? directReader(options.spec.root);
  }

  async run(): Promise<ArchivedTree> {
    const { options, work } = this;
    let scan = await this.#scan();
    let written: readonly RoundPart[] = [];
    // What is expected to change is not read over and over.
    const rereads = options.onChange === 'expected' ? 0 : REREADS;
    for (let round = 0; ; round += 1) {
      refuseEmpty(scan, options);
      const result = await writeRound(
        {
          ...options,
          settleMs: options.settleMs ?? SETTLE_MS,
          reader: this.#reader,
          round,
          scan,
          previous: written,
          unfinished: this.#unfinished,
        },
        work,
      );
      const disturbed = result.parts.some((part) => part.disturbed);
      // Zeros in the place of content are never what is expected: that is read again in any case.
      const padded = result.parts.some((part) => part.padded.length > 0);
      const isLast = round >= (padded ? REREADS : rereads);
      // What was linked is as the scan saw it: without any reading there is nothing to look after.
      const after = result.read === 0 ? scan : await this.#scan();
      const changed = after === scan ? { names: [], count: 0 } : await changedBetween(scan, after);
      if ((changed.count === 0 && !disturbed) || isLast) {
        const doubtful = changed.count > 0 || padded;
        const parts = doubtful ? await this.#doubted(result.parts, after) : result.parts;
        return await this.#finish(scan, parts, changed);
      }
      written = result.parts;
      scan = after;
    }
  }

  /**
   * The parts of a tree that kept changing: one whose entries are not as they were before they were
   * read may hold something else than its fingerprint says, and is not to be linked later.
   * @throws HoldfastError ARCHIVE_FAILED for one that is as it was and could not be read to its end
   */
  async #doubted(parts: readonly RoundPart[], after: ScanFile): Promise<readonly RoundPart[]> {
    const same = new Set<string>();
    for await (const { fingerprint } of planParts(after, this.options.partTargetBytes)) {
      same.add(fingerprint);
    }
    return parts.map((part) => {
      const { state } = part.file;
      if (state === undefined) return part;
      if (!same.has(state.fingerprint)) {
        return { ...part, file: { ...part.file, state: { ...state, settled: false } } };
      }
      if (part.padded.length > 0) throw unreadable(this.options, part.padded);
      return part;
    });
  }

  /**
   * A scan whose times tell: should something have changed a moment before, it waits until a further
   * change would get another time, and scans again.
   */
  async #scan(): Promise<ScanFile> {
    const scan = (): Promise<ScanFile> =>
      scanToFile(this.options.spec, this.#reader, this.scratch, this.work);
    const first = await scan();
    const waitMs = unclearForMs(first.newestCtimeNs, first.begunAtMs);
    if (waitMs === 0) return first;
    const restMs = first.begunAtMs + waitMs - Date.now();
    if (restMs > 0) await delay(restMs);
    return scan();
  }

  async #finish(
    scan: ScanFile,
    parts: readonly RoundPart[],
    changed: { readonly names: readonly string[]; readonly count: number },
  ): Promise<ArchivedTree> {
    const { options } = this;
    const disturbed = parts.some((part) => part.disturbed);
    const inconsistent = changed.count > 0 || disturbed;
    const padded = parts.flatMap((part) => part.padded);
    if (inconsistent && options.onChange === 'fail') throw keptChanging(options, changed);
    const files = await this.#nameParts(parts);
    const index = await this.#index(scan, files);
    const linked = files.filter((file) => isLinked(file, options.setId));
    return {
      files: [...files, index],
      tree: {
        root: options.spec.root,
        include: [...options.spec.include],
        exclude: [...options.spec.exclude],
        counts: scan.counts,
        readThrough: this.#reader.readThrough,
      },
      totals: {
        contentBytes: scan.contentBytes,
        storedBytes: [...files, index].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        entries: files.reduce((sum, { entries }) => sum + (entries ?? 0), 0),
      },
      linked: {
        parts: linked.length,
        storedBytes: linked.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      },
      consistency: {
        state: inconsistent ? 'inconsistent' : 'consistent',
        // tar may have seen a change that left no trace: then its own words are the names.
        changed: [
          ...padded,
          ...(changed.count > 0 || !inconsistent
            ? changed.names
            : parts.flatMap(({ complaints }) => complaints)),
        ].slice(0, 1000),
        policy: padded.length > 0 ? 'degrade' : options.onChange,
      },
      changedCount: Math.max(changed.count, padded.length),
      unmatchedIncludes: scan.unmatchedIncludes,
      skippedMounts: scan.skippedMounts.map(pathToName),
      tooLong: scan.tooLong.count,
      skippedSockets: scan.skippedSockets,
      warnings: parts.flatMap((part) => (part.disturbed ? [] : part.complaints)),
    };
  }

  /** The same parts in the same order have the same index. */
  async #index(scan: ScanFile, parts: readonly ArtifactFile[]): Promise<ArtifactFile> {
    const { options, work } = this;
    const fingerprint = indexFingerprint(parts);
    this.#unfinished.add(INDEX_FILE);
    const target = path.join(options.destination, INDEX_FILE);
    const same = await linkSame(options.known ?? [], { role: 'index', fingerprint }, target);
    if (same !== undefined) return same;
    const written = await writeIndex(
      options.destination,
      { parts: planParts(scan, options.partTargetBytes), nameOf: partName, links: scan.hardLinks },
      { compressionLevel: options.compressionLevel, signal: work.signal },
    );
    const readAt = new Date(scan.begunAtMs).toISOString();
    return {
      ...written,
      state: { fingerprint, readAt, settled: true, setId: options.setId },
    };
  }

  /**
   * Gives the parts their final names. A kill in between loses none of them to the next attempt. The
   * directory is flushed with the artifact's papers, once.
   */
  async #nameParts(parts: readonly RoundPart[]): Promise<ArtifactFile[]> {
    const { destination, journal } = this.options;
    const files = parts.map(({ file }, index) => ({ ...file, name: partName(index) }));
    if (journal !== undefined) await noteFinished(journal, files);
    for (const [index, { file }] of parts.entries()) {
      const name = partName(index);
      if (journal === undefined) this.#unfinished.add(name);
      await rename(path.join(destination, file.name), path.join(destination, name));
    }
    return files;
  }

  async removeUnfinished(): Promise<void> {
    const names = [...this.#unfinished];
    await Promise.all(names.map((name) => removeTree(path.join(this.options.destination, name))));
  }
}

function partName(index: number): string {
  return `part-${String(index + 1).padStart(5, '0')}.tar.zst`;
}

function keptChanging(
  { spec }: ArchiveOptions,
  changed: { readonly names: readonly string[]; readonly count: number },
): HoldfastError {
  return new HoldfastError(
    'ARCHIVE_FAILED',
    `${spec.root} kept changing while it was read: ${changed.names.slice(0, 5).join(', ')}`,
    {
      facts: { path: spec.root, changed: changed.names.slice(0, 20), count: changed.count },
      hint: 'quiesce the source (pause or stop), or set onChange to degrade or expected',
    },
  );
}

function unreadable({ spec }: ArchiveOptions, padded: readonly string[]): HoldfastError {
  return new HoldfastError(
    'ARCHIVE_FAILED',
    `${spec.root} cannot be read in full, though nothing changed: ${padded.slice(0, 5).join(', ')}`,
    {
      facts: { path: spec.root, padded: padded.slice(0, 20) },
      hint: 'see what the kernel says of this disk (dmesg): a file has a size that can’t be read',
    },
  );
}

function refuseEmpty({ counts }: ScanFile, { allowEmpty, spec }: ArchiveOptions): void {
  if (allowEmpty || counts.files + counts.symlinks + counts.others > 0) return;
  throw new HoldfastError('EMPTY_SOURCE', `${spec.root} has nothing to back up`, {
    facts: { path: spec.root, include: [...spec.include] },
    hint: 'is the disk mounted and the path right? If it may be empty, set allowEmpty: true',
  });
}
