/**
 * What is in a tree: every entry with the facts that tell whether it changed. The walk is GNU find's
 * (a child can be stopped when a disk hangs, and runs in a helper container just the same), the order
 * GNU sort's (a million entries need no memory); which entries count is decided here.
 */
import { Readable, Writable } from 'node:stream';
import { HoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import { joinCommands } from '../../base/process/pipeline.js';
import { startCommand } from '../../base/process/process.js';
import type { Entry, TreeSpec } from '../index/entry.js';
import type { BytePath } from '../../base/files/byte-paths.js';
import type { TreeReader } from './reader.js';
import { findArguments, parseRecord, RecordSplitter } from './scan-record.js';
import { globsOf, isNamed, Selector, type Globs } from './select.js';

/** What a scan tells besides its entries. */
export interface ScanFindings {
  /** Sockets are left out, as GNU tar does: they mean nothing without their process. */
  readonly skippedSockets: number;
  /** Directories where another file system is mounted that was not entered. */
  readonly skippedMounts: readonly BytePath[];
  /** Entries whose path is longer than the system takes: find goes there step by step, tar can't. */
  readonly tooLong: { readonly count: number; readonly first?: BytePath };
  /** Includes that matched nothing. */
  readonly unmatchedIncludes: readonly string[];
}

export interface Scan extends ScanFindings {
  /** Depth-first, the root first, every directory before what is in it. */
  readonly entries: readonly Entry[];
}

/** Memory of the sort; beyond it, sort uses files in the scratch directory. */
const SORT_MEMORY = '48M';

/** All entries in memory: for trees that are compared, not for those that are backed up. */
export async function scanTree(spec: TreeSpec, reader: TreeReader, work: Work): Promise<Scan> {
  const entries: Entry[] = [];
  const findings = await scanEntries(spec, reader, work, {
    onEntries: (batch) => {
      for (const entry of batch) entries.push(entry);
    },
  });
  return { entries, ...findings };
}

export interface ScanOptions {
  /** Takes the entries as they come, in order. */
  readonly onEntries: (entries: readonly Entry[]) => void | Promise<void>;
  /** Existing directory for the sort's temporary files; the system's by default. */
  readonly scratch?: string;
}

/**
 * Passes on the entries of a tree, with the parent directories of what is included.
 * @throws HoldfastError SOURCE_MISSING, ARCHIVE_FAILED when a part of it cannot be read.
 */
export async function scanEntries(
  wanted: TreeSpec,
  reader: TreeReader,
  work: Work,
  options: ScanOptions,
): Promise<ScanFindings> {
  await reader.check();
  const mounts = wanted.oneFileSystem ? await reader.mounts?.() : undefined;
  const spec: TreeSpec = { ...wanted, mounts };
  const globs = globsOf(spec);
  let selected: Entry[] = [];
  const selector = new Selector(spec, globs, (entry) => selected.push(entry));
  const splitter = new RecordSplitter();
  const seen: { path?: BytePath; entries: number; bytes: number } = { entries: 0, bytes: 0 };
  const sink = new Writable({
    highWaterMark: 1024 * 1024,
    write(chunk: Buffer, _encoding, callback) {
      try {
        for (const record of splitter.push(chunk)) {
          const entry = parseRecord(record);
          // A mount point that was entered comes from two walks.
          if (entry.path === seen.path) continue;
          seen.path = entry.path;
          seen.entries += 1;
          seen.bytes += entry.sizeBytes;
          selector.push(entry);
        }
      } catch (error) {
        callback(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      work.report({ phase: 'scan', bytes: seen.bytes, entries: seen.entries, totalBytes: 0 });
      const batch = selected;
      selected = [];
      Promise.resolve(options.onEntries(batch)).then(() => callback(), callback);
    },
  });
  try {
    await joinCommands(sorting(options.scratch, work.signal), {
      source: Readable.from(walk(spec, globs, reader, work), { objectMode: false }),
      sink,
    });
    splitter.end();
  } catch (error) {
    work.signal.throwIfAborted();
    throw scanError(error, spec.root);
  }
  await options.onEntries(selected);
  return {
    skippedSockets: selector.skippedSockets,
    skippedMounts: selector.skippedMounts,
    tooLong: selector.tooLong,
    unmatchedIncludes: selector.unmatchedIncludes,
  };
}

/**
 * Byte order with the slash lowest: `tr` lets it change places with byte 1 for the time of the sort,
 * which makes a depth-first walk of it (see `comparePaths`).
 */
function sorting(scratch: string | undefined, signal: AbortSignal) {
  const options = { signal, openStdin: true, env: { LC_ALL: 'C' } };
  const sort = ['--zero-terminated', `--buffer-size=${SORT_MEMORY}`];
  return [
    startCommand('tr', ['/\\001', '\\001/'], options),
    startCommand(
      'sort',
      [...sort, ...(scratch === undefined ? [] : [`--temporary-directory=${scratch}`])],
      options,
    ),
    startCommand('tr', ['/\\001', '\\001/'], options),
  ];
}

/** The output of one find after another: first the root, then mount points that are asked for by name. */
async function* walk(
  spec: TreeSpec,
  globs: Globs,
  reader: TreeReader,
  work: Work,
): AsyncGenerator<Buffer> {
  const { signal } = work;
  const listed = { bytes: 0 };
  const mayMeetMounts =
    spec.oneFileSystem && globs.include.some(({ fixedPrefix }) => fixedPrefix !== '');
  const starts: BytePath[] = [''];
  for (let start = starts.shift(); start !== undefined; start = starts.shift()) {
    // Also those of the same device, which find would enter.
    const closed = (spec.mounts ?? []).filter((mount) => !isNamed(mount, globs.include));
    const args = findArguments(start, spec.oneFileSystem, globs, closed);
    const running = reader.start('find', args, { signal });
    const mounts = new MountWatch(start, globs);
    try {
      for await (const chunk of running.stdout) {
        if (!Buffer.isBuffer(chunk)) continue;
        if (mayMeetMounts) mounts.push(chunk);
        // sort prints nothing until the last entry is in: this is what shows that a long walk moves.
        listed.bytes += chunk.length;
        work.report({ phase: 'list', ...listed, entries: 0, totalBytes: 0 });
        yield chunk;
      }
      await running.done;
    } catch (error) {
      running.kill();
      // The child's own words say more than the end of its stream does.
      await running.done;
      throw error;
    }
    starts.push(...mounts.found);
  }
}

/** Sees the mount points that pass in the output of one walk and that an include names. */
class MountWatch {
  readonly found: BytePath[] = [];
  readonly #splitter = new RecordSplitter();
  #device: bigint | undefined;

  constructor(
    readonly start: BytePath,
    readonly globs: Globs,
  ) {}

  push(chunk: Buffer): void {
    for (const record of this.#splitter.push(chunk)) {
      const entry = parseRecord(record);
      this.#device ??= entry.device;
      if (entry.type !== 'directory' || entry.device === this.#device) continue;
      if (entry.path !== this.start && isNamed(entry.path, this.globs.include)) {
        this.found.push(entry.path);
      }
    }
  }
}

function scanError(error: unknown, root: string): unknown {
  if (!(error instanceof HoldfastError) || error.code !== 'COMMAND_FAILED') return error;
  return new HoldfastError('ARCHIVE_FAILED', `${root} cannot be read in full: ${error.message}`, {
    facts: { ...error.facts, path: root },
    hint: 'run the worker with the rights to read all of it, or exclude what is not wanted',
    cause: error,
  });
}
