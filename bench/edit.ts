/** What happens to a tree between two backups. Each change depends on the seed and the round alone. */
import { appendFileSync, closeSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { contentOf, writePlanned, type Tree } from './generate.js';
import type { PlannedFile } from './plan-tree.js';
import { randomFor } from './random.js';

export interface Edited {
  readonly files: number;
  /** Size of the files that were touched or are new. */
  readonly bytes: number;
}

/**
 * Changes a share of the files, wherever they are: of ten, eight are written to in the middle, one is
 * removed and one comes anew beside it. Large and sparse files are left alone.
 */
export function changeScattered(tree: Tree, share: number, label: string): Edited {
  const random = randomFor(tree.plan.seed, label);
  const pool = editable(tree).map((file) => ({ file, rank: random.next() }));
  pool.sort((left, right) => left.rank - right.rank);
  return change(
    tree,
    pool.slice(0, amount(tree, share)).map(({ file }) => file),
    label,
  );
}

/** Changes as many files as {@link changeScattered}, all of them neighbours. */
export function changeTogether(tree: Tree, share: number, label: string): Edited {
  const random = randomFor(tree.plan.seed, label);
  const pool = editable(tree).filter(({ group }) => group === 'small');
  const count = Math.min(pool.length, amount(tree, share));
  const start = random.between(0, pool.length - count);
  return change(tree, pool.slice(start, start + count), label);
}

/** A log or a vector store's segment that has grown. */
export function appendToLargest(tree: Tree, bytes: number, label: string): Edited {
  const at = tree.files.reduce(
    (best, file, index) =>
      file.content !== 'sparse' && file.sizeBytes > (tree.files[best]?.sizeBytes ?? 0)
        ? index
        : best,
    0,
  );
  const file = tree.files[at]!;
  const addition = { path: `${file.path} ${label}`, sizeBytes: bytes, content: file.content };
  for (const block of contentOf(addition, tree.plan.seed)) {
    appendFileSync(path.join(tree.root, file.path), block);
  }
  tree.files[at] = { ...file, sizeBytes: file.sizeBytes + bytes };
  return { files: 1, bytes: file.sizeBytes + bytes };
}

function amount(tree: Tree, share: number): number {
  return Math.max(1, Math.round(tree.files.length * share));
}

function editable(tree: Tree): PlannedFile[] {
  const linked = new Set(tree.plan.hardLinks.map(([, target]) => target));
  return tree.files.filter(
    ({ path: name, group, content }) =>
      group !== 'large' && content !== 'sparse' && !linked.has(name),
  );
}

function change(tree: Tree, files: readonly PlannedFile[], label: string): Edited {
  const { root, plan } = tree;
  let bytes = 0;
  const gone = new Set<PlannedFile>();
  const added: PlannedFile[] = [];
  files.forEach((file, index) => {
    if (index % 10 === 8) {
      rmSync(path.join(root, file.path));
      gone.add(file);
      return;
    }
    bytes += file.sizeBytes;
    if (index % 10 === 9) {
      const beside = { ...file, path: `${file.path}.${label}` };
      writePlanned(root, beside, plan.seed);
      added.push(beside);
    } else {
      overwriteMiddle(root, file, plan.seed, label);
    }
  });
  tree.files = [...tree.files.filter((file) => !gone.has(file)), ...added];
  return { files: files.length, bytes };
}

/** A quarter of the file gets other bytes of the same kind; its size stays. */
function overwriteMiddle(root: string, file: PlannedFile, seed: string, label: string): void {
  const patch = {
    path: `${file.path} ${label}`,
    sizeBytes: Math.ceil(file.sizeBytes / 4),
    content: file.content,
  };
  const handle = openSync(path.join(root, file.path), 'r+');
  try {
    let at = Math.floor((file.sizeBytes - patch.sizeBytes) / 2);
    for (const block of contentOf(patch, seed)) {
      at += writeSync(handle, block, 0, undefined, at);
    }
  } finally {
    closeSync(handle);
  }
}
