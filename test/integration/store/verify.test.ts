import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import type { HoldfastError } from '../../../src/base/errors.js';
import { finishArtifact, readArtifact } from '../../../src/store/write/artifact.js';
import type { ArtifactManifest } from '../../../src/format/manifest.js';
import { verifyArtifact, type VerifiedSoFar } from '../../../src/store/verify/verify.js';
import { runCommand } from '../../../src/base/process/process.js';
import { makeAwkwardTree, quiet, temporaryDirectory } from '../tree/awkward-tree.js';
import { writeTreeArtifact } from './fixtures.js';

let base: { dir: string; remove: () => Promise<void> };
let manifest: ArtifactManifest;
let manifestSha256: string;
let whole: string;
let copy: string;
beforeAll(async () => {
  base = await temporaryDirectory();
  whole = path.join(base.dir, 'whole');
  await makeAwkwardTree(path.join(base.dir, 'source'));
  ({ manifest, manifestSha256 } = await writeTreeArtifact(path.join(base.dir, 'source'), whole));
});
afterAll(() => base.remove());
let count = 0;
beforeEach(() => {
  copy = path.join(base.dir, `copy-${(count += 1)}`);
  cpSync(whole, copy, { recursive: true });
});

const at = (name: string): string => path.join(copy, name);
function flipByte(name: string, where: 'start' | 'middle' | 'end'): void {
  const bytes = readFileSync(at(name));
  const index = where === 'start' ? 0 : where === 'end' ? bytes.length - 1 : bytes.length >> 1;
  bytes.writeUInt8(bytes.readUInt8(index) ^ 1, index);
  writeFileSync(at(name), bytes);
}
async function failure(level: 'hashes' | 'decode' = 'hashes'): Promise<HoldfastError> {
  return verifyArtifact(copy, { manifestSha256, level }, quiet).then(
    () => Promise.reject(new Error('nothing was found')),
    (error: unknown) => error as HoldfastError,
  );
}

test('an attempt goes on behind the files that the one before had finished, and reads no other twice', async () => {
  const told: VerifiedSoFar[] = [];
  const onFile = (done: VerifiedSoFar): void => void told.push(done);
  const level = 'decode';
  await verifyArtifact(copy, { manifestSha256, level, onFile }, quiet);
  const files = manifest.files.length;
  const decodable = told.at(-1)?.decoded ?? 0;
  expect(told.slice(0, files).map(({ hashed }) => hashed)).toEqual(
    manifest.files.map((_, index) => index + 1),
  );
  expect(told.at(-1)).toEqual({ hashed: files, decoded: decodable });
  expect(decodable).toBeGreaterThan(2);

  // Damage shows what is read: in what is done with it is not seen, but a file that is gone is.
  flipByte(manifest.files[0]?.name ?? '', 'middle');
  const from = { hashed: 1, decoded: 1 };
  const report = await verifyArtifact(copy, { manifestSha256, level, from }, quiet);
  expect(report.bytes).toBeGreaterThan(0);
  await expect(
    verifyArtifact(copy, { manifestSha256, level, from: { hashed: 0, decoded: 0 } }, quiet),
  ).rejects.toMatchObject({ code: 'INTEGRITY' });
  flipByte(manifest.files.at(-1)?.name ?? '', 'middle');
  await expect(verifyArtifact(copy, { manifestSha256, level, from }, quiet)).rejects.toMatchObject({
    code: 'INTEGRITY',
  });
  rmSync(at(manifest.files[0]?.name ?? ''));
  await expect(verifyArtifact(copy, { manifestSha256, level, from }, quiet)).rejects.toMatchObject({
    code: 'INTEGRITY',
  });
});

describe('an artifact that is verified', () => {
  test('passes when it is sound, also by hand', async () => {
    const report = await verifyArtifact(copy, { manifestSha256, level: 'decode' }, quiet);
    expect(report.entries).toBe(manifest.totals.entries);
    expect(report.files).toBe(manifest.files.length + 2);
    expect(manifest.files.length).toBeGreaterThan(3);
    await runCommand('sha256sum', ['--strict', '-c', 'SHA256SUMS'], { cwd: copy });
  });

  test('names the file in which one bit was flipped, whichever it is', async () => {
    const names = [
      ...manifest.files.map(({ name }) => name),
      'manifest.json',
      'RESTORE.md',
      'SHA256SUMS',
    ];
    for (const name of names) {
      for (const where of ['start', 'middle', 'end'] as const) {
        flipByte(name, where);
        const error = await failure();
        expect(['INTEGRITY', 'MANIFEST_INVALID']).toContain(error.code);
        // A flipped bit in the sums may make any line wrong; elsewhere the file itself is named.
        if (name !== 'SHA256SUMS') expect(path.basename(String(error.facts.path))).toBe(name);
        flipByte(name, where);
      }
    }
    await verifyArtifact(copy, { manifestSha256, level: 'hashes' }, quiet);
  });

  test('fails for a file that is missing, cut short, unknown, or no file', async () => {
    const part = manifest.files[0]!.name;
    const original = readFileSync(at(part));
    truncateSync(at(part), original.length - 1);
    expect((await failure()).facts).toMatchObject({
      path: at(part),
      expected: `${original.length} bytes`,
    });
    rmSync(at(part));
    expect((await failure()).facts).toMatchObject({ path: at(part), actual: 'missing' });
    symlinkSync(path.join(whole, part), at(part));
    expect((await failure()).facts).toMatchObject({ path: at(part) });
    rmSync(at(part));
    writeFileSync(at(part), original);
    writeFileSync(at('part-99999.tar.zst'), original);
    expect((await failure()).facts).toMatchObject({ path: at('part-99999.tar.zst') });
  });

  test('fails when manifest and sums were both changed to fit, because the set knows better', async () => {
    const other = { ...manifest, totals: { ...manifest.totals, entries: 1 } };
    const changed = await finishArtifact(copy, other);
    await verifyArtifact(copy, { manifestSha256: changed.manifestSha256, level: 'hashes' }, quiet);
    expect((await failure()).facts).toMatchObject({
      path: at('manifest.json'),
      expected: manifestSha256,
    });
  });

  test('fails at level decode when a part holds other entries than recorded', async () => {
    const [first] = manifest.files;
    const files = manifest.files.map((file) =>
      file === first ? { ...file, entries: (file.entries ?? 0) + 1 } : file,
    );
    const changed = await finishArtifact(copy, { ...manifest, files });
    const options = { manifestSha256: changed.manifestSha256 };
    await verifyArtifact(copy, { ...options, level: 'hashes' }, quiet);
    await expect(
      verifyArtifact(copy, { ...options, level: 'decode' }, quiet),
    ).rejects.toMatchObject({
      code: 'INTEGRITY',
      facts: { path: at(first!.name) },
    });
  });

  test('is not complete when a listed file is missing', async () => {
    mkdirSync(at('empty'));
    await expect(finishArtifact(at('empty'), manifest)).rejects.toMatchObject({
      code: 'INTEGRITY',
    });
  });

  test('has a manifest that fits the format, or says which file does not', async () => {
    writeFileSync(at('manifest.json'), '{"format":"holdfast-artifact","version":99}');
    await expect(readArtifact(copy)).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      facts: { path: at('manifest.json') },
    });
  });
});
