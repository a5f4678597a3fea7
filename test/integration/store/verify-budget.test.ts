/** Verifying with little time, while backups go on, and beyond the hashes. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { lookInsideDumps } from '../../../src/postgres/inspect/look-inside.js';
import type { SetArtifact, SetFile } from '../../../src/format/manifest.js';
import { unsoundSets } from '../../../src/store/catalogue/set-knowledge.js';
import { readCatalogue } from '../../../src/store/catalogue/catalogue.js';
import { inspectSets } from '../../../src/store/catalogue/inspect.js';
import {
  artifactsDone,
  damagedFiles,
  readVerification,
  readVerifications,
  recordVerification,
  spreadDamage,
} from '../../../src/store/verify/verification.js';
import { SetVerifier } from '../../../src/store/verify/verify-set.js';
import { quiet, temporaryDirectory } from '../tree/awkward-tree.js';
import { addPostgres, addTree, publishByHand } from '../cli-support/real-store.js';

let base: { dir: string; remove: () => Promise<void> };
let root: string;
let tree: string;
beforeEach(async () => {
  base = await temporaryDirectory();
  root = path.join(base.dir, 'backups');
  tree = path.join(base.dir, 'tree');
  mkdirSync(tree);
  for (let file = 0; file < 4; file += 1) {
    writeFileSync(path.join(tree, `file-${file}`), randomBytes(12_000));
  }
});
afterEach(() => base.remove());

const source = (name: string) => ({ service: 'agent', source: name, tree });

function flip(artifact: SetArtifact, file = 'part-00002.tar.zst'): void {
  const target = path.join(root, artifact.path, file);
  const bytes = readFileSync(target);
  bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
  writeFileSync(target, bytes);
}

async function verified(set: SetFile, level: 'hashes' | 'decode' = 'hashes') {
  const { sets } = await readCatalogue(root);
  return new SetVerifier(root, sets, level).verify(set, quiet);
}

test('a budget that is smaller than a set comes to its end all the same, in several runs', async () => {
  const id = '20241212_010000';
  const artifacts = [];
  for (const name of ['a', 'b', 'c']) artifacts.push(await addTree(root, id, source(name)));
  const set = publishByHand(root, id, artifacts);
  const run = async (): Promise<readonly string[]> => {
    const done = artifactsDone(await readVerification(root, set), 'hashes');
    const outcome = await new SetVerifier(root, [set], 'hashes').verify(set, quiet, {
      done,
      enough: () => true,
    });
    await recordVerification(root, outcome);
    return outcome.artifacts;
  };
  expect(await run()).toEqual([artifacts[0]?.path]);
  const begun = await readVerification(root, set);
  expect(begun?.last).toBeNull();
  expect(begun?.begun?.artifacts).toEqual([artifacts[0]?.path]);
  expect(await run()).toEqual([artifacts[1]?.path]);
  expect(await run()).toEqual([artifacts[2]?.path]);
  const whole = await verified(set);
  const ended = await readVerification(root, set);
  // As old as its oldest part, and as much as all of them.
  expect(ended?.last).toEqual({
    at: begun?.begun?.at,
    level: 'hashes',
    files: whole.files,
    bytes: whole.bytes,
  });
  expect(ended?.begun).toBeUndefined();
});

test('a set that linked a damaged part and was published meanwhile is marked, whoever comes first', async () => {
  const old = await addTree(root, '20241211_010000', source('data'));
  const oldSet = publishByHand(root, '20241211_010000', [old]);
  const shared = await addTree(root, '20241212_010000', {
    ...source('data'),
    sharedWith: old.path,
  });
  flip(old);
  // Published after the verification looked at the catalogue, before it recorded.
  const outcome = await verified(oldSet);
  expect(outcome.damage.flatMap(({ names }) => names.map(({ set }) => set.id))).toEqual([
    '20241211_010000',
  ]);
  const second = publishByHand(root, '20241212_010000', [shared]);
  await recordVerification(root, outcome);
  expect((await readVerification(root, second))?.damage).toMatchObject([
    {
      artifact: shared.path,
      file: 'part-00002.tar.zst',
      sets: ['20241211_010000-daily', '20241212_010000-daily'],
    },
  ]);
  // Published after it was recorded: the backup marks its own set.
  const third = await addTree(root, '20241213_010000', { ...source('data'), sharedWith: old.path });
  const thirdSet = publishByHand(root, '20241213_010000', [third]);
  expect(await spreadDamage(root)).toEqual(['20241213_010000-daily']);
  expect((await readVerification(root, thirdSet))?.damage).toHaveLength(1);
  expect(await spreadDamage(root)).toEqual([]);
  expect((await damagedFiles(root)).size).toBe(1);
  const catalogue = await readCatalogue(root);
  expect([
    ...unsoundSets(
      catalogue.sets,
      await inspectSets(root, catalogue.sets),
      await readVerifications(root),
    ).keys(),
  ]).toHaveLength(3);
});

test('a file that was given the inode of a removed one is read, not remembered', async () => {
  const set = publishByHand(root, '20241212_010000', [
    await addTree(root, '20241212_010000', source('data')),
  ]);
  const known = new Map();
  await new SetVerifier(root, [set], 'hashes', { known }).verify(set, quiet);
  const [artifact] = set.artifacts;
  flip(artifact!);
  const again = await new SetVerifier(root, [set], 'hashes', { known }).verify(set, quiet);
  expect(again.damage.map(({ file }) => file)).toEqual(['part-00002.tar.zst']);
});

test('a model file that was broken before it was saved is told, and is no damage', async () => {
  const blobs = path.join(tree, 'blobs');
  mkdirSync(blobs);
  const content = randomBytes(30_000);
  const name = createHash('sha256').update(content).digest('hex');
  writeFileSync(path.join(blobs, name), content);
  const broken = 'a'.repeat(64);
  writeFileSync(path.join(blobs, broken), 'half of a download');
  // A name of another form means nothing.
  writeFileSync(path.join(blobs, 'b'.repeat(40)), 'an etag');
  const set = publishByHand(root, '20241212_010000', [
    await addTree(root, '20241212_010000', source('model')),
  ]);
  const { damage, notes } = await verified(set, 'decode');
  expect(damage).toEqual([]);
  expect(notes).toHaveLength(1);
  expect(notes?.[0]).toMatch(
    new RegExp(`^agent/model: .*blobs/${broken} in part-.* was broken when`),
  );
});

test('a dump whose hash is right and that is none is damage', async () => {
  const artifact = await addPostgres(root, '20241212_010000');
  const set = publishByHand(root, '20241212_010000', [artifact]);
  const lookInside = lookInsideDumps(() => Promise.resolve(undefined));
  const outcome = await new SetVerifier(root, [set], 'decode', { lookInside }).verify(set, quiet);
  const files = outcome.damage.map(({ file, level }) => `${level} ${file}`);
  expect(files).toContain('decode globals.sql.zst');
  expect((await verified(set)).damage).toEqual([]);
});
