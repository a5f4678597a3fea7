/** One file of an artifact read once: its hash, and what is in it where that is asked for. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { TarHeaderReader } from '../../tar/headers.js';
import { HoldfastError, messageOf, systemCodeOf } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import { decoderFor } from '../../base/process/decoder.js';
import { joinCommands } from '../../base/process/pipeline.js';
import { startCommand } from '../../base/process/process.js';
import { BlobNames } from './blob-names.js';

const CHUNK_BYTES = 1024 * 1024;

export interface ReadContent {
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Why it could not be read to its end; hash and size then mean nothing. */
  readonly problem?: string;
  /** Absent unless decoding was asked for and the hash is right. */
  readonly decoded?:
    | {
        readonly members: number;
        /** Model files that are named by a hash of other content. */
        readonly misnamed?: readonly string[];
      }
    | { readonly problem: string };
}

export interface ReadOptions {
  /** Also decompress it. */
  readonly decode: boolean;
  /** It is a part: its members are counted. */
  readonly headers: boolean;
  /** Decoding damaged bytes says nothing the hash does not say. */
  readonly expectedSha256: string;
}

/** @throws the signal's reason; what is wrong with the file is in the result */
export async function readContent(
  file: string,
  options: ReadOptions,
  work: Work,
  onBytes: (bytes: number) => void,
): Promise<ReadContent> {
  const reading = new HashedReading(file, work, onBytes);
  if (!options.decode) return reading.toEnd();
  let members = 0;
  const blobs = new BlobNames();
  const headers = new TarHeaderReader(
    (member) => {
      members += 1;
      blobs.member(member);
    },
    (data) => blobs.data(data),
  );
  let decoded: ReadContent['decoded'];
  const [command, ...args] = decoderFor(file) ?? ['cat'];
  try {
    await joinCommands(
      [startCommand(command, [...args, '-'], { signal: work.signal, openStdin: true })],
      {
        source: Readable.from(reading.chunks(), { objectMode: false }),
        taps: [(chunk) => (options.headers ? headers.push(chunk) : undefined)],
      },
    );
    if (options.headers) headers.end();
    blobs.end();
    decoded = { members, ...(blobs.wrong.length === 0 ? {} : { misnamed: blobs.wrong }) };
  } catch (error) {
    work.signal.throwIfAborted();
    if (isMissingProgram(error)) throw error;
    decoded = { problem: messageOf(error) };
  }
  // A decoder that gave up has not taken everything.
  const content =
    reading.finished ?? (await new HashedReading(file, work, () => undefined).toEnd());
  return content.sha256 === options.expectedSha256 ? { ...content, decoded } : content;
}

class HashedReading {
  finished: ReadContent | undefined;

  constructor(
    readonly file: string,
    readonly work: Work,
    readonly onBytes: (bytes: number) => void,
  ) {}

  async *chunks(): AsyncGenerator<Buffer> {
    const { signal } = this.work;
    const hash = createHash('sha256');
    let sizeBytes = 0;
    const stream = createReadStream(this.file, { highWaterMark: CHUNK_BYTES, signal });
    for await (const chunk of stream) {
      if (!Buffer.isBuffer(chunk)) continue;
      hash.update(chunk);
      sizeBytes += chunk.length;
      this.onBytes(chunk.length);
      yield chunk;
    }
    this.finished = { sha256: hash.digest('hex'), sizeBytes };
  }

  async toEnd(): Promise<ReadContent> {
    const chunks = this.chunks();
    try {
      while ((await chunks.next()).done !== true);
    } catch (error) {
      this.work.signal.throwIfAborted();
      const problem = systemCodeOf(error) ?? messageOf(error);
      return { sha256: '', sizeBytes: 0, problem };
    }
    return this.finished ?? { sha256: '', sizeBytes: 0, problem: 'was not read to its end' };
  }
}

function isMissingProgram(error: unknown): boolean {
  return error instanceof HoldfastError && error.message.endsWith('is not installed');
}
