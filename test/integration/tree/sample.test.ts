/** A sample of an artifact: unpacked, and held against the artifact with nothing but its own entries. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { compareWithArtifact } from '../../../src/tree/compare/compare-artifact.js';
import { selectSample } from '../../../src/tree/unpack/sample.js';
import { extractTo } from '../../../src/tree/unpack/select-extract.js';
import type { Selection } from '../../../src/tree/unpack/select-entries.js';
import type { ArtifactManifest } from '../../../src/format/manifest.js';
import { writeTreeArtifact } from '../store/fixtures.js';
import { makeAwkwardTree, quiet, temporaryDirectory } from './awkward-tree.js';

let base: { dir: string; remove: () => Promise<void> };
let artifactDirectory: string;
let manifest: ArtifactManifest;
let count = 0;

beforeAll(async () => {
  base = await temporaryDirectory();
  const source = path.join(base.dir, 'source');
  artifactDirectory = path.join(base.dir, 'artifact');
  await makeAwkwardTree(source);
  mkdirSync(path.join(source, 'many', 'deep'), { recursive: true });
  for (let index = 0; index < 40; index += 1) {
    writeFileSync(path.join(source, 'many', 'deep', `${index}.bin`), Buffer.alloc(3_000, index));
  }
  ({ manifest } = await writeTreeArtifact(source, artifactDirectory));
});
afterAll(() => base.remove());

async function unpackSample(
  seed: string,
  sampleBytes = 20_000,
): Promise<{ root: string; selection: Selection; compare: () => Promise<string[]> }> {
  const size = { seed, sampleBytes, mostBytes: 64 * 1024 ** 2 };
  const selection = await selectSample(artifactDirectory, manifest, size, quiet);
  const root = path.join(base.dir, `sample-${(count += 1)}`);
  const target = { path: root, exists: false };
  const done = await extractTo({ artifactDirectory, manifest, selection, target }, quiet);
  expect(done.entries).toBe(selection.entries);
  return {
    root,
    selection,
    compare: async () => {
      const { differences } = await compareWithArtifact(
        { artifactDirectory, manifest, root, selection },
        quiet,
      );
      return differences.map(({ path: name, what }) => `${name}: ${what}`);
    },
  };
}

test.each(['drill-1', 'drill-2', 'drill-3', 'drill-4'])(
  'is as backed up, whichever files it takes: %s',
  async (seed) => {
    const { selection, compare } = await unpackSample(seed);
    expect(selection.entries).toBeGreaterThan(0);
    expect(selection.bytes).toBeGreaterThanOrEqual(20_000);
    expect(await compare()).toEqual([]);
  },
);

test('a file of it that differs, is missing or is too many is named', async () => {
  // All regular files of the tree.
  const { root, compare } = await unpackSample('drill-1', 64 * 1024 ** 2);
  expect(await compare()).toEqual([]);
  const file = path.join(root, 'many', 'deep', '7.bin');
  const { atime, mtime } = statSync(file);
  const content = readFileSync(file);
  content.writeUInt8(99, 1_234);
  writeFileSync(file, content);
  utimesSync(file, atime, mtime);
  const found = (await compare()).filter((each) => !each.endsWith(': mtime'));
  expect(found).toEqual(['many/deep/7.bin: content']);
  rmSync(file);
  writeFileSync(path.join(root, 'many', 'new'), '');
  const changed = await compare();
  expect(changed).toContain('many/deep/7.bin: missing');
  expect(changed).toContain('many/new: extra');
});
