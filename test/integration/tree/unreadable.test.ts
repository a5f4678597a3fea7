/** Files whose size and blocks say something else than what can be read: never zeros as a success. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ArchiveOptions } from '../../../src/tree/pack/archive-options.js';
import { archiveTree, type ArchivedTree } from '../../../src/tree/pack/archive.js';
import { extractTree } from '../../../src/tree/unpack/extract.js';
import { directReader } from '../../../src/tree/scan/reader.js';
import { knownParts } from '../../../src/format/known-parts.js';
import { fuseContent, mountFuse, type LyingFile } from '../../support/fuse.js';
import { mountedPlaces, type MountedPlaces } from '../../support/mounted-places.js';
import { quiet } from './awkward-tree.js';

const MIB = 1024 * 1024;
let places: MountedPlaces;
let source: string;
let unmount: (() => Promise<void>) | undefined;

beforeEach(() => {
  places = mountedPlaces();
  source = places.at('source');
  mkdirSync(source);
  unmount = undefined;
});
afterEach(async () => {
  await unmount?.();
  await places.cleanUp();
});

const serve = async (files: Readonly<Record<string, LyingFile>>): Promise<void> => {
  unmount = await mountFuse(source, files);
};

const archive = (name: string, options: Partial<ArchiveOptions> = {}): Promise<ArchivedTree> => {
  mkdirSync(places.at(name));
  return archiveTree(
    {
      spec: { root: source, include: ['**'], exclude: [], oneFileSystem: true },
      destination: places.at(name),
      setId: '20260101_000000',
      compressionLevel: 1,
      onChange: 'expected',
      allowEmpty: false,
      ...options,
    },
    quiet,
  );
};

const extract = async (
  name: string,
  { files }: ArchivedTree,
): Promise<(file: string) => Buffer> => {
  const target = places.at(`${name}-out`);
  mkdirSync(target);
  await extractTree({ artifactDirectory: places.at(name), files, target }, quiet);
  return (file) => readFileSync(path.join(target, file));
};

describe('a file that says it has no blocks', () => {
  test.each(['directly', 'through another process'] as const)('is read, %s', async (way) => {
    await serve({
      small: { size: 636, blocks: 0 },
      large: { size: 20 * MIB, blocks: 0 },
      usual: { size: 5000 },
    });
    const reader = { ...directReader(source), sharesPrograms: way === 'directly' };
    const archived = await archive('one', { reader, partTargetBytes: 8 * MIB });
    expect(archived.consistency).toMatchObject({ state: 'consistent', policy: 'expected' });
    const restored = await extract('one', archived);
    expect(restored('small').equals(fuseContent(636))).toBe(true);
    expect(restored('large').equals(fuseContent(20 * MIB))).toBe(true);
    expect(restored('usual').equals(fuseContent(5000))).toBe(true);
  });

  test('and a part of an earlier version, which may hold zeros for it, is not linked', async () => {
    await serve({ small: { size: 5000, blocks: 0 } });
    const first = await archive('one', { settleMs: 0 });
    const parts = knownParts(places.at('one'), first.files);
    const again = await archive('two', { settleMs: 0, known: parts, setId: '20260102_000000' });
    expect(again.linked.parts).toBe(2);
    // Without blocks that are counted, the same entries had another fingerprint.
    await unmount?.();
    await serve({ small: { size: 5000, blocks: 16 } });
    const counted = await archive('three', { settleMs: 0 });
    expect(counted.files[1]?.state?.fingerprint).not.toBe(first.files[1]?.state?.fingerprint);
  });
});

test('where blocks are counted, a hole stays a hole', async () => {
  writeFileSync(path.join(source, 'hole'), '');
  truncateSync(path.join(source, 'hole'), MIB);
  const archived = await archive('one');
  await extract('one', archived);
  expect(statSync(places.at('one-out/hole'))).toMatchObject({ size: MIB, blocks: 0 });
});

test('also a large one of a file system that can’t be relied upon', async () => {
  await places.tmpfs(source, 'size=64m');
  writeFileSync(path.join(source, 'hole'), '');
  truncateSync(path.join(source, 'hole'), 20 * MIB);
  const direct = directReader(source);
  const reader: typeof direct = {
    ...direct,
    // As if nothing were known of it.
    start: (command, args, options) =>
      direct.start(
        command,
        args.map((arg) => arg.replace('%F', 'unknown')),
        options,
      ),
  };
  const archived = await archive('one', { reader, partTargetBytes: 8 * MIB });
  await extract('one', archived);
  expect(statSync(places.at('one-out/hole'))).toMatchObject({ size: 20 * MIB, blocks: 0 });
});

describe('a file that can’t be read to its end', () => {
  test.each([
    ['a read error half way', { size: 500_000, errorAt: 300_000 }],
    ['a size it does not have', { size: 500_000, endsAt: 200_000 }],
    ['the same without blocks', { size: 500_000, endsAt: 200_000, blocks: 0 }],
    ['a read error at its beginning', { size: 500_000, errorAt: 0 }],
  ])('%s is a failure that names it, whatever is expected to change', async (_name, file) => {
    await serve({ fine: { size: 100 }, broken: file });
    for (const onChange of ['expected', 'degrade', 'fail'] as const) {
      await expect(archive(onChange, { onChange })).rejects.toMatchObject({
        code: 'ARCHIVE_FAILED',
        message: expect.stringMatching(/cannot be read.*broken/s),
      });
    }
  });

  test('where it changes meanwhile it is inconsistent, and never just expected', async () => {
    await serve({ log: { size: 500_000, endsAt: 200_000, changes: true } });
    const { consistency, changedCount, files } = await archive('one');
    expect(consistency).toMatchObject({ state: 'inconsistent', policy: 'degrade' });
    expect(consistency.changed[0]).toMatch(/log: File shrank/);
    expect(changedCount).toBeGreaterThan(0);
    expect(files[1]?.state?.settled).toBe(false);
  });

  test('one that gets shorter once is read again, and then it is as expected', async () => {
    writeFileSync(path.join(source, 'log'), Buffer.alloc(8 * MIB, 'x'));
    const direct = directReader(source);
    let reads = 0;
    const reader: typeof direct = {
      ...direct,
      start: (command, args, options) => {
        if (command !== 'tar' || (reads += 1) !== 2) return direct.start(command, args, options);
        // tar opens it, and finds its end missing.
        const running = direct.start(
          command,
          [...args, '--checkpoint=1', '--checkpoint-action=exec=truncate -s 1M log'],
          options,
        );
        return running;
      },
    };
    const archived = await archive('one', { reader });
    expect(archived.consistency.changed.join()).not.toContain('shrank');
    const restored = await extract('one', archived);
    expect(restored('log')).toHaveLength(MIB);
  });
});
