import { expect, test } from '@jest/globals';
import type { Entry } from '../../../src/tree/index/entry.js';
import { globsOf, Selector } from '../../../src/tree/scan/select.js';

function entry(path: string, type: Entry['type'] = 'directory'): Entry {
  return {
    path,
    type,
    sizeBytes: 0,
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtimeNs: 0n,
    ctimeNs: 0n,
    device: 1n,
    inode: BigInt(path.length),
    linkCount: 1,
    claimsHole: false,
    state: path,
    linkTarget: '',
  };
}

test('an entry whose path no program can open costs itself, not the tree around it', () => {
  const spec = { root: '/r', include: ['**'], exclude: ['left/out'], oneFileSystem: true };
  const emitted: number[] = [];
  const selector = new Selector(spec, globsOf(spec), ({ path }) => emitted.push(path.length));
  const deep = 'd/'.repeat(2046); // 4092 bytes
  for (const one of ['', `${deep}e`, `${deep}ee`]) selector.push(entry(one));
  expect(emitted).toEqual([0, 4093]);
  expect(selector.tooLong).toEqual({ count: 1, first: `${deep}ee` });
});
