/** Full disks, killed children, cancelled work, damaged and hostile archives. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ArchiveOptions } from '../../../src/tree/pack/archive-options.js';
import { archiveTree, type ArchivedTree } from '../../../src/tree/pack/archive.js';
import { extractTree } from '../../../src/tree/unpack/extract.js';
import { directReader, type TreeReader } from '../../../src/tree/scan/reader.js';
import type { Work } from '../../../src/base/progress.js';
import { runCommand, startCommand } from '../../../src/base/process/process.js';
import { quiet, temporaryDirectory } from './awkward-tree.js';

let base: { dir: string; remove: () => Promise<void> };
let source: string;
let destination: string;
let target: string;

beforeEach(async () => {
  base = await temporaryDirectory();
  source = path.join(base.dir, 'source');
  destination = path.join(base.dir, 'artifact');
  target = path.join(base.dir, 'target');
  for (const directory of [source, destination, target]) mkdirSync(directory);
  for (const name of ['x', 'y', 'z'])
    writeFileSync(path.join(source, name), randomBytes(4_000_000));
});
afterEach(() => base.remove());

const archive = (
  options: Partial<ArchiveOptions> = {},
  work: Work = quiet,
): Promise<ArchivedTree> =>
  archiveTree(
    {
      spec: { root: source, include: ['**'], exclude: [], oneFileSystem: true },
      destination,
      setId: '20260101_000000',
      compressionLevel: 1,
      onChange: 'fail',
      allowEmpty: false,
      ...options,
    },
    work,
  );

/** Children of this process by name. */
function children(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [, name = '', parent] = /\((.*)\) \S (\d+)/.exec(stat) ?? [];
        // The run's Temporal server is a child of this process too, and none of the work's.
        return Number(parent) === process.pid && name !== 'temporal' ? [name] : [];
      } catch {
        return []; // ended meanwhile
      }
    });
}

async function onSmallDisk(directory: string, work: () => Promise<void>): Promise<void> {
  await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=6M', 'tmpfs', directory]);
  try {
    await work();
  } finally {
    await runCommand('umount', [directory]);
  }
}

describe('a full disk', () => {
  test.each([1, 1024 ** 3])(
    'ends the archiving with DISK_FULL and leaves nothing (parts of %d)',
    async (partTargetBytes) => {
      await onSmallDisk(destination, async () => {
        await expect(archive({ partTargetBytes })).rejects.toMatchObject({ code: 'DISK_FULL' });
        expect(readdirSync(destination)).toEqual([]);
      });
      expect(children()).toEqual([]);
    },
  );

  test('ends the unpacking with DISK_FULL', async () => {
    const { files } = await archive();
    await onSmallDisk(target, async () => {
      await expect(
        extractTree({ artifactDirectory: destination, files, target }, quiet),
      ).rejects.toMatchObject({ code: 'DISK_FULL' });
    });
    expect(children()).toEqual([]);
  });
});

describe('a child that is killed', () => {
  test.each(['tar', 'find'] as const)(
    'fails the archiving and leaves nothing (%s)',
    async (victim) => {
      const direct = directReader(source);
      const reader: TreeReader = {
        ...direct,
        start: (command, args, options) => {
          if (command !== victim) return direct.start(command, args, options);
          const script = '"$@" | head -c 200; kill -KILL $$';
          return startCommand('bash', ['-c', script, '-', command, ...args], {
            ...options,
            cwd: source,
          });
        },
      };
      await expect(archive({ reader })).rejects.toMatchObject({
        code: 'ARCHIVE_FAILED',
        retryable: true,
      });
      expect(readdirSync(destination)).toEqual([]);
      expect(children()).toEqual([]);
    },
  );
});

describe('work that is cancelled', () => {
  test.each(['scan', 'read'])(
    'stops with its reason and leaves no child and no file (%s)',
    async (phase) => {
      const controller = new AbortController();
      const work: Work = {
        signal: controller.signal,
        report: (progress) => {
          if (progress.phase === phase) controller.abort(new Error('cancelled by the test'));
        },
      };
      await expect(archive({ partTargetBytes: 1 }, work)).rejects.toThrow('cancelled by the test');
      expect(children()).toEqual([]);
      expect(readdirSync(destination)).toEqual([]);
    },
  );

  test('stops the unpacking too', async () => {
    const { files } = await archive();
    const controller = new AbortController();
    const work: Work = {
      signal: controller.signal,
      report: () => controller.abort(new Error('cancelled by the test')),
    };
    await expect(
      extractTree({ artifactDirectory: destination, files, target }, work),
    ).rejects.toThrow('cancelled by the test');
    expect(children()).toEqual([]);
  });
});

describe('an archive that is not what it was', () => {
  test.each([0, 1_000_000, -1])(
    'is refused with the damaged part named (byte %d)',
    async (offset) => {
      const { files } = await archive({ partTargetBytes: 1 });
      const part = path.join(destination, files[2]!.name);
      const bytes = readFileSync(part);
      const index = offset < 0 ? bytes.length + offset : offset;
      bytes.writeUInt8(bytes.readUInt8(index) ^ 4, index);
      writeFileSync(part, bytes);
      await expect(
        extractTree({ artifactDirectory: destination, files, target }, quiet),
      ).rejects.toMatchObject({ code: 'INTEGRITY', facts: { path: part } });
      expect(children()).toEqual([]);
    },
  );

  test('is refused when a part is missing or the target is not empty', async () => {
    const { files } = await archive();
    const options = { artifactDirectory: destination, files, target };
    await expect(
      extractTree({ ...options, artifactDirectory: base.dir }, quiet),
    ).rejects.toMatchObject({ code: 'INTEGRITY' });
    writeFileSync(path.join(target, '.hidden'), '');
    await expect(extractTree(options, quiet)).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
    await expect(
      extractTree({ ...options, target: path.join(base.dir, 'none') }, quiet),
    ).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
    expect(existsSync(path.join(base.dir, 'none'))).toBe(false);
  });

  test('is not taken for whole when fewer entries came out than went in', async () => {
    const { files } = await archive();
    const wrong = files.map((file) =>
      file.role === 'part' ? { ...file, entries: (file.entries ?? 0) + 1 } : file,
    );
    await expect(
      extractTree({ artifactDirectory: destination, files: wrong, target }, quiet),
    ).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      facts: { expected: 4 + files.filter(({ role }) => role === 'part').length, actual: 4 },
    });
  });
});
