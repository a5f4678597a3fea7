import { describe, expect, test } from '@jest/globals';
import { parseFlags } from '../../../src/base/files/file-flags.js';
import { mountOf, mountPointsIn, parseMountinfo } from '../../../src/base/files/mounts.js';

const TEXT = [
  '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard',
  '30 27 254:0 /srv/real /srv/home/media rw,relatime shared:1 master:2 - ext4 /dev/vda rw',
  String.raw`31 27 0:51 / /srv/home/a\040b\134c rw - tmpfs none rw,size=16k`,
  '32 27 0:52 / /srv/homework rw - tmpfs none rw',
  '33 27 8:1 / /srv/home/gone//deleted rw - ext4 /dev/sda1 rw',
  '34 27 8:1 / /mnt/ro ro,relatime - ext4 /dev/sda1 rw',
  '35 27 8:1 / /mnt/ro2 rw - ext4 /dev/sda1 ro',
  '36 27 0:53 / /srv/home/media rw - tmpfs over rw',
  '',
].join('\n');
const mounts = parseMountinfo(TEXT);

describe('the kernel’s list of mounts', () => {
  test('names are as they are on disk, and what is gone is left out', () => {
    expect(mounts.map(({ point }) => point)).toEqual([
      '/',
      '/srv/home/media',
      '/srv/home/a b\\c',
      '/srv/homework',
      '/mnt/ro',
      '/mnt/ro2',
      '/srv/home/media',
    ]);
  });

  test('a bind mount says which directory it shows, whatever optional fields there are', () => {
    expect(mounts[1]).toEqual({
      id: 30,
      device: '254:0',
      root: '/srv/real',
      point: '/srv/home/media',
      readOnly: false,
      fsType: 'ext4',
    });
  });

  test('read-only by the mount or by its file system', () => {
    expect(mounts.filter(({ readOnly }) => readOnly).map(({ point }) => point)).toEqual([
      '/mnt/ro',
      '/mnt/ro2',
    ]);
  });

  test('below a directory is not beside it, and each point comes once', () => {
    expect(mountPointsIn(mounts, '/srv/home', 'below')).toEqual([
      '/srv/home/a b\\c',
      '/srv/home/media',
    ]);
    expect(mountPointsIn(mounts, '/srv/home/media', 'below')).toEqual([]);
    expect(mountPointsIn(mounts, '/srv/home/media', 'at-or-below')).toEqual(['/srv/home/media']);
    expect(mountPointsIn(mounts, '/', 'below')).toHaveLength(5);
  });

  test('what a path lies on is the innermost, and of two on one point the later', () => {
    expect(mountOf(mounts, '/srv/home/media/x')?.id).toBe(36);
    expect(mountOf(mounts, '/srv/home')?.id).toBe(27);
    expect(mountOf(mounts, '/srv/homework')?.id).toBe(32);
  });
});

test('flags of lsattr: immutable, append-only, and none of the others', () => {
  expect(parseFlags('----i---------e------- ./a b')).toEqual({ name: './a b', flag: 'immutable' });
  expect(parseFlags('-----a--------e------- ./x')).toEqual({ name: './x', flag: 'append-only' });
  expect(parseFlags('s---A--c-mI---eFNP-Vx- ./x')).toBeUndefined();
  expect(parseFlags('----i---------e------- ./a/..')).toBeUndefined();
  expect(parseFlags('./a:')).toBeUndefined();
});
