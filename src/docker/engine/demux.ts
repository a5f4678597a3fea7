/**
 * The engine sends a process's stdout and stderr over one connection, in frames: one byte stream
 * number (1 stdout, 2 stderr), three zero bytes, four bytes length (big endian), then the bytes.
 * dockerode's own splitter copies every byte several times and knows no back-pressure; this one
 * hands on slices, and a reader that is slow slows the process down.
 */
import type { TransformCallback } from 'node:stream';
import { Transform } from 'node:stream';
import { HoldfastError } from '../../base/errors.js';

const HEADER_BYTES = 8;

/** Frames in, stdout out; stderr goes to the callback. */
export class Demux extends Transform {
  #header = Buffer.alloc(HEADER_BYTES);
  #headerFill = 0;
  #payloadLeft = 0;
  #stream = 0;
  readonly #onStderr: (chunk: Buffer) => void;
  readonly #filter: (chunk: Buffer) => Buffer | undefined;

  /** `filter` sees stdout first and gives back what readers get of it. */
  constructor(
    onStderr: (chunk: Buffer) => void,
    filter: (chunk: Buffer) => Buffer | undefined = (chunk) => chunk,
  ) {
    super({ readableHighWaterMark: 1024 * 1024, writableHighWaterMark: 1024 * 1024 });
    this.#onStderr = onStderr;
    this.#filter = filter;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payloadLeft === 0) {
        const take = Math.min(HEADER_BYTES - this.#headerFill, chunk.length - at);
        chunk.copy(this.#header, this.#headerFill, at, at + take);
        this.#headerFill += take;
        at += take;
        if (this.#headerFill < HEADER_BYTES) break;
        this.#headerFill = 0;
        this.#stream = this.#header.readUInt8(0);
        this.#payloadLeft = this.#header.readUInt32BE(4);
        if (this.#stream > 2) {
          done(new HoldfastError('DOCKER_FAILED', 'the engine’s output stream is not framed'));
          return;
        }
        continue;
      }
      const end = Math.min(chunk.length, at + this.#payloadLeft);
      const slice = chunk.subarray(at, end);
      this.#payloadLeft -= slice.length;
      at = end;
      if (this.#stream === 2) {
        this.#onStderr(slice);
        continue;
      }
      const passed = this.#filter(slice);
      if (passed !== undefined) this.push(passed);
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    if (this.#payloadLeft > 0 || this.#headerFill > 0) {
      done(new HoldfastError('DOCKER_FAILED', 'the engine’s output stream ended in mid-frame'));
      return;
    }
    done();
  }
}

/** The text of a whole framed log, both streams in their order; unframed text (a TTY's) as it is. */
export function demuxBuffer(log: Buffer): string {
  const parts: Buffer[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= log.length) {
    const framed = log.readUInt8(at) <= 2 && log.readUIntBE(at + 1, 3) === 0;
    if (!framed) return log.toString('utf8');
    const end = at + HEADER_BYTES + log.readUInt32BE(at + 4);
    parts.push(log.subarray(at + HEADER_BYTES, end));
    at = end;
  }
  return Buffer.concat(parts).toString('utf8');
}
