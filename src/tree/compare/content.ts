/** File contents: whether two are the same, and a digest of a whole tree. */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import type { Work } from '../../base/progress.js';
import type { Entry, TreeSpec } from '../index/entry.js';
import { hardLinkGroups } from '../pack/cut.js';
import { absoluteBytes } from '../../base/files/byte-paths.js';
import { directReader } from '../scan/reader.js';
import { scanTree } from '../scan/scan.js';

const CHUNK_BYTES = 256 * 1024;

/** Byte for byte. */
export async function sameContent(
  left: Buffer,
  right: Buffer,
  signal: AbortSignal,
): Promise<boolean> {
  const a = await open(left, 'r');
  try {
    const b = await open(right, 'r');
    try {
      const bufferA = Buffer.allocUnsafe(CHUNK_BYTES);
      const bufferB = Buffer.allocUnsafe(CHUNK_BYTES);
      for (;;) {
        signal.throwIfAborted();
        const [readA, readB] = await Promise.all([fill(a, bufferA), fill(b, bufferB)]);
        if (readA !== readB) return false;
        if (readA === 0) return true;
        if (!bufferA.subarray(0, readA).equals(bufferB.subarray(0, readB))) return false;
      }
    } finally {
      await b.close();
    }
  } finally {
    await a.close();
  }
}

/** Fills the buffer as far as the file goes: a read may give less than was asked for. */
async function fill(handle: FileHandle, buffer: Buffer): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** All of a tree, wherever it is mounted. */
function whole(root: string): TreeSpec {
  return { root, include: ['**'], exclude: [], oneFileSystem: false };
}

/**
 * One value for a tree: SHA-256 (hex) over every entry's path, type, mode, owner, size, mtime, link
 * target, hard links and content. Extended attributes are not in it.
 */
export async function treeDigest(root: string, work: Work): Promise<string> {
  const { entries } = await scanTree(whole(root), directReader(root), work);
  const links = new Map<Entry, string>();
  for (const [first, group] of hardLinkGroups(entries)) {
    for (const member of group) links.set(member, first);
  }
  const hash = createHash('sha256');
  for (const entry of entries) {
    hash.update(
      `${entry.path}\0${entry.type} ${entry.mode} ${entry.uid} ${entry.gid} ${entry.sizeBytes} ` +
        `${entry.mtimeNs}\0${entry.linkTarget}\0${links.get(entry) ?? ''}\0`,
      'latin1',
    );
    if (entry.type === 'file') {
      hash.update(await fileDigest(absoluteBytes(root, entry.path), work.signal));
    }
  }
  return hash.digest('hex');
}

async function fileDigest(file: Buffer, signal: AbortSignal): Promise<Buffer> {
  const hash = createHash('sha256');
  const handle = await open(file, 'r');
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    for (;;) {
      signal.throwIfAborted();
      const read = await fill(handle, buffer);
      if (read === 0) return hash.digest();
      hash.update(buffer.subarray(0, read));
    }
  } finally {
    await handle.close();
  }
}

/** Entries of a tree and bytes of its files' contents, a hard-linked file counted once. */
export async function measureTree(
  root: string,
  work: Work,
): Promise<{ entries: number; bytes: number }> {
  const { entries } = await scanTree(whole(root), directReader(root), work);
  let bytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  for (const group of hardLinkGroups(entries).values()) {
    for (const member of group.slice(1)) bytes -= member.sizeBytes;
  }
  return { entries: entries.length, bytes };
}
