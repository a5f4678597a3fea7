/** A tree held against an artifact that is not unpacked. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  chmodSync,
  chownSync,
  linkSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { compareWithArtifact } from '../../../src/tree/compare/compare-artifact.js';
import type { ArtifactManifest } from '../../../src/format/manifest.js';
import { writeTreeArtifact } from '../store/fixtures.js';
import { makeAwkwardTree, quiet, temporaryDirectory } from './awkward-tree.js';

let base: { dir: string; remove: () => Promise<void> };
let source: string;
let artifactDirectory: string;
let manifest: ArtifactManifest;
const at = (...names: string[]): string => path.join(source, ...names);

beforeEach(async () => {
  base = await temporaryDirectory();
  source = path.join(base.dir, 'source');
  artifactDirectory = path.join(base.dir, 'artifact');
  await makeAwkwardTree(source);
  ({ manifest } = await writeTreeArtifact(source, artifactDirectory));
});
afterEach(() => base.remove());

const compare = async (): Promise<string[]> => {
  const { differences, count } = await compareWithArtifact({ artifactDirectory, manifest }, quiet);
  expect(count).toBe(differences.length);
  return differences.map(({ path: name, what }) => `${name}: ${what}`);
};

/** Rewrites a file in place, with another content of the same size and its old time. */
function alter(file: string): void {
  const { atime, mtime } = statSync(file);
  const content = readFileSync(file);
  content.writeUInt8(content.readUInt8(0) ^ 1, 0);
  writeFileSync(file, content);
  utimesSync(file, atime, mtime);
}

test('an unchanged tree equals its artifact, whatever is in it', async () => {
  expect(await compare()).toEqual([]);
});

test.each<[string, () => void, string]>([
  ['content', () => alter(at('plain.txt')), 'plain.txt: content'],
  [
    'content under a name with a line break',
    () => alter(at('line\nbreak')),
    'line\nbreak: content',
  ],
  ['content under a name in UTF-8', () => alter(at('naïve-名前-🙂')), 'naïve-名前-🙂: content'],
  ['content under a name with a backslash', () => alter(at('a\\b')), 'a\\b: content'],
  ['mode', () => chmodSync(at('plain.txt'), 0o751), 'plain.txt: mode'],
  ['owner', () => chownSync(at('plain.txt'), 4711, 4712), 'plain.txt: owner'],
])('a difference in %s is named', async (_, change, expected) => {
  change();
  // Times are put back to the microsecond only.
  const found = (await compare()).filter((each) => !each.endsWith(': mtime'));
  expect(found).toEqual([expected]);
});

test('what is gone, new, of another type or linked otherwise is named', async () => {
  rmSync(at('empty'));
  writeFileSync(at('new'), '');
  rmSync(at('a.b'));
  symlinkSync('nowhere', at('a.b'));
  rmSync(at('links', 'second'));
  linkSync(at('plain.txt'), at('links', 'second'));
  const found = await compare();
  for (const expected of ['empty: missing', 'new: extra', 'a.b: type', 'links/second: hardLinks']) {
    expect(found).toContain(expected);
  }
});

test('an artifact that is damaged is not compared with', async () => {
  const part = path.join(artifactDirectory, 'part-00002.tar.zst');
  const bytes = readFileSync(part);
  bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20);
  writeFileSync(part, bytes);
  await expect(compare()).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
});
