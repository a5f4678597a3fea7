import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import type { ArchiveOptions } from '../../../src/tree/pack/archive-options.js';
import { archiveTree, type ArchivedTree } from '../../../src/tree/pack/archive.js';
import { compareTrees } from '../../../src/tree/compare/compare.js';
import { extractTree } from '../../../src/tree/unpack/extract.js';
import { disturbedReader, powerlessReader } from './disturbed-reader.js';
import { quiet, temporaryDirectory } from './awkward-tree.js';

let base: { dir: string; remove: () => Promise<void> };
let source: string;
let destination: string;
const at = (...names: string[]): string => path.join(source, ...names);

beforeEach(async () => {
  base = await temporaryDirectory();
  source = path.join(base.dir, 'source');
  destination = path.join(base.dir, 'artifact');
  mkdirSync(at('a'), { recursive: true });
  mkdirSync(at('b'));
  mkdirSync(destination);
  writeFileSync(at('a', 'log'), 'line 1\n');
  writeFileSync(at('b', 'still'), 'never changes');
});
afterEach(() => base.remove());

const archive = (options: Partial<ArchiveOptions>): Promise<ArchivedTree> =>
  archiveTree(
    {
      spec: { root: source, include: ['**'], exclude: [], oneFileSystem: true },
      destination,
      setId: '20260101_000000',
      compressionLevel: 1,
      onChange: 'degrade',
      allowEmpty: false,
      ...options,
    },
    quiet,
  );

async function unpacked({ files }: ArchivedTree): Promise<string> {
  const target = path.join(base.dir, 'target');
  mkdirSync(target);
  await extractTree({ artifactDirectory: destination, files, target }, quiet);
  return target;
}

describe('a tree that changes while it is read', () => {
  test('is read again and is then as it was last', async () => {
    const { reader, starts } = disturbedReader(source, (command, nth) => {
      if (command === 'tar' && nth === 1) appendFileSync(at('a', 'log'), 'line 2\n');
    });
    const archived = await archive({ reader });
    expect(archived.consistency).toEqual({ state: 'consistent', changed: [], policy: 'degrade' });
    // The directories and the files, then the files again.
    expect(starts.tar).toBe(3);
    expect(await compareTrees(source, await unpacked(archived), quiet)).toEqual([]);
  });

  test('is not read again where it did not change', async () => {
    const { reader, starts } = disturbedReader(source, (command, nth) => {
      if (command === 'tar' && nth === 1) appendFileSync(at('a', 'log'), 'line 2\n');
    });
    // The directories, and every file in a part of its own.
    const archived = await archive({ reader, partTargetBytes: 1 });
    expect(starts.tar).toBe(4);
    expect(archived.files.map(({ name }) => name)).toEqual([
      ...[1, 2, 3].map((number) => `part-0000${number}.tar.zst`),
      'index.jsonl.zst',
    ]);
    expect(readdirSync(destination).sort()).toEqual(archived.files.map(({ name }) => name).sort());
    expect(await compareTrees(source, await unpacked(archived), quiet)).toEqual([]);
  });

  test('is called inconsistent, by name, when it does not stop changing', async () => {
    let count = 0;
    const { reader, starts } = disturbedReader(source, (command) => {
      if (command === 'tar') appendFileSync(at('a', 'log'), `${(count += 1)}\n`);
    });
    const archived = await archive({ reader });
    expect(archived.consistency).toEqual({
      state: 'inconsistent',
      changed: ['a/log'],
      policy: 'degrade',
    });
    expect(archived.changedCount).toBe(1);
    expect(starts.tar).toBe(5);
  });

  test('fails, and leaves nothing, where the policy says so', async () => {
    const { reader } = disturbedReader(source, (command) => {
      if (command === 'tar') appendFileSync(at('a', 'log'), 'more\n');
    });
    await expect(archive({ reader, onChange: 'fail' })).rejects.toMatchObject({
      code: 'ARCHIVE_FAILED',
      facts: { changed: ['a/log'] },
    });
    expect(readdirSync(destination)).toEqual([]);
  });

  test('is read once where change is expected, and still said to be inconsistent', async () => {
    const { reader, starts } = disturbedReader(source, (command) => {
      if (command === 'tar') appendFileSync(at('a', 'log'), 'more\n');
    });
    const archived = await archive({ reader, onChange: 'expected' });
    expect(archived.consistency.state).toBe('inconsistent');
    expect(starts.tar).toBe(2);
  });

  test('is noticed even when size and time of the file are put back', async () => {
    const { mtime } = statSync(at('a', 'log'));
    const { reader, starts } = disturbedReader(source, (command, nth) => {
      if (command !== 'tar' || nth !== 1) return;
      writeFileSync(at('a', 'log'), 'line X\n');
      utimesSync(at('a', 'log'), mtime, mtime);
    });
    utimesSync(at('a', 'log'), mtime, mtime);
    const archived = await archive({ reader });
    expect(starts.tar).toBe(3);
    expect(await compareTrees(source, await unpacked(archived), quiet)).toEqual([]);
  });

  test('may lose a file before it is read', async () => {
    const { reader } = disturbedReader(source, (command, nth) => {
      if (command === 'tar' && nth === 1) rmSync(at('a', 'log'));
    });
    const archived = await archive({ reader });
    expect(archived.consistency.state).toBe('consistent');
    expect(archived.totals.entries).toBe(4);
    expect(await compareTrees(source, await unpacked(archived), quiet)).toEqual([]);
  });

  test('may lose hundreds of files at once: tar has a line for each', async () => {
    const names = Array.from({ length: 400 }, (_, index) => at('b', `${'x'.repeat(80)}${index}`));
    for (const name of names) writeFileSync(name, '');
    const { reader } = disturbedReader(source, (command, nth) => {
      if (command === 'tar' && nth === 1) for (const name of names) rmSync(name);
    });
    const archived = await archive({ reader });
    expect(archived.consistency.state).toBe('consistent');
    expect(await compareTrees(source, await unpacked(archived), quiet)).toEqual([]);
  });

  test('may lose files each time: what is in it is counted, not what was planned', async () => {
    const { reader, starts } = disturbedReader(source, (command, nth) => {
      if (command === 'find') writeFileSync(at('a', `temporary-${nth}`), '');
      else rmSync(at('a', `temporary-${starts.find}`), { force: true });
    });
    const archived = await archive({ reader });
    expect(archived.consistency.state).toBe('inconsistent');
    expect(archived.consistency.changed.join()).toMatch(/a\/temporary-\d/);
    const target = await unpacked(archived);
    expect(readdirSync(path.join(target, 'a'))).toEqual(['log']);
  });

  test('notices a file that appears, is renamed, or replaced by an equal one', async () => {
    const changes = [
      () => writeFileSync(at('b', 'new'), ''),
      () => renameSync(at('b', 'new'), at('b', 'newer')),
      () => {
        const content = readFileSync(at('b', 'still'));
        rmSync(at('b', 'still'));
        writeFileSync(at('b', 'still'), content);
      },
    ];
    let scanned = false;
    const { reader, starts } = disturbedReader(source, (command) => {
      if (command === 'tar' && scanned) changes.shift()?.();
      scanned = command === 'find';
    });
    const archived = await archive({ reader });
    // Each changes the directory and what is in it: four rounds of two parts.
    expect(starts.tar).toBe(8);
    expect(archived.consistency.state).toBe('consistent');
    expect(await compareTrees(source, await unpacked(archived), quiet)).toEqual([]);
  });
});

