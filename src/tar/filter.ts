/**
 * A tar stream with only some of its members, byte for byte as they were but for names that are asked
 * to be others. GNU tar can pick members too, but it compares each with every name it was given, and
 * it has no way to give a file to the second of its names.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { HoldfastError } from '../base/errors.js';
import { HostileCheck } from './hostile.js';
import type { BytePath } from '../base/files/byte-paths.js';
import { parsePax, readNumber, TarHeaderReader, type TarMember } from './headers.js';

const BLOCK_BYTES = 512;
/** Two blocks of zeros end an archive. */
const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK_BYTES);

/** What becomes of a member; new names as tar has them (`./a/b`). */
export type Verdict =
  | { readonly keep: false }
  | { readonly keep: true; readonly path?: BytePath; readonly linkPath?: BytePath };

export class TarFilter extends Transform {
  /** Whole blocks of headers that belong to the member to come. */
  #headers: Buffer[] = [];
  #block = Buffer.alloc(0);
  #dataBytes = 0;
  #keeping = false;
  #member: TarMember | undefined;
  readonly #read = new TarHeaderReader((member) => {
    this.#member = member;
  });
  /** What goes on is looked through once more: it is not quite what came. */
  readonly #hostile = new HostileCheck({ allowDevices: false });
  readonly #written = new TarHeaderReader((member) => this.#hostile.check(member));

  /** @param decide called for each member in order; may throw to refuse the archive. */
  constructor(readonly decide: (member: TarMember) => Verdict) {
    super({ highWaterMark: 1024 * 1024 });
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    try {
      this.#take(chunk);
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    callback();
  }

  override _flush(callback: TransformCallback): void {
    try {
      this.#read.end();
      if (this.#block.length > 0 || this.#headers.length > 0) {
        throw new HoldfastError('INTEGRITY', 'not a sound tar archive: it ends within a header');
      }
      this.#write(END_OF_ARCHIVE);
      this.#written.end();
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    callback();
  }

  #take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#dataBytes > 0) {
        const piece = chunk.subarray(at, at + Math.min(this.#dataBytes, chunk.length - at));
        at += piece.length;
        this.#dataBytes -= piece.length;
        this.#read.push(piece);
        if (this.#keeping) this.#write(piece);
        continue;
      }
      const piece = chunk.subarray(at, at + BLOCK_BYTES - this.#block.length);
      at += piece.length;
      this.#block = Buffer.concat([this.#block, piece]);
      if (this.#block.length < BLOCK_BYTES) continue;
      const block = this.#block;
      this.#block = Buffer.alloc(0);
      this.#header(block);
    }
  }

  #header(block: Buffer): void {
    this.#read.push(block);
    // The end of one of several archives: what follows is put into the same one.
    if (this.#headers.length === 0 && block.every((byte) => byte === 0)) return;
    this.#headers.push(block);
    const member = this.#member;
    if (member === undefined) return;
    const verdict = this.decide(member);
    this.#keeping = verdict.keep;
    if (verdict.keep) this.#write(renamed(this.#headers, verdict));
    this.#member = undefined;
    this.#headers = [];
    this.#dataBytes = Math.ceil(member.storedBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }

  #write(bytes: Buffer): void {
    this.#written.push(bytes);
    this.push(bytes);
  }
}

/** A member's headers with other names in its pax header, which outranks all others. */
function renamed(
  headers: readonly Buffer[],
  names: { readonly path?: BytePath; readonly linkPath?: BytePath },
): Buffer {
  if (names.path === undefined && names.linkPath === undefined) return Buffer.concat(headers);
  const records = new Map<string, string>();
  for (let at = 0; at < headers.length - 1;) {
    const block = headers[at] ?? END_OF_ARCHIVE;
    const sizeBytes = readNumber(block.subarray(124, 136));
    const blocks = Math.ceil(sizeBytes / BLOCK_BYTES);
    if (String.fromCharCode(block[156] ?? 0) !== 'x') {
      // Ours have none; which of two kinds of long names counts is not worth guessing.
      throw new HoldfastError('INTEGRITY', 'an archive mixes kinds of headers');
    }
    const data = Buffer.concat(headers.slice(at + 1, at + 1 + blocks)).subarray(0, sizeBytes);
    for (const [key, value] of parsePax(data)) records.set(key, value);
    at += 1 + blocks;
  }
  if (names.path !== undefined) {
    // A sparse file's own name hides in a record of its own.
    records.set(records.has('GNU.sparse.name') ? 'GNU.sparse.name' : 'path', names.path);
  }
  if (names.linkPath !== undefined) records.set('linkpath', names.linkPath);
  return Buffer.concat([paxHeader(records), headers.at(-1) ?? END_OF_ARCHIVE]);
}

function paxHeader(records: ReadonlyMap<string, string>): Buffer {
  const data = Buffer.concat([...records].map(([key, value]) => paxRecord(key, value)));
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write('./PaxHeaders/renamed', 0, 'latin1');
  header.write('0000644\0', 100, 'latin1');
  header.write('0000000\x000000000\0', 108, 'latin1');
  header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  header.write('00000000000\0', 136, 'latin1');
  header.write(' '.repeat(8), 148, 'latin1');
  header.write('x', 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  const padding = Buffer.alloc((BLOCK_BYTES - (data.length % BLOCK_BYTES)) % BLOCK_BYTES);
  return Buffer.concat([header, data, padding]);
}

/** `<length> <key>=<value>\n`, where the length counts its own digits too. */
function paxRecord(key: string, value: string): Buffer {
  const body = ` ${key}=${value}\n`;
  let length = body.length + 1;
  while (String(length).length + body.length !== length) {
    length = String(length).length + body.length;
  }
  return Buffer.from(`${length}${body}`, 'latin1');
}
