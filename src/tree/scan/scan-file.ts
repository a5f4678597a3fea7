/**
 * A scan on disk: what a backup works from, read as often as it is needed, with no more of it in
 * memory than what it takes to write one part.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Work } from '../../base/progress.js';
import type { TreeInfo } from '../../format/manifest.js';
import { diskFull, writeAll } from '../../base/process/pipeline.js';
import type { Entry, TreeSpec } from '../index/entry.js';
import { comparePaths, pathToName, type BytePath } from '../../base/files/byte-paths.js';
import type { TreeReader } from './reader.js';
import { scanEntries, type ScanFindings } from './scan.js';
import { detached, parseRecord, recordOf, RecordSplitter } from './scan-record.js';

export interface ScanFile extends ScanFindings {
  readonly file: string;
  /** When the scan began, milliseconds since the epoch by this host's clock. */
  readonly begunAtMs: number;
  readonly counts: TreeInfo['counts'];
  /** Bytes of files, a hard-linked one once. */
  readonly contentBytes: number;
  /** The latest change of any entry. */
  readonly newestCtimeNs: bigint;
  /** Of all directories: how many, their state in one value, and the latest change. */
  readonly directories: {
    readonly count: number;
    readonly fingerprint: string;
    readonly newestCtimeNs: bigint;
  };
  /** First path of each file that has several names within the tree → all its entries. */
  readonly hardLinks: ReadonlyMap<BytePath, readonly Entry[]>;
}

/**
 * Scans a tree into a file of the directory.
 * @throws HoldfastError as {@link scanEntries}, DISK_FULL
 */
export async function scanToFile(
  spec: TreeSpec,
  reader: TreeReader,
  directory: string,
  work: Work,
): Promise<ScanFile> {
  const begunAtMs = Date.now();
  const file = path.join(directory, `scan-${begunAtMs}-${(serial += 1)}`);
  const summary = new Summary();
  const handle = await open(file, 'wx', 0o600);
  try {
    const findings = await scanEntries(spec, reader, work, {
      scratch: directory,
      onEntries: async (entries) => {
        let text = '';
        for (const entry of entries) {
          summary.add(entry);
          text += `${recordOf(entry)}\0`;
        }
        await writeAll(handle, Buffer.from(text, 'latin1'));
      },
    });
    return { file, begunAtMs, ...findings, ...summary.result() };
  } catch (error) {
    await rm(file, { force: true });
    throw diskFull(error, file);
  } finally {
    await handle.close();
  }
}
/** Two scans may begin in the same millisecond. */
let serial = 0;

class Summary {
  readonly #counts = { files: 0, directories: 0, symlinks: 0, hardLinks: 0, others: 0 };
  readonly #directories = createHash('sha256');
  readonly #linked = new Map<string, Entry[]>();
  #contentBytes = 0;
  #newest = 0n;
  #newestDirectory = 0n;

  add(entry: Entry): void {
    if (entry.ctimeNs > this.#newest) this.#newest = entry.ctimeNs;
    if (entry.type === 'directory') {
      this.#counts.directories += 1;
      this.#directories.update(`${entry.state}\0`, 'latin1');
      if (entry.ctimeNs > this.#newestDirectory) this.#newestDirectory = entry.ctimeNs;
      return;
    }
    if (entry.linkCount > 1 && this.#isFurtherName(entry)) {
      this.#counts.hardLinks += 1;
      return;
    }
    this.#contentBytes += entry.sizeBytes;
    if (entry.type === 'file') this.#counts.files += 1;
    else if (entry.type === 'symlink') this.#counts.symlinks += 1;
    else this.#counts.others += 1;
  }

  #isFurtherName(entry: Entry): boolean {
    const key = `${entry.device}:${entry.inode}`;
    const copy = parseRecord(detached(recordOf(entry)));
    const group = this.#linked.get(key);
    if (group === undefined) this.#linked.set(key, [copy]);
    else group.push(copy);
    return group !== undefined;
  }

  result(): Omit<ScanFile, keyof ScanFindings | 'file' | 'begunAtMs'> {
    const hardLinks = new Map<BytePath, readonly Entry[]>();
    for (const group of this.#linked.values()) {
      const [first] = group;
      if (first !== undefined && group.length > 1) hardLinks.set(first.path, group);
    }
    return {
      counts: this.#counts,
      contentBytes: this.#contentBytes,
      newestCtimeNs: this.#newest,
      directories: {
        count: this.#counts.directories,
        fingerprint: this.#directories.digest('hex'),
        newestCtimeNs: this.#newestDirectory,
      },
      hardLinks,
    };
  }
}

/** The entries of a scan, in order, some hundred at a time. */
export async function* readScan(scan: ScanFile): AsyncGenerator<readonly Entry[], void, void> {
  const splitter = new RecordSplitter();
  for await (const chunk of createReadStream(scan.file, { highWaterMark: 64 * 1024 })) {
    if (Buffer.isBuffer(chunk)) yield splitter.push(chunk).map(parseRecord);
  }
  splitter.end();
}

/** Paths of what differs between two scans of one tree, at most `limit` of them, and how many in all. */
export async function changedBetween(
  before: ScanFile,
  after: ScanFile,
  limit = 1000,
): Promise<{ names: string[]; count: number }> {
  const names: string[] = [];
  let count = 0;
  const note = (entry: Entry): void => {
    count += 1;
    if (names.length < limit) names.push(entry.path === '' ? '.' : pathToName(entry.path));
  };
  const left = new Cursor(before);
  const right = new Cursor(after);
  await Promise.all([left.advance(), right.advance()]);
  for (;;) {
    const old = left.entry;
    const now = right.entry;
    if (old === undefined && now === undefined) return { names, count };
    const order = old === undefined ? 1 : now === undefined ? -1 : comparePaths(old.path, now.path);
    if (old !== undefined && order < 0) note(old);
    else if (now !== undefined && (order > 0 || old?.state !== now.state)) note(now);
    if (order <= 0 && left.step()) await left.advance();
    if (order >= 0 && right.step()) await right.advance();
  }
}

/** Walks a scan entry by entry, awaiting only when a batch is used up. */
class Cursor {
  entry: Entry | undefined;
  readonly #batches: AsyncGenerator<readonly Entry[], void, void>;
  #batch: readonly Entry[] = [];
  #at = 0;

  constructor(scan: ScanFile) {
    this.#batches = readScan(scan);
  }

  /** To the next entry of the batch. @returns whether {@link advance} is needed to get there */
  step(): boolean {
    this.#at += 1;
    this.entry = this.#batch[this.#at];
    return this.entry === undefined;
  }

  async advance(): Promise<void> {
    do {
      const next = await this.#batches.next();
      if (next.done === true) {
        this.entry = undefined;
        return;
      }
      this.#batch = next.value;
      this.#at = 0;
      this.entry = this.#batch[0];
    } while (this.entry === undefined);
  }
}
