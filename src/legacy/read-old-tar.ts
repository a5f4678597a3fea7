/** A gzipped tar of the old script read to its end: is it whole, what is in it, where does it belong? */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { HoldfastError } from '../base/errors.js';
import type { Work } from '../base/progress.js';
import type { ArtifactFile, TreeInfo } from '../format/manifest.js';
import { joinCommands, writeOutputTo } from '../base/process/pipeline.js';
import { startCommand } from '../base/process/process.js';
import { requireBelow } from '../tree/unpack/foreign.js';
import { HostileCheck } from '../tar/hostile.js';
import { INDEX_FILE, type IndexEntry } from '../tree/index/index-file.js';
import { compressor } from '../tree/pack/part.js';
import { pathToJson } from '../base/files/byte-paths.js';
import { StripPrefixFinder, type StripTarget } from './strip-prefix.js';
import { TarHeaderReader, type TarAttributes, type TarMember } from '../tar/headers.js';

const CHUNK_BYTES = 1024 * 1024;
const LINES_BYTES = 65_536;

export interface OldTar {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly entries: number;
  /** Bytes of the files in it. */
  readonly contentBytes: number;
  readonly counts: TreeInfo['counts'];
  /** What stands before the paths in it. */
  readonly stripPrefix: string;
  /** Entries, directories aside, that the source's configuration does not include. */
  readonly outside: number;
  /** The index beside `indexOf`, where one was asked for. */
  readonly index?: ArtifactFile;
}

export interface ReadOldTarOptions {
  readonly target: StripTarget;
  /** Also writes `<directory>/index.jsonl.zst`, with entries of a part of this name. */
  readonly index?: { readonly directory: string; readonly partName: string };
}

/**
 * Decompresses and reads the whole file, hashing it on the way.
 * @throws HoldfastError INTEGRITY (facts: path) for what is damaged or cut short, ARCHIVE_HOSTILE for
 *   names that lead elsewhere, RESTORE_FAILED where its paths can't be placed; or the signal's reason
 */
export async function readOldTar(
  file: string,
  options: ReadOldTarOptions,
  work: Work,
): Promise<OldTar> {
  const lines = options.index === undefined ? undefined : new RawLines(options.index.directory);
  try {
    const reading = new Reading(options.target, lines);
    const stored = await reading.run(file, work);
    const { prefix, outside } = reading.finder.decide();
    const { entries, contentBytes, counts } = reading;
    const index =
      lines === undefined || options.index === undefined
        ? undefined
        : await lines.writeIndex(prefix, options.index.partName, entries, work.signal);
    return { ...stored, entries, contentBytes, counts, stripPrefix: prefix, outside, index };
  } finally {
    await lines?.remove();
  }
}

class Reading {
  entries = 0;
  contentBytes = 0;
  readonly counts = { files: 0, directories: 0, symlinks: 0, hardLinks: 0, others: 0 };
  readonly finder: StripPrefixFinder;
  readonly #hostile = new HostileCheck({ allowDevices: false });

  constructor(
    target: StripTarget,
    readonly lines: RawLines | undefined,
  ) {
    this.finder = new StripPrefixFinder(target);
  }

  async run(file: string, work: Work): Promise<{ sizeBytes: number; sha256: string }> {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    async function* chunks(): AsyncGenerator<Buffer> {
      const stream = createReadStream(file, { highWaterMark: CHUNK_BYTES, signal: work.signal });
      for await (const chunk of stream) {
        if (!Buffer.isBuffer(chunk)) continue;
        hash.update(chunk);
        sizeBytes += chunk.length;
        yield chunk;
      }
    }
    const headers = new TarHeaderReader((member, attributes) => this.#member(member, attributes));
    try {
      await joinCommands(
        [startCommand('gzip', ['-d', '-c'], { signal: work.signal, openStdin: true })],
        {
          source: Readable.from(chunks(), { objectMode: false }),
          taps: [
            (chunk) => {
              headers.push(chunk);
              const { entries } = this;
              work.report({ phase: 'read', bytes: sizeBytes, entries, totalBytes: 0 });
            },
          ],
        },
      );
      headers.end();
    } catch (error) {
      work.signal.throwIfAborted();
      if (error instanceof HoldfastError && error.code === 'ARCHIVE_HOSTILE') throw error;
      throw damaged(file, error instanceof Error ? error.message : String(error), error);
    }
    // tar that was killed leaves a stream that gzip closes properly.
    if (!headers.hasEndMark) throw damaged(file, 'it ends without the mark of its end: cut short');
    return { sizeBytes, sha256: hash.digest('hex') };
  }

  #member(member: TarMember, attributes: () => TarAttributes): void {
    this.#hostile.check(member);
    this.entries += 1;
    this.contentBytes += member.storedBytes;
    this.counts[countOf(member.flag)] += 1;
    this.finder.push(member.path, member.flag === '5');
    this.lines?.add(member, attributes());
  }
}

