import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { archiveTree } from '../../../src/tree/pack/archive.js';
import { compareTrees } from '../../../src/tree/compare/compare.js';
import { extractTree } from '../../../src/tree/unpack/extract.js';
import { makeAwkwardTree, quiet, temporaryDirectory } from './awkward-tree.js';

let base: { dir: string; remove: () => Promise<void> };
beforeEach(async () => {
  base = await temporaryDirectory();
});
afterEach(() => base.remove());

describe('a tree through an archive and back', () => {
  test.each([
    ['one part', 1024 ** 4],
    ['many parts', 16 * 1024],
    ['a part an entry', 1],
  ])('loses nothing (%s)', async (_, partTargetBytes) => {
    const source = path.join(base.dir, 'source');
    const artifact = path.join(base.dir, 'artifact');
    const target = path.join(base.dir, 'target');
    await makeAwkwardTree(source);
    mkdirSync(artifact);
    mkdirSync(target);
    const archived = await archiveTree(
      {
        spec: { root: source, include: ['**'], exclude: [], oneFileSystem: true },
        destination: artifact,
        setId: '20260101_000000',
        compressionLevel: 3,
        onChange: 'fail',
        allowEmpty: false,
        partTargetBytes,
      },
      quiet,
    );
    expect(readdirSync(artifact).sort()).toEqual(archived.files.map(({ name }) => name).sort());
    const extracted = await extractTree(
      { artifactDirectory: artifact, files: archived.files, target },
      quiet,
    );
    expect(extracted.entries).toBe(archived.totals.entries);
    expect(await compareTrees(source, target, quiet)).toEqual([]);
    expect(statSync(path.join(target, 'sparse')).blocks).toBeLessThan(1000);
    expect(archived.totals.storedBytes).toBeLessThan(1024 * 1024);
  });
});
