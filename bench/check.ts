/** Whether a restore brought back what was there; never part of what is timed. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { compareTreesInDetail, requireEqual } from '../src/tree/compare/compare.js';
import { runCommand } from '../src/base/process/process.js';
import type { ToolName } from './tools/tool.js';

/**
 * Holdfast's must equal the tree in everything that is kept, byte for byte. Of the others' only the
 * entries are counted and the sizes added: what they are is not what is tested here.
 * @throws when it does not
 */
export async function checkRestore(
  tool: ToolName,
  tree: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  if (tool === 'holdfast') {
    requireEqual(await compareTreesInDetail(tree, target, { signal, report: () => undefined }));
    return;
  }
  const [expected, actual] = [await inventory(tree, signal), await inventory(target, signal)];
  if (expected !== actual) throw new Error(`restored ${actual} instead of ${expected}`);
}

async function inventory(root: string, signal: AbortSignal): Promise<string> {
  const { stdout } = await runCommand('find', [root, '-printf', '%y %s\n'], { signal });
  const counts = new Map<string, number>();
  let bytes = 0;
  for (const line of stdout.trimEnd().split('\n')) {
    const type = line[0] ?? '';
    counts.set(type, (counts.get(type) ?? 0) + 1);
    if (type === 'f') bytes += Number(line.slice(2));
  }
  const list = [...counts].sort().map(([type, count]) => `${count} ${type}`);
  return `${list.join(', ')}, ${bytes} bytes`;
}

/** @throws when the file is not there or not the same */
export async function checkOneFile(tree: string, target: string, file: string): Promise<void> {
  const expected = await readFile(path.join(tree, file));
  const actual = await readFile(path.join(target, file));
  if (!expected.equals(actual)) throw new Error(`${file} was not restored as it was`);
}

/** Bytes of all files below a directory; one with several names once, a sparse one by what it takes. */
export async function storedBytes(directory: string, signal: AbortSignal): Promise<number> {
  const format = '%i %s %b\n';
  const args = [directory, '-type', 'f', '-printf', format];
  const { stdout } = await runCommand('find', args, { signal });
  const sizes = new Map<string, number>();
  for (const line of stdout.split('\n')) {
    const [inode = '', size, blocks] = line.split(' ');
    if (inode !== '') sizes.set(inode, Math.min(Number(size), Number(blocks) * 512));
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
