/** Linking what has not changed, and nothing else. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ArchiveOptions } from '../../../src/tree/pack/archive-options.js';
import { archiveTree, type ArchivedTree } from '../../../src/tree/pack/archive.js';
import { compareTrees } from '../../../src/tree/compare/compare.js';
import { extractTree } from '../../../src/tree/unpack/extract.js';
import { knownParts } from '../../../src/format/known-parts.js';
import { disturbedReader } from './disturbed-reader.js';
import { quiet, temporaryDirectory } from './awkward-tree.js';

let base: { dir: string; remove: () => Promise<void> };
let source: string;
const at = (...names: string[]): string => path.join(source, ...names);
const place = (name: string): string => path.join(base.dir, name);

beforeEach(async () => {
  base = await temporaryDirectory();
  source = place('source');
  mkdirSync(at('a'), { recursive: true });
  mkdirSync(at('b'));
  for (const name of ['a/1', 'a/2', 'b/3']) writeFileSync(at(name), `content of ${name}\n`);
  linkSync(at('a', '1'), at('b', 'also 1'));
  await delay(60);
});
afterEach(() => base.remove());

interface Backup extends ArchivedTree {
  readonly directory: string;
  /** How often tar was started: parts that were read. */
  readonly read: number;
}

/** Backs up into a new directory, with what the one before left. Every file is a part of its own. */
async function backup(
  name: string,
  before?: Backup,
  options: Partial<ArchiveOptions> = {},
): Promise<Backup> {
  const directory = place(name);
  mkdirSync(directory);
  const { reader, starts } = disturbedReader(source, () => undefined);
  const archived = await archiveTree(
    {
      spec: { root: source, include: ['**'], exclude: [], oneFileSystem: true },
      destination: directory,
      setId: name,
      reader,
      compressionLevel: 1,
      onChange: 'fail',
      allowEmpty: false,
      partTargetBytes: 1,
      settleMs: 0,
      ...(before === undefined ? {} : { known: knownParts(before.directory, before.files) }),
      ...options,
    },
    quiet,
  );
  return { ...archived, directory, read: starts.tar };
}

async function requireRestorable({ directory, files }: Backup): Promise<void> {
  const target = `${directory}.restored`;
  mkdirSync(target);
  await extractTree({ artifactDirectory: directory, files, target }, quiet);
  expect(await compareTrees(source, target, quiet)).toEqual([]);
}

const inodes = ({ directory, files }: Backup): number[] =>
  files.map(({ name }) => statSync(path.join(directory, name)).ino);

describe('a second backup', () => {
  test('reads nothing when nothing has changed, and is whole all the same', async () => {
    const first = await backup('20260101_000000');
    const second = await backup('20260102_000000', first);
    expect(first.read).toBe(4);
    expect(second.read).toBe(0);
    expect(second.linked.parts).toBe(4);
    // The index too.
    expect(inodes(second)).toHaveLength(5);
    expect(inodes(second)).toEqual(inodes(first));
    rmSync(first.directory, { recursive: true });
    await requireRestorable(second);
    const third = await backup('20260103_000000', second);
    expect(third.read).toBe(0);
    expect(third.files[0]?.state?.setId).toBe('20260101_000000');
  });

  test.each<[string, number, () => void]>([
    ['is longer', 1, () => appendFileSync(at('a', '2'), 'more')],
    [
      'is other, with size and time put back',
      1,
      () => {
        const { atime, mtime } = statSync(at('a', '2'));
        writeFileSync(at('a', '2'), 'CONTENT of a/2\n');
        utimesSync(at('a', '2'), atime, mtime);
      },
    ],
    [
      'was replaced by an equal one',
      2,
      () => {
        const { atime, mtime } = statSync(at('a', '2'));
        writeFileSync(at('new'), readFileSync(at('a', '2')));
        utimesSync(at('new'), atime, mtime);
        renameSync(at('new'), at('a', '2'));
      },
    ],
    ['has a further name', 2, () => linkSync(at('a', '2'), at('b', 'also 2'))],
    ['has lost a name', 2, () => rmSync(at('b', 'also 1'))],
    ['is new', 2, () => writeFileSync(at('a', '9'), 'new')],
    ['is gone', 1, () => rmSync(at('b', '3'))],
  ])('reads only what a file is in that %s', async (_, read, change) => {
    const first = await backup('20260101_000000');
    change();
    await delay(60);
    const second = await backup('20260102_000000', first);
    expect(second.read).toBe(read);
    await requireRestorable(second);
  });

  test('does not trust what had changed shortly before it was read', async () => {
    const first = await backup('20260101_000000', undefined, { settleMs: 60_000 });
    expect(first.files.map(({ state }) => state?.settled)).toEqual([
      ...[false, false, false, false],
      // The index is of the parts, whatever they hold.
      true,
    ]);
    expect((await backup('20260102_000000', first)).read).toBe(4);
  });

  test('writes anew what is not there any more, or not of its size', async () => {
    const first = await backup('20260101_000000');
    rmSync(path.join(first.directory, 'part-00002.tar.zst'));
    truncateSync(path.join(first.directory, 'part-00003.tar.zst'), 5);
    const second = await backup('20260102_000000', first);
    expect(second.read).toBe(2);
    await requireRestorable(second);
  });

  test('is not misled by a change while it reads: what it links is what it saw', async () => {
    const first = await backup('20260101_000000');
    appendFileSync(at('b', '3'), 'more');
    await delay(60);
    const { reader, starts } = disturbedReader(source, (command, nth) => {
      if (command === 'tar' && nth === 1) appendFileSync(at('a', '2'), 'more');
    });
    const second = await backup('20260102_000000', first, { reader });
    expect(starts.tar).toBe(2);
    expect(second.consistency.state).toBe('consistent');
    await requireRestorable(second);
  });

  test('does not link next time what changed while it was read and is back as it was', async () => {
    const away = place('away');
    const { reader } = disturbedReader(source, (command, nth) => {
      // The directory is another one while it is read: its own files are as they were afterwards.
      if (command !== 'tar' || nth !== 1) return;
      renameSync(at('a'), away);
      mkdirSync(at('a'));
      for (const name of ['1', '2']) writeFileSync(at('a', name), 'of another directory');
    });
    const first = await backup('20260101_000000', undefined, { reader, onChange: 'expected' });
    expect(first.consistency.state).toBe('inconsistent');
    rmSync(at('a'), { recursive: true });
    renameSync(away, at('a'));
    await delay(60);
    await requireRestorable(await backup('20260102_000000', first));
  });
});
