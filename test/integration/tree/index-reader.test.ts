import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { zstdCompress } from '../../support/zstd.js';
import { readIndex } from '../../../src/tree/index/index-reader.js';
import type { IndexEntry } from '../../../src/tree/index/index-file.js';
import { pathFromJson } from '../../../src/base/files/byte-paths.js';
import type { HoldfastError } from '../../../src/base/errors.js';
import { readArtifact } from '../../../src/store/write/artifact.js';
import type { ArtifactManifest } from '../../../src/format/manifest.js';
import { createHash } from 'node:crypto';
import { writeTreeArtifact } from '../store/fixtures.js';
import { makeAwkwardTree, quiet, temporaryDirectory } from './awkward-tree.js';

let base: { dir: string; remove: () => Promise<void> };
let whole: string;
let copy: string;
let manifest: ArtifactManifest;
let count = 0;
beforeAll(async () => {
  base = await temporaryDirectory();
  whole = path.join(base.dir, 'whole');
  await makeAwkwardTree(path.join(base.dir, 'source'));
  ({ manifest } = await writeTreeArtifact(path.join(base.dir, 'source'), whole));
});
afterAll(() => base.remove());
beforeEach(() => {
  copy = path.join(base.dir, `copy-${(count += 1)}`);
  cpSync(whole, copy, { recursive: true });
});

async function read(known?: ArtifactManifest): Promise<IndexEntry[]> {
  const entries: IndexEntry[] = [];
  for await (const entry of readIndex(copy, quiet, known ?? (await readArtifact(copy)))) {
    entries.push(entry);
  }
  return entries;
}
const failure = (known?: ArtifactManifest): Promise<HoldfastError> =>
  read(known).then(
    () => Promise.reject(new Error('nothing was found')),
    (error: unknown) => error as HoldfastError,
  );
const indexFile = (): string => path.join(copy, 'index.jsonl.zst');

/** The artifact with another index, which its manifest vouches for. */
async function withIndex(text: string): Promise<ArtifactManifest> {
  const bytes = await zstdCompress(Buffer.from(text));
  writeFileSync(indexFile(), bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return {
    ...manifest,
    files: manifest.files.map((file) => (file.role === 'index' ? { ...file, sha256 } : file)),
  };
}

describe('an index that is read', () => {
  test('gives every entry of the tree with its facts', async () => {
    const entries = await read();
    expect(entries.length).toBe(manifest.totals.entries);
    const byPath = new Map(entries.map((entry) => [pathFromJson(entry.path), entry]));
    expect(byPath.get('.')).toMatchObject({ type: 'directory', mode: '2750', uid: 4242 });
    expect(byPath.get('f\xff\xfe\x80')).toMatchObject({ type: 'file', sizeBytes: 9 });
    expect(byPath.get('line\nbreak')).toBeDefined();
    expect(byPath.get('links/second')).toMatchObject({ hardLinkOf: 'links/first' });
    expect(byPath.get('empty')?.mtimeNs).toBe('-1750000000');
  });

  test('is named as damaged wherever a bit was flipped', async () => {
    const original = readFileSync(indexFile());
    for (let at = 0; at < original.length; at += Math.ceil(original.length / 40)) {
      const bytes = Buffer.from(original);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
      writeFileSync(indexFile(), bytes);
      expect(await failure()).toMatchObject({ code: 'INTEGRITY', facts: { path: indexFile() } });
    }
  });

  test('is named when it is cut short, longer, or missing', async () => {
    const original = readFileSync(indexFile());
    for (const bytes of [original.subarray(0, -9), Buffer.concat([original, original])]) {
      writeFileSync(indexFile(), bytes);
      expect(await failure()).toMatchObject({ code: 'INTEGRITY', facts: { path: indexFile() } });
    }
    rmSync(indexFile());
    expect(await failure()).toMatchObject({
      code: 'INTEGRITY',
      facts: { path: indexFile(), actual: 'ENOENT' },
    });
  });

  test.each([
    ['no JSON', '{"path":\n', 1],
    ['another shape', '{"path":"a"}\n', 1],
    ['a path out of the tree', (line: string) => `${line}${line.replace('"."', '"../x"')}`, 2],
    ['an absolute path', (line: string) => line.replace('"."', '"/etc"'), 1],
    ['an unknown part', (line: string) => line.replace('part-00001', 'part-77777'), 1],
    ['no end of the line', '{"path":"a"', undefined],
  ])('is refused for %s, with the line', async (_, change, line) => {
    const first = JSON.stringify((await read())[0]) + '\n';
    const known = await withIndex(typeof change === 'string' ? change : change(first));
    const error = await failure(known);
    expect(error).toMatchObject({ code: 'MANIFEST_INVALID', facts: { path: indexFile() } });
    expect(error.facts.line).toBe(line);
  });

  test('can be left before its end, without a process staying behind', async () => {
    for await (const entry of readIndex(copy, quiet, await readArtifact(copy))) {
      expect(entry.path).toBe('.');
      break;
    }
    expect(existsSync(indexFile())).toBe(true);
  });

  test('takes little memory, whatever its length', async () => {
    const [root] = await read();
    const line = JSON.stringify({ ...root, path: 'x'.repeat(200) }) + '\n';
    const known = await withIndex(line.repeat(60_000));
    global.gc?.();
    const before = process.memoryUsage().heapUsed;
    let entries = 0;
    let most = 0;
    for await (const entry of readIndex(copy, quiet, known)) {
      entries += entry.path === '' ? 0 : 1;
      if (entries % 5_000 === 0) most = Math.max(most, process.memoryUsage().heapUsed);
    }
    expect(entries).toBe(60_000);
    // All of it at once is more.
    expect(most - before).toBeLessThan(40 * 1024 * 1024);
  });
});
