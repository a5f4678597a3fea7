/**
 * The headers of a tar stream, read as it passes. It is what counts the members of a part while it is
 * written, and what sees a hostile name before GNU tar does.
 *
 * node-tar is not used for this: it splits pax records at newlines, so that of a name that holds one
 * it sees another name than GNU tar does – and a check is worth nothing if the checker and the
 * extractor read different names.
 */
import { HoldfastError } from '../base/errors.js';
import type { BytePath } from '../base/files/byte-paths.js';

const BLOCK_BYTES = 512;
/** Longest pax header or long name: names and extended attributes are far below. */
const META_LIMIT_BYTES = 64 * 1024 * 1024;

export interface TarMember {
  /** The header's type flag: `0` file, `1` hard link, `2` symlink, `3`/`4` device, `5` directory, `6` fifo. */
  readonly flag: string;
  /** The name GNU tar gives it. */
  readonly path: BytePath;
  readonly linkPath: BytePath;
  /** Every name the headers mention for it, whichever of them counts. */
  readonly names: readonly BytePath[];
  /** Every link target the headers mention for it. */
  readonly linkNames: readonly BytePath[];
  /** Bytes of data that follow in the archive. */
  readonly storedBytes: number;
  /** The data begins with a map of where it belongs: it is not the file's content as it is. */
  readonly sparse: boolean;
}

/** What else a member's headers say of it. */
export interface TarAttributes {
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since the epoch. */
  readonly mtimeNs: bigint;
}

export class TarHeaderReader {
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #wantedBytes = BLOCK_BYTES;
  #skipBytes = 0;
  /** Of what is skipped, the bytes of the member itself; the rest fills its last block. */
  #dataBytes = 0;
  /** Type flag and size of the extension (`x`, `g`, `L`, `K`) whose data is being collected. */
  #meta: { readonly flag: string; readonly sizeBytes: number } | undefined;
  #pax = new Map<string, string>();
  #longName: BytePath | undefined;
  #longLink: BytePath | undefined;
  #zeroBlocks = 0;

  /**
   * @param onMember called for each member before its data has passed; may throw to refuse it.
   * @param onData called with the data of the last member, piece by piece.
   */
  constructor(
    readonly onMember: (member: TarMember, attributes: () => TarAttributes) => void,
    readonly onData?: (chunk: Buffer) => void,
  ) {}

  /** Takes the next bytes. @throws HoldfastError INTEGRITY for what is no tar. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skipBytes > 0) {
        const step = Math.min(this.#skipBytes, chunk.length - at);
        this.#skipBytes -= step;
        const data = Math.min(step, this.#dataBytes);
        if (data > 0) {
          this.#dataBytes -= data;
          this.onData?.(chunk.subarray(at, at + data));
        }
        at += step;
        continue;
      }
      const step = Math.min(this.#wantedBytes - this.#pendingBytes, chunk.length - at);
      const piece = chunk.subarray(at, at + step);
      at += step;
      if (this.#pendingBytes === 0 && step === this.#wantedBytes) {
        this.#take(piece);
        continue;
      }
      this.#pending.push(piece);
      this.#pendingBytes += step;
      if (this.#pendingBytes === this.#wantedBytes) {
        const whole = Buffer.concat(this.#pending);
        this.#pending = [];
        this.#pendingBytes = 0;
        this.#take(whole);
      }
    }
  }

  /**
   * Did the stream end as tar ends an archive, with two blocks of zeros? One that was cut between two
   * members is well-formed otherwise.
   */
  get hasEndMark(): boolean {
    return this.#zeroBlocks >= 2;
  }

  /** @throws HoldfastError INTEGRITY when the stream ended within a member. */
  end(): void {
    if (this.#pendingBytes > 0 || this.#skipBytes > 0 || this.#meta !== undefined) {
      throw broken('the archive ends in the middle of a member');
    }
  }

