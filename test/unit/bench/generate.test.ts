import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { appendToLargest, changeScattered, changeTogether } from '../../../bench/edit.js';
import { writeTree, type Tree } from '../../../bench/generate.js';
import { bytes, parseCommand } from '../../../bench/options.js';
import { planTinyTree, planTree, type TreePlan } from '../../../bench/plan-tree.js';

const MIB = 1024 * 1024;
const made: string[] = [];
afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true });
});

async function write(plan: TreePlan): Promise<Tree> {
  const root = mkdtempSync(path.join(os.tmpdir(), 'holdfast-test-'));
  made.push(root);
  return writeTree(root, plan, new AbortController().signal);
}

/** Names, times and contents of everything in a tree's list. */
function digest({ root, files, plan }: Tree): string {
  const hash = createHash('sha256');
  const names = [...files.map(({ path: name }) => name), ...plan.hardLinks.map(([name]) => name)];
  for (const name of names) {
    hash.update(`${name}\0`).update(readFileSync(path.join(root, name)));
  }
  return hash.digest('hex');
}

describe("the benchmark's trees", () => {
  test('are the same for the same seed, before and after the same edits, and others for another', async () => {
    const [one, same] = [await write(planTree(4 * MIB, 'a')), await write(planTree(4 * MIB, 'a'))];
    const other = await write(planTree(4 * MIB, 'b'));
    expect(digest(same)).toBe(digest(one));
    expect(digest(other)).not.toBe(digest(one));
    const fresh = digest(one);
    for (const tree of [one, same]) {
      changeScattered(tree, 0.1, 'x');
      changeTogether(tree, 0.1, 'y');
      appendToLargest(tree, 1000, 'z');
    }
    expect(digest(same)).toBe(digest(one));
    expect(digest(one)).not.toBe(fresh);
  });

  test('are as large as asked, in thirds', () => {
    const { files } = planTree(90 * MIB, 's');
    for (const group of ['large', 'small'] as const) {
      const sum = files
        .filter((file) => file.group === group)
        .reduce((total, { sizeBytes }) => total + sizeBytes, 0);
      expect(sum / MIB).toBeCloseTo(30, 3);
    }
    expect(new Set(files.map(({ path: name }) => name)).size).toBe(files.length);
    expect(planTinyTree(1234, 's').files).toHaveLength(1234);
  });

  test('compress where they should, and have holes and links', async () => {
    const tree = await write(planTree(4 * MIB, 's'));
    const ratioOf = (group: string): number => {
      const { path: name } = tree.files.find((file) => file.group === group)!;
      const content = readFileSync(path.join(tree.root, name));
      return gzipSync(content).length / content.length;
    };
    expect(ratioOf('large')).toBeGreaterThan(0.99);
    expect(ratioOf('medium')).toBeLessThan(0.6);
    expect(ratioOf('medium')).toBeGreaterThan(0.2);
    const sparse = statSync(path.join(tree.root, 'disks/image-0.raw'));
    expect(sparse.blocks * 512).toBeLessThan(sparse.size / 2);
    expect(statSync(path.join(tree.root, 'links/hard-0.jsonl')).nlink).toBe(2);
  });

  test('lose, gain and keep the files that an edit says', async () => {
    const tree = await write(planTree(4 * MIB, 's'));
    const before = new Set(tree.files.map(({ path: name }) => name));
    const { files } = changeScattered(tree, 0.2, 'x');
    const after = new Set(tree.files.map(({ path: name }) => name));
    const gone = [...before].filter((name) => !after.has(name));
    const added = [...after].filter((name) => !before.has(name));
    expect(files).toBe(Math.round(before.size * 0.2));
    expect(gone.length).toBeGreaterThan(0);
    expect(added.length).toBeGreaterThan(0);
    for (const name of gone) expect(() => statSync(path.join(tree.root, name))).toThrow('ENOENT');
    for (const { path: name, sizeBytes } of tree.files) {
      expect(statSync(path.join(tree.root, name)).size).toBe(sizeBytes);
    }
  });
});

describe("the benchmark's command line", () => {
  test('reads sizes in powers of 1024 and refuses what it cannot read', () => {
    expect(bytes('2GiB')).toBe(2 * 1024 ** 3);
    expect(bytes('100m')).toBe(100 * MIB);
    for (const wrong of ['', '2', '1KiB', 'GiB', '2TiB'])
      expect(() => bytes(wrong)).toThrow('--size');
  });

  test('refuses names it does not know, with those it does', () => {
    expect(() => parseCommand(['--only', 'restic,kopia'])).toThrow('"kopia" is none of holdfast');
    expect(() => parseCommand(['--scenarios', 'all'])).toThrow('none of first, unchanged');
    expect(() => parseCommand(['--rounds', '0'])).toThrow('--rounds');
  });
});
