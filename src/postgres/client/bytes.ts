/** Streams of bytes, looked at while they pass. */
import { Readable } from 'node:stream';
import { HoldfastError } from '../../base/errors.js';

/** Streams of bytes give Buffers; the type system can't know. */
export function asBuffer(chunk: unknown): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk;
  if (typeof chunk === 'string') return Buffer.from(chunk, 'utf8');
  throw new HoldfastError('INTERNAL', 'a stream of bytes gave something else');
}

/** The same bytes, with each chunk shown to `look` first. Nothing is read before somebody reads. */
export function observed(source: Readable, look: (chunk: Buffer) => void): Readable {
  async function* through(): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      const bytes = asBuffer(chunk);
      look(bytes);
      yield bytes;
    }
  }
  return Readable.from(through(), { objectMode: false });
}
