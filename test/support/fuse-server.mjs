/**
 * A file system of a few files in one directory, which says of them what it is told to: no blocks, a
 * size it does not have, an error half way. Spoken to the kernel directly, so that nothing needs to be
 * installed. Usage: node fuse-server.mjs MOUNTPOINT SPEC
 *
 * SPEC: JSON, `{ [name]: { size, blocks?, errorAt?, endsAt?, changes? } }`. The content of byte n is n % 251 + 1. From
 * `errorAt` on reads fail (EIO); at `endsAt` the content ends, whatever the size; with `changes` the
 * times are new ones at each look.
 */
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { openSync, readSync, writeSync } from 'node:fs';

const [, , mountPoint, specText] = process.argv;
const files = Object.entries(JSON.parse(specText)).map(([name, file]) => ({ name, ...file }));
const EIO = -5;
const ENOENT = -2;
const ENOSYS = -38;

const device = openSync('/dev/fuse', 'r+');
execFileSync(
  'mount',
  [
    '-i',
    '-t',
    'fuse',
    '-o',
    'fd=3,rootmode=40000,user_id=0,group_id=0',
    'holdfast-test',
    mountPoint,
  ],
  { stdio: ['ignore', 'ignore', 'inherit', device] },
);
process.stdout.write('mounted\n');

const pattern = Buffer.from(Uint8Array.from({ length: 251 * 1024 }, (_, at) => (at % 251) + 1));
let looks = 0;
function attributes(node) {
  const attr = Buffer.alloc(88);
  const file = files[node - 2];
  const size = file?.size ?? 0;
  const at = BigInt(1_700_000_000 + (file?.changes === true ? (looks += 1) : 0));
  attr.writeBigUInt64LE(BigInt(node), 0);
  attr.writeBigUInt64LE(BigInt(size), 8);
  attr.writeBigUInt64LE(BigInt(file?.blocks ?? Math.ceil(size / 512)), 16);
  for (const offset of [24, 32, 40]) attr.writeBigUInt64LE(at, offset);
  attr.writeUInt32LE(node === 1 ? 0o40755 : 0o100644, 60);
  attr.writeUInt32LE(1, 64);
  attr.writeUInt32LE(4096, 80);
  return attr;
}

function content(node, offset, length) {
  const { size, errorAt = Infinity, endsAt = Infinity } = files[node - 2];
  const end = Math.min(offset + length, size, endsAt, errorAt);
  if (offset >= errorAt) return EIO;
  const bytes = Buffer.alloc(Math.max(0, end - offset));
  for (let at = 0; at < bytes.length;) {
    at += pattern.copy(bytes, at, (offset + at) % 251);
  }
  return bytes;
}

function listing(offset) {
  const names = ['.', '..', ...files.map(({ name }) => name)];
  return Buffer.concat(
    names.slice(offset).map((text, index) => {
      const name = Buffer.from(text);
      const entry = Buffer.alloc(Math.ceil((24 + name.length) / 8) * 8);
      entry.writeBigUInt64LE(BigInt(Math.max(1, offset + index)), 0);
      entry.writeBigUInt64LE(BigInt(offset + index + 1), 8);
      entry.writeUInt32LE(name.length, 16);
      name.copy(entry, 24);
      return entry;
    }),
  );
}

/** @returns the answer, an error, or undefined where none is wanted */
function answer(opcode, node, body) {
  switch (opcode) {
    case 1: {
      const name = body.subarray(0, body.indexOf(0)).toString();
      const found = files.findIndex((file) => file.name === name);
      if (found < 0) return ENOENT;
      const head = Buffer.alloc(40);
      head.writeBigUInt64LE(BigInt(found + 2), 0);
      return Buffer.concat([head, attributes(found + 2)]);
    }
    case 2: // forget
    case 36: // interrupt
    case 42: // forget several
      return undefined;
    case 3:
      return Buffer.concat([Buffer.alloc(16), attributes(node)]);
    case 14: // open: not through the page cache
    case 27: {
      const opened = Buffer.alloc(16);
      opened.writeUInt32LE(opcode === 14 ? 1 : 0, 8);
      return opened;
    }
    case 15:
      return content(node, Number(body.readBigUInt64LE(8)), body.readUInt32LE(16));
    case 17:
      return Buffer.alloc(80);
    case 26: {
      const reply = Buffer.alloc(64);
      reply.writeUInt32LE(7, 0);
      reply.writeUInt32LE(31, 4);
      reply.writeUInt32LE(131_072, 20);
      return reply;
    }
    case 28:
      return listing(Number(body.readBigUInt64LE(8)));
    case 18:
    case 25:
    case 29:
      return Buffer.alloc(0);
    default:
      return ENOSYS;
  }
}

const request = Buffer.alloc(1024 * 1024);
for (;;) {
  let length;
  try {
    length = readSync(device, request, 0, request.length, null);
  } catch (error) {
    if (error.code === 'ENODEV') process.exit(0); // unmounted
    if (error.code === 'EINTR' || error.code === 'ENOENT') continue;
    throw error;
  }
  const result = answer(
    request.readUInt32LE(4),
    Number(request.readBigUInt64LE(16)),
    request.subarray(40, length),
  );
  if (result === undefined) continue;
  const body = typeof result === 'number' ? Buffer.alloc(0) : result;
  const head = Buffer.alloc(16);
  head.writeUInt32LE(16 + body.length, 0);
  head.writeInt32LE(typeof result === 'number' ? result : 0, 4);
  request.copy(head, 8, 8, 16);
  try {
    writeSync(device, Buffer.concat([head, body]));
  } catch (error) {
    if (error.code !== 'ENOENT') throw error; // the caller was killed meanwhile
  }
}
