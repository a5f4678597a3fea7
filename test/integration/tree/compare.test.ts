import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import {
  compareTrees,
  compareTreesInDetail,
  MAX_DIFFERENCES,
} from '../../../src/tree/compare/compare.js';
import { measureTree, treeDigest } from '../../../src/tree/compare/content.js';
import { runCommand } from '../../../src/base/process/process.js';
import { quiet, temporaryDirectory } from './awkward-tree.js';

let base: { dir: string; remove: () => Promise<void> };
let left: string;
let right: string;
const at = (...names: string[]): string => path.join(right, ...names);

beforeEach(async () => {
  base = await temporaryDirectory();
  left = path.join(base.dir, 'left');
  right = path.join(base.dir, 'right');
  mkdirSync(path.join(left, 'dir', 'sub'), { recursive: true });
  writeFileSync(path.join(left, 'dir', 'file'), 'x'.repeat(300_000));
  writeFileSync(path.join(left, 'one'), 'shared');
  linkSync(path.join(left, 'one'), path.join(left, 'two'));
  symlinkSync('one', path.join(left, 'link'));
  await runCommand('mknod', [path.join(left, 'null'), 'c', '1', '3']);
  await runCommand('cp', ['-a', left, right]);
  expect(await compareTrees(left, right, quiet)).toEqual([]);
});
afterEach(() => base.remove());

/** Changes a file or directory and puts all times back, so that only the change itself can be seen. */
async function quietly(change: () => unknown): Promise<void> {
  await change();
  await runCommand('bash', [
    '-c',
    'cd "$1" && find . -print0 | while IFS= read -r -d "" f; do [ -e "$2/$f" ] && touch -h -r "$f" "$2/$f" || true; done',
    '-',
    left,
    right,
  ]);
}

type Change = () => unknown;
const changes: [string, string, string, Change][] = [
  ['mode', 'dir/file', 'a mode', () => chmodSync(at('dir', 'file'), 0o600)],
  ['mode', 'dir/sub', 'a directory’s sticky bit', () => chmodSync(at('dir', 'sub'), 0o1755)],
  ['owner', 'dir/file', 'an owner', () => chownSync(at('dir', 'file'), 1, 0)],
  ['owner', 'dir/sub', 'a group', () => chownSync(at('dir', 'sub'), 0, 1)],
  [
    'size',
    'dir/file',
    'a longer file',
    () => writeFileSync(at('dir', 'file'), 'x'.repeat(300_001)),
  ],
  [
    'content',
    'dir/file',
    'one other byte at the same size and time',
    () => writeFileSync(at('dir', 'file'), `${'x'.repeat(299_999)}y`),
  ],
  [
    'missing',
    'dir/sub',
    'a missing empty directory',
    () => rmSync(at('dir', 'sub'), { recursive: true }),
  ],
  ['extra', 'dir/new', 'a file too many', () => writeFileSync(at('dir', 'new'), '')],
  [
    'type',
    'dir/sub',
    'a file in place of a directory',
    () => {
      rmSync(at('dir', 'sub'), { recursive: true });
      writeFileSync(at('dir', 'sub'), '');
    },
  ],
  [
    'target',
    'link',
    'another link target',
    () => {
      unlinkSync(at('link'));
      symlinkSync('two', at('link'));
    },
  ],
  [
    'hardLinks',
    'one',
    'copies in place of hard links',
    () => {
      unlinkSync(at('two'));
      writeFileSync(at('two'), 'shared');
    },
  ],
  [
    'xattrs',
    'dir/file',
    'an attribute',
    () => runCommand('setfattr', ['-n', 'user.a', '-v', 'b', at('dir/file')]),
  ],
  ['xattrs', 'dir', 'an ACL', () => runCommand('setfacl', ['-d', '-m', 'u:7:r', at('dir')])],
  [
    'device',
    'null',
    'another device number',
    async () => {
      unlinkSync(at('null'));
      await runCommand('mknod', [at('null'), 'c', '1', '5']);
    },
  ],
];

test.each(changes)('finds a difference of %s at %s: %s', async (what, where, _, change) => {
  await quietly(change);
  const differences = await compareTrees(left, right, quiet);
  expect(differences).toContainEqual(expect.objectContaining({ what, path: where }));
  const kinds = new Set(differences.map((difference) => difference.what));
  // Two names of one file: both are told. Nothing else is.
  expect([...kinds]).toEqual([what]);
});

test.each(['dir/file', 'dir', 'link', '.'])(
  'finds a time that is a nanosecond off at %s',
  async (name) => {
    const { stdout } = await runCommand('stat', ['-c', '%.9Y', path.join(left, name)]);
    const [seconds = '', fraction = ''] = stdout.trim().split('.');
    const other = fraction.endsWith('9')
      ? fraction.replace(/9$/, '8')
      : fraction.replace(/.$/, (d) => String(Number(d) + 1));
    await runCommand('touch', ['-h', '-d', `@${seconds}.${other}`, at(name)]);
    expect(await compareTrees(left, right, quiet)).toEqual([
      expect.objectContaining({ what: 'mtime', path: name }),
    ]);
  },
);

test('a long list is cut, its count is not', async () => {
  for (let index = 0; index < MAX_DIFFERENCES + 5; index += 1)
    writeFileSync(at(`new-${index}`), '');
  const { differences, count } = await compareTreesInDetail(left, right, quiet);
  expect(differences).toHaveLength(MAX_DIFFERENCES);
  expect(count).toBe(MAX_DIFFERENCES + 6); // and the root's own time
});

test('only what is in scope is compared', async () => {
  writeFileSync(path.join(left, 'dir', 'cache'), '');
  const scope = { include: ['dir'], exclude: ['dir/cache'] };
  utimesSync(at('one'), 1, 1);
  const differences = await compareTrees(left, right, quiet, scope);
  expect(differences.map(({ path: where }) => where)).toEqual(['dir']);
});

test('equal trees have equal digests, other contents another; hard links count once', async () => {
  expect(await treeDigest(left, quiet)).toBe(await treeDigest(right, quiet));
  await quietly(() => writeFileSync(at('dir', 'file'), `${'x'.repeat(299_999)}y`));
  expect(await treeDigest(left, quiet)).not.toBe(await treeDigest(right, quiet));
  expect(await measureTree(left, quiet)).toEqual({ entries: 8, bytes: 300_006 });
});
