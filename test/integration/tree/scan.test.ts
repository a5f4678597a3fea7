import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import type { TreeSpec } from '../../../src/tree/index/entry.js';
import { directReader } from '../../../src/tree/scan/reader.js';
import { scanTree, type Scan } from '../../../src/tree/scan/scan.js';
import { runCommand } from '../../../src/base/process/process.js';
import { quiet, temporaryDirectory } from './awkward-tree.js';

let base: { dir: string; remove: () => Promise<void> };
beforeEach(async () => {
  base = await temporaryDirectory();
  for (const name of ['conf/app', 'conf/secret', 'data/big', 'empty']) {
    mkdirSync(path.join(base.dir, name), { recursive: true });
  }
  for (const name of [
    'a.yml',
    '.env',
    'conf/app/x.yml',
    'conf/app/x.tmp',
    'conf/secret/k',
    'data/big/1',
  ]) {
    writeFileSync(path.join(base.dir, name), 'x');
  }
});
afterEach(() => base.remove());

const scan = (spec: Partial<TreeSpec>): Promise<Scan> =>
  scanTree(
    { root: base.dir, include: ['**'], exclude: [], oneFileSystem: true, ...spec },
    directReader(spec.root ?? base.dir),
    quiet,
  );
const paths = ({ entries }: Scan): string[] => entries.map((entry) => entry.path);

describe('a scan', () => {
  test('takes a directory to mean all below it, and brings the parents of what it takes', async () => {
    expect(paths(await scan({ include: ['conf/app', '*.yml'] }))).toEqual([
      '',
      'a.yml',
      'conf',
      'conf/app',
      'conf/app/x.tmp',
      'conf/app/x.yml',
    ]);
    expect(paths(await scan({ include: ['**/*.yml'] }))).toEqual([
      '',
      'a.yml',
      'conf',
      'conf/app',
      'conf/app/x.yml',
    ]);
  });

  test('leaves out what is excluded, whatever includes it, and nothing else', async () => {
    expect(paths(await scan({ exclude: ['conf/secret', 'data/**', '**/*.tmp'] }))).toEqual([
      '',
      '.env',
      'a.yml',
      'conf',
      'conf/app',
      'conf/app/x.yml',
      'data',
      'empty',
    ]);
  });

  test('reads names with wildcard characters as they are meant', async () => {
    mkdirSync(path.join(base.dir, '[x]*'));
    writeFileSync(path.join(base.dir, '[x]*', 'in'), '');
    expect(paths(await scan({ include: ['\\[x\\]\\*'] }))).toEqual(['', '[x]*', '[x]*/in']);
    expect(paths(await scan({ exclude: ['\\[x\\]\\*'] }))).not.toContain('[x]*/in');
  });

  test('follows a root that is a symlink, and no other', async () => {
    const link = path.join(base.dir, 'data', 'link');
    symlinkSync(path.join(base.dir, 'conf'), link);
    expect(paths(await scan({ root: link }))).toEqual([
      '',
      'app',
      'app/x.tmp',
      'app/x.yml',
      'secret',
      'secret/k',
    ]);
    expect(paths(await scan({ include: ['data'] }))).toEqual([
      '',
      'data',
      'data/big',
      'data/big/1',
      'data/link',
    ]);
  });

  test('skips sockets and says how many', async () => {
    const server = createServer().listen(path.join(base.dir, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    const result = await scan({});
    server.close();
    expect(result.skippedSockets).toBe(1);
    expect(paths(result)).not.toContain('socket');
  });

  test.each(['another file system', 'a bind mount of the same one'])(
    'stays on its mount, says so, and enters one that is named: %s',
    async (kind) => {
      const mountpoint = path.join(base.dir, 'data');
      const beside = await temporaryDirectory();
      if (kind === 'another file system') {
        await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', mountpoint]);
      } else await runCommand('mount', ['--bind', beside.dir, mountpoint]);
      try {
        writeFileSync(path.join(mountpoint, 'on-mount'), '');
        const stayed = await scan({});
        expect(paths(stayed)).toContain('data');
        expect(paths(stayed)).not.toContain('data/on-mount');
        expect(stayed.skippedMounts).toEqual(['data']);
        for (const include of ['data', 'data/on-*', 'data/**']) {
          const named = await scan({ include: [include] });
          expect(paths(named)).toEqual(['', 'data', 'data/on-mount']);
          expect(named.skippedMounts).toEqual([]);
        }
        expect(paths(await scan({ oneFileSystem: false }))).toContain('data/on-mount');
        // What is excluded or not asked for is no mount to warn of.
        expect((await scan({ exclude: ['data'] })).skippedMounts).toEqual([]);
        expect((await scan({ include: ['conf'] })).skippedMounts).toEqual([]);
        expect((await scan({ include: ['*.yml'] })).skippedMounts).toEqual([]);
      } finally {
        await runCommand('umount', [mountpoint]);
        await beside.remove();
      }
    },
  );
});
