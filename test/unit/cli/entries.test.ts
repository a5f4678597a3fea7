import { describe, expect, test } from '@jest/globals';
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { LineStream } from '../../../src/cli/output/line-stream.js';
import { streamOutput } from '../../../src/cli/output/output.js';
import type { IndexEntry } from '../../../src/tree/index/index-file.js';
import { permissions, renderLongEntry, safeName } from '../../../src/cli/views/sets/entry-view.js';
import { PathSelector } from '../../../src/glob/path-selector.js';
import { pathFromText } from '../../../src/base/files/byte-paths.js';

const b64 = (...bytes: number[]) => ({ b64: Buffer.from(bytes).toString('base64') });

describe('a name that is shown', () => {
  test.each([
    ['plain name.txt', 'plain name.txt'],
    ['naïve-名前-🙂', 'naïve-名前-🙂'],
    ['line\nbreak\r\t', String.raw`line\nbreak\r\t`],
    [String.raw`a\n`, String.raw`a\\n`],
    ['\u001b[2Jgone', String.raw`\x1b[2Jgone`],
    ['\u202etxt.exe\u2028\u0085', String.raw`\u{202e}txt.exe\u{2028}\u{85}`],
    [b64(0x66, 0xff, 0x0a, 0x78), String.raw`f\xff\nx`],
    [b64(0xc3, 0xa9, 0xe9, 0x2f, 0x62), String.raw`é\xe9/b`],
  ])('never moves the cursor and is unmistakable: %j', (name, shown) => {
    expect(safeName(name)).toBe(shown);
  });
});

describe('many lines', () => {
  test('are written in few pieces, wait for a slow reader, and end when it has gone', async () => {
    const stream = new PassThrough({ highWaterMark: 1024 });
    const output = streamOutput(stream);
    const lines = new LineStream(output);
    const line = 'x'.repeat(99);
    let written = 0;
    stream.on('data', () => (written += 1));
    for (let index = 0; index < 1000; index += 1) expect(await lines.line(line)).toBe(true);
    expect(await lines.flush()).toBe(true);
    expect(written).toBeLessThan(10);
    stream.pause();
    const waiting = lines.line(line.repeat(1000));
    expect(await Promise.race([waiting, delay(50, 'waits')])).toBe('waits');
    stream.destroy(new Error('EPIPE'));
    expect(await waiting).toBe(false);
    expect(await lines.line(line.repeat(1000))).toBe(false);
  });
});

describe('a long line', () => {
  const entry: IndexEntry = {
    path: 'a/b',
    type: 'file',
    sizeBytes: 1536,
    mtimeNs: '981173106123456789',
    ctimeNs: '0',
    inode: '7',
    mode: '4640',
    uid: 70_001,
    gid: 7,
    part: 'part-00001.tar.zst',
  };

  test('has mode, owner, size, time and where a link leads', () => {
    expect(renderLongEntry(entry)).toMatch(
      /^-rwSr----- {2}70001:7 {6} {1,2}1\.5 KiB {2}2001-02-03 \d\d:\d\d:06 {2}a\/b$/,
    );
    expect(renderLongEntry({ ...entry, type: 'symlink', linkTarget: '../\n' })).toMatch(
      / a\/b -> \.\.\/\\n$/,
    );
    expect(renderLongEntry({ ...entry, hardLinkOf: 'first' })).toMatch(/ a\/b link to first$/);
    expect(renderLongEntry({ ...entry, mtimeNs: '-1500000000' })).toMatch(/ 19(69|70)-/);
  });

  test.each([
    [0o644, 'rw-r--r--'],
    [0o4755, 'rwsr-xr-x'],
    [0o2640, 'rw-r-S---'],
    [0o1777, 'rwxrwxrwt'],
    [0o1000, '--------T'],
    [0, '---------'],
  ])('writes mode %o as ls does', (mode, text) => {
    expect(permissions(mode)).toBe(text);
  });
});

describe('a selection of paths', () => {
  test('takes what matches and all below a directory that does, never the root', () => {
    const selector = new PathSelector(['etc', '**/*.yaml', 'gone']);
    const selected = ['', 'etc', 'etc/a/b', 'etcetera', 'x/y.yaml', 'x/y.yaml/z', 'x'].filter(
      (path) => selector.selects(path),
    );
    expect(selected).toEqual(['etc', 'etc/a/b', 'x/y.yaml', 'x/y.yaml/z']);
    expect(selector.unmatched).toEqual(['gone']);
  });

  test('counts a pattern as matched that names what another one covers', () => {
    const selector = new PathSelector(['etc', 'etc/hosts', 'etc/none']);
    for (const path of ['etc', 'etc/hosts', 'etc/passwd']) selector.selects(path);
    expect(selector.unmatched).toEqual(['etc/none']);
  });

  test('matches names that are not UTF-8 by wildcards', () => {
    const selector = new PathSelector(['f?', 'ü']);
    expect(selector.selects('f\xff')).toBe(true);
    expect(selector.selects(pathFromText('ü'))).toBe(true);
  });
});
