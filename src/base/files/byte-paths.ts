/**
 * File names as the kernel has them: bytes. Inside the archive code a path is a string whose
 * characters are those bytes (latin1), because such strings compare in byte order, serve as map keys
 * and take one byte a character – a million Buffers do not. It is turned into text for people only here.
 */
import { isUtf8 } from 'node:buffer';

/** Bytes of a path relative to the tree's root, one character a byte; `''` is the root itself. */
export type BytePath = string;

/** How a path is written in JSON: text where the bytes are UTF-8, else their base64. */
export type JsonPath = string | { readonly b64: string };

export function pathToBuffer(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1');
}

export function pathFromBuffer(bytes: Buffer): BytePath {
  return bytes.toString('latin1');
}

/** The bytes of a text (a glob, a configured name) as they would be on disk. */
export function pathFromText(text: string): BytePath {
  return pathFromBuffer(Buffer.from(text, 'utf8'));
}

/** Text to match globs against and to show; bytes that are not UTF-8 become U+FFFD. */
export function pathToText(path: BytePath): string {
  // Plain ASCII, by far most names, is already its own text.
  // eslint-disable-next-line no-control-regex
  return /^[\x00-\x7f]*$/.test(path) ? path : pathToBuffer(path).toString('utf8');
}

export function pathToJson(path: BytePath): JsonPath {
  const bytes = pathToBuffer(path);
  return isUtf8(bytes) ? bytes.toString('utf8') : { b64: bytes.toString('base64') };
}

export function pathFromJson(path: JsonPath): BytePath {
  return typeof path === 'string'
    ? pathFromText(path)
    : Buffer.from(path.b64, 'base64').toString('latin1');
}

/** One string that names the path exactly: the text, or the JSON of the base64 form. */
export function pathToName(path: BytePath): string {
  const json = pathToJson(path);
  return typeof json === 'string' ? json : JSON.stringify(json);
}

/** The absolute name of an entry below `root`, as bytes for `node:fs`. */
export function absoluteBytes(root: string, path: BytePath): Buffer {
  return path === ''
    ? Buffer.from(root)
    : Buffer.concat([Buffer.from(`${root}/`), pathToBuffer(path)]);
}

/**
 * Order of a depth-first walk: a directory, then everything below it, siblings by their bytes.
 * (Plain byte order would put `a.b` between `a` and `a/x`.) The slash changes places with byte 1, the
 * lowest a name can hold: that is what `tr` does before `sort` in a scan.
 */
export function comparePaths(left: BytePath, right: BytePath): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index += 1) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a !== b) return weight(a) - weight(b);
  }
  return left.length - right.length;
}
const SLASH = 0x2f;

function weight(byte: number): number {
  if (byte === SLASH) return 1;
  return byte === 1 ? SLASH : byte;
}
