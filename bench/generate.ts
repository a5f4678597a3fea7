/** Writes a planned tree. */
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import type { PlannedFile, TreePlan } from './plan-tree.js';
import { incompressible, text } from './random.js';

/** The files of a tree on disk; edits change the list along with the disk. */
export interface Tree {
  readonly root: string;
  readonly plan: TreePlan;
  files: PlannedFile[];
}

/** Times are fixed too, but for ctime, which nobody can set. */
const MODIFIED_AT_SECONDS = 1_700_000_000;

/** @param signal stops between two files; what was written stays */
export async function writeTree(root: string, plan: TreePlan, signal: AbortSignal): Promise<Tree> {
  const made = new Set<string>();
  for (const [index, file] of plan.files.entries()) {
    const directory = path.dirname(path.join(root, file.path));
    if (!made.has(directory)) mkdirSync(directory, { recursive: true });
    made.add(directory);
    writePlanned(root, file, plan.seed);
    const at = MODIFIED_AT_SECONDS + index;
    utimesSync(path.join(root, file.path), at, at);
    // Synchronous writing is what is fast here; now and then it must be possible to stop it.
    if (index % 200 === 0 || file.group === 'large') {
      await breathe();
      signal.throwIfAborted();
    }
  }
  for (const directory of plan.emptyDirectories) {
    mkdirSync(path.join(root, directory), { recursive: true });
  }
  for (const [name, target] of plan.hardLinks) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    linkSync(path.join(root, target), path.join(root, name));
  }
  for (const [name, target] of plan.symlinks) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    symlinkSync(target, path.join(root, name));
  }
  return { root, plan, files: [...plan.files] };
}

/** One file, new; its directory exists. Its content depends on the seed and its path. */
export function writePlanned(root: string, file: PlannedFile, seed: string): void {
  const handle = openSync(path.join(root, file.path), 'wx', 0o644);
  try {
    if (file.content === 'sparse') writeSparse(handle, file, seed);
    else for (const block of contentOf(file, seed)) writeSync(handle, block);
  } finally {
    closeSync(handle);
  }
}

/** The bytes of a file that is not sparse, in blocks. */
export function contentOf(
  file: Pick<PlannedFile, 'path' | 'sizeBytes' | 'content'>,
  seed: string,
): Iterable<Buffer> {
  const make = file.content === 'text' ? text : incompressible;
  return make(seed, file.path, file.sizeBytes);
}

/** One eighth of it holds data: 64 KiB at the start of every 512 KiB. */
function writeSparse(handle: number, file: PlannedFile, seed: string): void {
  const [data, hole] = [64 * 1024, 448 * 1024];
  let at = 0;
  for (const block of incompressible(seed, file.path, Math.floor(file.sizeBytes / 8))) {
    for (let from = 0; from < block.length; from += data) {
      at += writeSync(handle, block.subarray(from, from + data), 0, undefined, at) + hole;
    }
  }
  ftruncateSync(handle, file.sizeBytes);
}
