/**
 * A few small files as a tar, in memory: what `tar -x` unpacks by hand. Only plain files under
 * relative names.
 */
import { HoldfastError } from '../../base/errors.js';

export interface SettingsFile {
  /** Relative to the data directory, with `/`. */
  readonly path: string;
  readonly content: Buffer;
  /** Permission bits; 0600 where nothing is known of them. */
  readonly mode?: number;
}

const PRIVATE = 0o600;

const BLOCK = 512;

/** Can the name be written to a header? 100 bytes, and 155 before a slash. */
export function fitsTar(name: string): boolean {
  return splitName(name) !== undefined;
}

/** @throws HoldfastError INTERNAL for a name that {@link fitsTar} refuses */
export function packTar(files: readonly SettingsFile[]): Buffer {
  const blocks = files.flatMap(({ path, content, mode }) => [
    header(path, content.length, mode ?? PRIVATE),
    content,
    Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

/** @throws HoldfastError INTEGRITY for anything that {@link packTar} does not write */
export function unpackTar(tar: Buffer): SettingsFile[] {
  const files: SettingsFile[] = [];
  for (let at = 0; at + BLOCK <= tar.length;) {
    const block = tar.subarray(at, at + BLOCK);
    if (block.every((byte) => byte === 0)) return files;
    const prefix = text(block, 345, 155);
    const name = (prefix === '' ? '' : `${prefix}/`) + text(block, 0, 100);
    const size = Number.parseInt(text(block, 124, 12), 8);
    const isFile = text(block, 156, 1) === '0' && text(block, 257, 5) === 'ustar';
    const outside = name === '' || name.startsWith('/') || name.split('/').includes('..');
    const end = at + BLOCK + size;
    if (!isFile || outside || !(end <= tar.length)) break;
    const mode = Number.parseInt(text(block, 100, 8), 8) & 0o777;
    files.push({ path: name, content: tar.subarray(at + BLOCK, end), mode });
    at = Math.ceil(end / BLOCK) * BLOCK;
  }
  throw new HoldfastError('INTEGRITY', 'the file with the server’s settings can’t be read');
}

function header(path: string, size: number, mode: number): Buffer {
  const split = splitName(path);
  if (split === undefined) throw new HoldfastError('INTERNAL', `no tar holds the name ${path}`);
  const block = Buffer.alloc(BLOCK);
  block.write(split.name, 0);
  block.write(`${mode.toString(8).padStart(7, '0')}\0`, 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\x0000', 257, 'latin1');
  block.write(split.prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function splitName(path: string): { name: string; prefix: string } | undefined {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' };
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
    const prefix = path.slice(0, at);
    const name = path.slice(at + 1);
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100) return { name, prefix };
  }
  return undefined;
}

function text(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? length : end).toString();
}