describe('a source that is not what it should be', () => {
  test('is an error when it cannot be read in full, never a smaller archive', async () => {
    chmodSync(at('a', 'log'), 0);
    await expect(archive({ reader: powerlessReader(source) })).rejects.toMatchObject({
      code: 'ARCHIVE_FAILED',
      message: expect.stringContaining('Permission denied'),
    });
    chmodSync(at('a', 'log'), 0o644);
    chmodSync(at('b'), 0);
    await expect(archive({ reader: powerlessReader(source) })).rejects.toMatchObject({
      code: 'ARCHIVE_FAILED',
      message: expect.stringContaining('Permission denied'),
    });
    expect(readdirSync(destination)).toEqual([]);
  });

  test('is an error when there is nothing in it, unless that is allowed', async () => {
    rmSync(at('a', 'log'));
    rmSync(at('b', 'still'));
    await expect(archive({})).rejects.toMatchObject({ code: 'EMPTY_SOURCE' });
    const archived = await archive({ allowEmpty: true });
    expect(await compareTrees(source, await unpacked(archived), quiet)).toEqual([]);
  });

  test('is an error when it is not there', async () => {
    rmSync(source, { recursive: true });
    await expect(archive({})).rejects.toMatchObject({ code: 'SOURCE_MISSING' });
    writeFileSync(source, '');
    await expect(archive({})).rejects.toMatchObject({ code: 'SOURCE_MISSING' });
  });

  test('tells of includes that match nothing', async () => {
    const spec = {
      root: source,
      include: ['a', 'docker-compose.yml'],
      exclude: [],
      oneFileSystem: true,
    };
    const archived = await archive({ spec });
    expect(archived.unmatchedIncludes).toEqual(['docker-compose.yml']);
    expect(archived.tree.counts).toMatchObject({ files: 1, directories: 2 });
  });
});