  #take(block: Buffer): void {
    if (this.#meta === undefined) {
      this.#header(block);
      return;
    }
    const { flag, sizeBytes } = this.#meta;
    this.#meta = undefined;
    this.#wantedBytes = BLOCK_BYTES;
    this.#extension(flag, block.subarray(0, sizeBytes));
  }

  #header(block: Buffer): void {
    if (block.every((byte) => byte === 0)) {
      this.#zeroBlocks += 1;
      return;
    }
    this.#zeroBlocks = 0;
    if (!checksumMatches(block)) throw broken('a header has a wrong checksum');
    const flag = String.fromCharCode(block[156] ?? 0).replace('\0', '0');
    const sizeBytes = readNumber(block.subarray(124, 136));
    if (flag === 'x' || flag === 'g' || flag === 'L' || flag === 'K') {
      if (sizeBytes > META_LIMIT_BYTES) throw broken('a header is too large');
      if (sizeBytes === 0) return;
      this.#meta = { flag, sizeBytes };
      this.#wantedBytes = roundUp(sizeBytes);
      return;
    }
    this.#member(block, flag, sizeBytes);
  }

  #extension(flag: string, data: Buffer): void {
    if (flag === 'L') this.#longName = cString(data);
    else if (flag === 'K') this.#longLink = cString(data);
    else if (flag === 'g') refuseGlobal(parsePax(data));
    else for (const [key, value] of parsePax(data)) this.#pax.set(key, value);
  }

  #member(block: Buffer, flag: string, headerSizeBytes: number): void {
    const pax = this.#pax;
    const prefix = isUstar(block) ? cString(block.subarray(345, 500)) : '';
    const short = cString(block.subarray(0, 100));
    const ustarName = prefix === '' ? short : `${prefix}/${short}`;
    const ustarLink = cString(block.subarray(157, 257));
    const path = pax.get('GNU.sparse.name') ?? pax.get('path') ?? this.#longName ?? ustarName;
    const linkPath = pax.get('linkpath') ?? this.#longLink ?? ustarLink;
    const paxSize = pax.get('size');
    const storedBytes = paxSize === undefined ? headerSizeBytes : readDecimal(paxSize);
    const member: TarMember = {
      flag: flag === '0' && path.endsWith('/') ? '5' : flag,
      path,
      linkPath,
      names: defined([path, pax.get('path'), this.#longName, ustarName]),
      linkNames: defined([linkPath, this.#longLink, ustarLink]),
      storedBytes,
      sparse: flag === 'S' || [...pax.keys()].some((key) => key.startsWith('GNU.sparse.')),
    };
    this.#pax = new Map();
    this.#longName = undefined;
    this.#longLink = undefined;
    // A file only: what else claims to have data is read differently by different programs.
    if (storedBytes > 0 && !FLAGS_WITH_DATA.has(member.flag)) {
      throw new HoldfastError('ARCHIVE_HOSTILE', `an entry of type "${flag}" carries data`, {
        facts: { path, flag },
      });
    }
    this.onMember(member, () => attributesOf(block, pax));
    if (flag === 'S') this.#oldSparse(block);
    this.#skipBytes += roundUp(storedBytes);
    this.#dataBytes = storedBytes;
  }

  /** Old GNU sparse maps may go on in further blocks; archives of ours never have them. */
  #oldSparse(block: Buffer): void {
    if (block[482] !== 0) throw broken('an old sparse map is longer than supported');
  }
}

function attributesOf(block: Buffer, pax: ReadonlyMap<string, string>): TarAttributes {
  const [uid, gid, mtime] = [pax.get('uid'), pax.get('gid'), pax.get('mtime')];
  return {
    mode: readNumber(block.subarray(100, 108)) & 0o7777,
    uid: uid === undefined ? readNumber(block.subarray(108, 116)) : readDecimal(uid),
    gid: gid === undefined ? readNumber(block.subarray(116, 124)) : readDecimal(gid),
    mtimeNs:
      mtime === undefined
        ? readSeconds(block.subarray(136, 148)) * 1_000_000_000n
        : readTime(mtime),
  };
}

/** A time may lie before the epoch: then it is a negative number in base 256. */
function readSeconds(field: Buffer): bigint {
  if (field[0] !== 0xff) return BigInt(readNumber(field));
  return BigInt.asIntN(8 * field.length, BigInt(`0x${field.toString('hex')}`));
}

/** Seconds with a fraction, as pax headers have them; a time that is none of these is 0. */
function readTime(text: string): bigint {
  const [, sign = '', seconds = '0', fraction = ''] =
    /^(-?)(\d{1,18})(?:\.(\d+))?$/.exec(text) ?? [];
  const nanoseconds =
    BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return sign === '-' ? -nanoseconds : nanoseconds;
}

const FLAGS_WITH_DATA: ReadonlySet<string> = new Set(['0', '7', 'S']);

/** The records of a pax header's data, values byte by byte. */
export function parsePax(data: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  while (at < data.length) {
    const space = data.indexOf(0x20, at);
    const length = space === -1 ? 0 : readDecimal(data.toString('latin1', at, space));
    const end = at + length;
    const equals = data.indexOf(0x3d, space);
    if (
      length === 0 ||
      end > data.length ||
      equals === -1 ||
      equals >= end ||
      data[end - 1] !== 0x0a
    ) {
      throw broken('a pax header is not well formed');
    }
    records.set(
      data.toString('latin1', space + 1, equals),
      data.toString('latin1', equals + 1, end - 1),
    );
    at = end;
  }
  return records;
}

/** A global header may carry a comment; one that renames what follows has no good reason. */
function refuseGlobal(records: ReadonlyMap<string, string>): void {
  for (const key of records.keys()) {
    if (key === 'comment') continue;
    throw new HoldfastError('ARCHIVE_HOSTILE', `a global header sets "${key}" for all entries`, {
      facts: { key },
    });
  }
}

function checksumMatches(block: Buffer): boolean {
  const expected = readNumber(block.subarray(148, 156));
  let sum = 8 * 0x20;
  for (let index = 0; index < BLOCK_BYTES; index += 1) {
    if (index < 148 || index >= 156) sum += block[index] ?? 0;
  }
  return sum === expected;
}

/** Octal text, or GNU's base 256 with the top bit set. */
export function readNumber(field: Buffer): number {
  const first = field[0] ?? 0;
  if (first === 0x80) {
    const value = BigInt(`0x${field.subarray(1).toString('hex')}`);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw broken('a size is out of range');
    return Number(value);
  }
  const text = cString(field).trim();
  if (text === '') return 0;
  if (!/^[0-7]+$/.test(text)) throw broken('a number is not octal');
  return Number.parseInt(text, 8);
}

function readDecimal(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw broken('a length is not a number');
  return value;
}

function cString(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end === -1 ? field.length : end);
}

function isUstar(block: Buffer): boolean {
  // GNU's own magic ends in two spaces; it uses the prefix field for other things.
  return block.toString('latin1', 257, 263) === 'ustar\0';
}

function defined(values: readonly (string | undefined)[]): readonly string[] {
  return values.filter((value) => value !== undefined);
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

function broken(problem: string): HoldfastError {
  return new HoldfastError('INTEGRITY', `not a sound tar archive: ${problem}`);
}
