import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { extractTree } from '../../../src/tree/unpack/extract.js';
import type { ArtifactFile } from '../../../src/format/manifest.js';
import { runCommand } from '../../../src/base/process/process.js';
import { quiet, temporaryDirectory } from './awkward-tree.js';
import { buildTar, type RawMember } from './tar-builder.js';

let base: { dir: string; remove: () => Promise<void> };
let target: string;
let artifact: string;
beforeEach(async () => {
  base = await temporaryDirectory();
  target = path.join(base.dir, 'target');
  artifact = path.join(base.dir, 'artifact');
  mkdirSync(target);
  mkdirSync(artifact);
  writeFileSync(path.join(base.dir, 'victim'), 'untouched');
});
afterEach(() => base.remove());

async function unpack(members: readonly RawMember[], allowDevices = false): Promise<void> {
  const plain = path.join(base.dir, 'plain.tar');
  const name = 'part-00001.tar.zst';
  writeFileSync(plain, buildTar(members));
  await runCommand('zstd', ['-q', plain, '-o', path.join(artifact, name)]);
  const bytes = readFileSync(path.join(artifact, name));
  const file: ArtifactFile = {
    name,
    role: 'part',
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
  await extractTree({ artifactDirectory: artifact, files: [file], target, allowDevices }, quiet);
}

const content = Buffer.from('owned');
const cases: [string, RawMember[]][] = [
  ['an absolute name', [{ name: '/tmp/x', content }]],
  ['a name that climbs out', [{ name: './../victim', content }]],
  ['a name that climbs out from below', [{ name: 'a/b/../../../victim', content }]],
  ['a long name that climbs out', [{ name: 'fine', longName: '../victim', content }]],
  ['a pax name that climbs out', [{ name: 'fine', pax: { path: '../victim' }, content }]],
  [
    'a pax name with a newline that climbs out',
    [{ name: 'fine', pax: { path: '../a\n/../victim' }, content }],
  ],
  [
    'a sparse name that climbs out',
    [{ name: 'fine', pax: { path: 'ok', 'GNU.sparse.name': '../victim' }, content }],
  ],
  ['a global header that renames', [{ name: 'fine', global: { path: '../victim' }, content }]],
  [
    'a write through a symlink',
    [
      { name: 'link', flag: '2', link: '..' },
      { name: 'link/victim', content },
    ],
  ],
  [
    'a write through a symlink in disguise',
    [
      { name: 'dir/', flag: '5' },
      { name: './dir/link', flag: '2', link: '../..' },
      { name: 'dir//./link/victim', content },
    ],
  ],
  [
    'a write through a hard link to a symlink',
    [
      { name: 'link', flag: '2', link: '..' },
      { name: 'other', flag: '1', link: 'link' },
      { name: 'other/victim', content },
    ],
  ],
  [
    'a symlink where something lies below already',
    [
      { name: 'dir/victim', content },
      { name: 'dir', flag: '2', link: '..' },
    ],
  ],
  [
    'a symlink that a hard link was made to before',
    [
      { name: 'other', flag: '1', link: 'link' },
      { name: 'link', flag: '2', link: '..' },
    ],
  ],
  [
    'a write over a symlink',
    [
      { name: 'link', flag: '2', link: '../victim' },
      { name: 'link', content },
    ],
  ],
  [
    'a directory over a symlink',
    [
      { name: 'link', flag: '2', link: '..' },
      { name: 'link/', flag: '5' },
    ],
  ],
  ['a hard link to an absolute name', [{ name: 'x', flag: '1', link: '/etc/passwd' }]],
  ['a hard link that climbs out', [{ name: 'x', flag: '1', link: '../victim' }]],
  [
    'a hard link through a symlink',
    [
      { name: 'link', flag: '2', link: '..' },
      { name: 'x', flag: '1', link: 'link/victim' },
    ],
  ],
  [
    'a pax hard link that climbs out',
    [{ name: 'x', flag: '1', link: 'fine', pax: { linkpath: '../victim' } }],
  ],
  ['a character device', [{ name: 'mem', flag: '3' }]],
  ['a block device', [{ name: 'sda', flag: '4' }]],
  ['a type that nobody knows', [{ name: 'x', flag: 'Z' }]],
  ['a directory that hides data', [{ name: 'x/', flag: '5', content: Buffer.alloc(512) }]],
  ['a symlink that hides data', [{ name: 'x', flag: '2', link: 'y', content: Buffer.alloc(512) }]],
];

describe('a hostile archive', () => {
  test.each(cases)('is refused: %s', async (_, members) => {
    await expect(unpack(members)).rejects.toMatchObject({ code: 'ARCHIVE_HOSTILE' });
    expect(readFileSync(path.join(base.dir, 'victim'), 'utf8')).toBe('untouched');
    expect(existsSync('/tmp/x')).toBe(false);
    expect(readdirSync(base.dir).sort()).toEqual(['artifact', 'plain.tar', 'target', 'victim']);
  });

  test.each([
    ['a wrong checksum', (tar: Buffer) => tar.fill('x', 0, 1)],
    ['an end within a member', (tar: Buffer) => tar.subarray(0, 700)],
  ])('is refused when it is no sound tar: %s', async (_, spoil) => {
    const name = 'part-00001.tar.zst';
    const plain = path.join(base.dir, 'plain.tar');
    writeFileSync(plain, spoil(buildTar([{ name: 'a', content: Buffer.alloc(2000, 1) }])));
    await runCommand('zstd', ['-q', plain, '-o', path.join(artifact, name)]);
    const bytes = readFileSync(path.join(artifact, name));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const file: ArtifactFile = { name, role: 'part', sizeBytes: bytes.length, sha256 };
    await expect(
      extractTree({ artifactDirectory: artifact, files: [file], target }, quiet),
    ).rejects.toMatchObject({ code: expect.stringMatching(/INTEGRITY|RESTORE_FAILED/) });
  });
});

test('what only looks dangerous is unpacked', async () => {
  await unpack([
    { name: './', flag: '5' },
    { name: './absolute', flag: '2', link: '/etc/passwd' },
    { name: './up', flag: '2', link: '../../..' },
    { name: './..hidden', content },
    { name: './a..b/', flag: '5' },
    { name: './a..b/c', content },
    { name: './hard', flag: '1', link: './a..b/c' },
    { name: './also-up', flag: '1', link: './up' },
    { name: './fine', global: { comment: 'a commit id' }, content },
    { name: './long', pax: { path: './new\nline' }, content },
  ]);
  expect(readdirSync(target).sort()).toEqual(
    ['..hidden', 'a..b', 'absolute', 'also-up', 'fine', 'hard', 'new\nline', 'up'].sort(),
  );
});

test('devices are unpacked where they are asked for', async () => {
  await unpack([{ name: './null', flag: '3' }], true);
  expect(lstatSync(path.join(target, 'null')).isCharacterDevice()).toBe(true);
});
