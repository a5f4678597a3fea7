/**
 * `index.jsonl.zst`: one JSON object a line for every entry of every part, in the order of the parts.
 * docs/store-format.md describes it; it is for people and tools that look for one file, a restore
 * does not need it.
 */
import path from 'node:path';
import { Readable } from 'node:stream';
import type { ArtifactFile } from '../../format/manifest.js';
import { writeOutputTo } from '../../base/process/pipeline.js';
import { furtherNames } from '../pack/cut.js';
import type { Entry } from './entry.js';
import { compressor } from '../pack/part.js';
import type { Part } from '../pack/plan-parts.js';
import { pathToJson, type BytePath, type JsonPath } from '../../base/files/byte-paths.js';

export const INDEX_FILE = 'index.jsonl.zst';

/** A line of the index. */
export interface IndexEntry {
  /** Relative to the tree's root; `.` is the root. */
  readonly path: JsonPath;
  readonly type: Entry['type'];
  readonly sizeBytes: number;
  /** Decimal digits: nanoseconds since the epoch do not fit a JSON number. */
  readonly mtimeNs: string;
  readonly ctimeNs: string;
  readonly inode: string;
  /** Four octal digits. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly linkTarget?: JsonPath;
  /** The first name of the same file, on every further name. */
  readonly hardLinkOf?: JsonPath;
  /** Name of the part that holds it. */
  readonly part: string;
}

export interface IndexSource {
  /** In order. */
  readonly parts: AsyncIterable<Part>;
  readonly nameOf: (index: number) => string;
  /** First path of each file with several names → all its entries. */
  readonly links: ReadonlyMap<BytePath, readonly Entry[]>;
}

/**
 * Writes the index of an artifact's parts.
 * @throws HoldfastError DISK_FULL
 */
export async function writeIndex(
  directory: string,
  source: IndexSource,
  options: { readonly compressionLevel: number; readonly signal: AbortSignal },
): Promise<ArtifactFile> {
  const counted = { entries: 0 };
  const stored = await writeOutputTo(
    path.join(directory, INDEX_FILE),
    () => [compressor(options)],
    { source: Readable.from(lines(source, counted), { objectMode: false }) },
  );
  return { name: INDEX_FILE, role: 'index', ...stored, entries: counted.entries };
}

async function* lines(source: IndexSource, counted: { entries: number }): AsyncGenerator<Buffer> {
  const firstNames = furtherNames(source.links);
  let text = '';
  for await (const part of source.parts) {
    const name = source.nameOf(part.index);
    for await (const batch of part.batches()) {
      counted.entries += batch.length;
      for (const entry of batch) {
        text += `${JSON.stringify(indexEntry(entry, name, firstNames.get(entry.path)))}\n`;
        if (text.length < 65_536) continue;
        yield Buffer.from(text);
        text = '';
      }
    }
  }
  yield Buffer.from(text);
}

function indexEntry(entry: Entry, part: string, hardLinkOf: BytePath | undefined): IndexEntry {
  return {
    path: entry.path === '' ? '.' : pathToJson(entry.path),
    type: entry.type,
    sizeBytes: entry.sizeBytes,
    mtimeNs: String(entry.mtimeNs),
    ctimeNs: String(entry.ctimeNs),
    inode: String(entry.inode),
    mode: entry.mode.toString(8).padStart(4, '0'),
    uid: entry.uid,
    gid: entry.gid,
    ...(entry.type === 'symlink' ? { linkTarget: pathToJson(entry.linkTarget) } : {}),
    ...(hardLinkOf === undefined ? {} : { hardLinkOf: pathToJson(hardLinkOf) }),
    part,
  };
}
