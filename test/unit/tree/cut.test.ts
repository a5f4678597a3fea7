import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Cutter, hardLinkGroups, type CutPart } from '../../../src/tree/pack/cut.js';
import type { Entry } from '../../../src/tree/index/entry.js';
import {
  comparePaths,
  pathFromJson,
  pathFromText,
  pathToBuffer,
  pathToJson,
} from '../../../src/base/files/byte-paths.js';

let inode = 1n;
const entry = (path: string, sizeBytes = 0, link?: bigint): Entry => ({
  path,
  type: 'file',
  sizeBytes,
  mtimeNs: 1n,
  ctimeNs: 1n,
  inode: link ?? (inode += 1n),
  device: 1n,
  mode: 0o644,
  uid: 0,
  gid: 0,
  claimsHole: false,
  linkCount: link === undefined ? 1 : 2,
  linkTarget: '',
  state: `./${path}//${sizeBytes}`,
});

function cutIntoParts(entries: readonly Entry[], targetBytes: number): readonly CutPart[] {
  const cutter = new Cutter(hardLinkGroups(entries), targetBytes);
  return [...entries.flatMap((each) => cutter.push(each)), ...cutter.end()];
}

const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}(\/[a-z.]{1,4}[a-z])?$/), {
  minLength: 1,
  maxLength: 200,
});

describe('cutting a tree', () => {
  test('puts every entry into exactly one part, links together, whatever the target', () => {
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 100_000 }), (paths, target) => {
        const entries = paths
          .sort(comparePaths)
          .map((path, index) =>
            entry(path, index * 100, index % 3 === 0 ? BigInt(1e9 + (index % 9)) : undefined),
          );
        const parts = cutIntoParts(entries, target);
        const all = parts.flatMap((part) => part.entries);
        expect(all.map(({ path }) => path).sort()).toEqual(entries.map(({ path }) => path).sort());
        const partOf = new Map<bigint, number>();
        parts.forEach((part, index) => {
          expect(part.entries.length).toBeGreaterThan(0);
          for (const { inode: id } of part.entries) {
            expect(partOf.get(id) ?? index).toBe(index);
            partOf.set(id, index);
          }
        });
      }),
    );
  });

  test('counts the bytes of a hard-linked file once', () => {
    const entries = [entry('a', 100, 7n), entry('b', 100, 7n), entry('c', 1)];
    expect(cutIntoParts(entries, 1e9).map(({ contentBytes }) => contentBytes)).toEqual([101]);
  });

  test('moves few boundaries when one file comes or goes', () => {
    const entries = Array.from({ length: 5000 }, (_, index) =>
      entry(`dir/${String(index).padStart(5, '0')}`, 10_000),
    );
    const before = cutIntoParts(entries, 1_000_000).map((part) =>
      part.entries.map(({ path }) => path).join(),
    );
    expect(before.length).toBeGreaterThan(20);
    for (const at of [0, 17, 1234, 2500, 4999]) {
      const changed = [
        ...entries.slice(0, at),
        entry(`dir/${String(at).padStart(5, '0')}x`, 10_000),
        ...entries.slice(at),
      ];
      changed.sort((left, right) => comparePaths(left.path, right.path));
      const after = new Set(
        cutIntoParts(changed, 1_000_000).map((part) => part.entries.map(({ path }) => path).join()),
      );
      const moved = before.filter((part) => !after.has(part)).length;
      expect(moved).toBeLessThanOrEqual(4);
    }
  });

  test('never makes a part much larger than the target, except for one large file', () => {
    const entries = Array.from({ length: 20_000 }, (_, index) => entry(`f${index}`, 5_000));
    entries.push(entry('zz', 50_000_000));
    entries.sort((left, right) => comparePaths(left.path, right.path));
    const sizes = cutIntoParts(entries, 1_000_000).map(({ contentBytes }) => contentBytes);
    expect(Math.max(...sizes.slice(0, -1))).toBeLessThan(4_100_000);
  });
});

describe('paths', () => {
  test('sort a directory before what is in it, and that before its siblings', () => {
    const sorted = ['a', 'a/x', 'a/x/y', 'a\n', 'a b', 'a.b', 'a0'];
    expect([...sorted].reverse().sort(comparePaths)).toEqual(sorted);
  });

  test('survive being written as JSON, whatever their bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
        const path = Buffer.from(bytes).toString('latin1');
        const json: unknown = JSON.parse(JSON.stringify(pathToJson(path)));
        expect(pathFromJson(json as ReturnType<typeof pathToJson>)).toBe(path);
        expect(pathToBuffer(path)).toEqual(Buffer.from(bytes));
      }),
    );
    expect(pathToJson(pathFromText('naïve'))).toBe('naïve');
    expect(pathToJson('\xff')).toEqual({ b64: '/w==' });
  });
});