function countOf(flag: string): keyof TreeInfo['counts'] {
  switch (flag) {
    case '0':
    case '7':
    case 'S':
      return 'files';
    case '1':
      return 'hardLinks';
    case '2':
      return 'symlinks';
    case '5':
      return 'directories';
    default:
      return 'others';
  }
}

/** Entries with the names they have in the archive, until it is known what is to be taken off. */
class RawLines {
  readonly #file: string;
  readonly #handle: number;
  #text = '';

  constructor(readonly directory: string) {
    this.#file = `${directory}/.${INDEX_FILE}.raw`;
    this.#handle = openSync(this.#file, 'w', 0o600);
  }

  add(member: TarMember, { mode, uid, gid, mtimeNs }: TarAttributes): void {
    const line: RawLine = {
      path: member.path,
      ...(member.flag === '1' || member.flag === '2' ? { link: member.linkPath } : {}),
      type: typeOf(member.flag),
      sizeBytes: member.storedBytes,
      mtimeNs: String(mtimeNs),
      // The archive does not tell these.
      ctimeNs: '0',
      inode: '0',
      mode: mode.toString(8).padStart(4, '0'),
      uid,
      gid,
    };
    this.#text += `${JSON.stringify(line)}\n`;
    if (this.#text.length >= LINES_BYTES) this.#flush();
  }

  async writeIndex(
    prefix: string,
    part: string,
    entries: number,
    signal: AbortSignal,
  ): Promise<ArtifactFile> {
    this.#flush();
    const file = `${this.directory}/${INDEX_FILE}`;
    // Of an attempt that was killed.
    await rm(file, { force: true });
    const stored = await writeOutputTo(file, () => [compressor({ compressionLevel: 3, signal })], {
      source: Readable.from(this.#indexLines(prefix, part), { objectMode: false }),
    });
    return { name: INDEX_FILE, role: 'index', ...stored, entries };
  }

  async *#indexLines(prefix: string, part: string): AsyncGenerator<Buffer> {
    const input = createReadStream(this.#file, 'utf8');
    let text = '';
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      const { path, link, ...rest } = rawLineSchema.parse(JSON.parse(line));
      const below = requireBelow(path, prefix);
      const entry: IndexEntry = {
        path: below === '' ? '.' : pathToJson(below),
        ...rest,
        ...(link === undefined
          ? {}
          : rest.type === 'symlink'
            ? { linkTarget: pathToJson(link) }
            : { hardLinkOf: pathToJson(requireBelow(link, prefix)) }),
        part,
      };
      text += `${JSON.stringify(entry)}\n`;
      if (text.length < LINES_BYTES) continue;
      yield Buffer.from(text);
      text = '';
    }
    yield Buffer.from(text);
  }

  async remove(): Promise<void> {
    closeSync(this.#handle);
    await rm(this.#file, { force: true });
  }

  #flush(): void {
    writeSync(this.#handle, this.#text);
    this.#text = '';
  }
}

/** Paths byte by byte, as in the archive. */
const rawLineSchema = z.object({
  path: z.string(),
  link: z.string().optional(),
  type: z.enum(['file', 'directory', 'symlink', 'fifo', 'character', 'block']),
  sizeBytes: z.number(),
  mtimeNs: z.string(),
  ctimeNs: z.string(),
  inode: z.string(),
  mode: z.string(),
  uid: z.number(),
  gid: z.number(),
});
type RawLine = z.output<typeof rawLineSchema>;

function typeOf(flag: string): RawLine['type'] {
  switch (flag) {
    case '2':
      return 'symlink';
    case '3':
      return 'character';
    case '4':
      return 'block';
    case '5':
      return 'directory';
    case '6':
      return 'fifo';
    default:
      return 'file';
  }
}

function damaged(file: string, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError('INTEGRITY', `${file} can't be read to its end: ${problem}`, {
    facts: { path: file, expected: 'a whole gzipped tar', actual: problem },
    hint: 'use another backup; if the old script is still running, wait for its end',
    cause,
  });
}
