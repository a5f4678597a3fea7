import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { readCatalogue } from '../../../src/store/catalogue/catalogue.js';
import { incomingSet } from '../../../src/store/write/incoming-paths.js';
import { beginSet, recoverIncoming } from '../../../src/store/write/incoming.js';
import type { SetFile } from '../../../src/format/manifest.js';
import { publishSet } from '../../../src/store/write/publish.js';
import { verifyArtifact } from '../../../src/store/verify/verify.js';
import { quiet, temporaryDirectory } from '../tree/awkward-tree.js';
import { addArtifact, setOf } from './fixtures.js';

const ID = '20241212_010000';
const PATHS = [
  `agent/daily/data/data_${ID}`,
  `agent/daily/configs/conf_${ID}`,
  `large_volumes/q_${ID}`,
];
const STEPS = ['journal', ...PATHS.map((at) => `artifact ${at}`), 'set file', 'remove incoming'];

let base: { dir: string; remove: () => Promise<void> };
let root: string;
beforeEach(async () => {
  base = await temporaryDirectory();
  root = base.dir;
});
afterEach(() => base.remove());

async function begun(): Promise<SetFile> {
  const id = await beginSet(root, { workflowId: 'run-1', stamp: ID });
  const artifacts = [];
  for (const relative of PATHS) artifacts.push(await addArtifact(root, id, relative));
  return setOf(id, artifacts);
}

async function expectPublished(set: SetFile): Promise<void> {
  const catalogue = await readCatalogue(root);
  expect(catalogue.sets).toEqual([set]);
  expect(catalogue.unreadable).toEqual([]);
  for (const artifact of set.artifacts) {
    const { manifestSha256 } = artifact;
    await verifyArtifact(
      path.join(root, artifact.path),
      { manifestSha256, level: 'decode' },
      quiet,
    );
  }
  expect(readdirSync(path.join(root, '.incoming'))).toEqual([]);
}

test('a set is seen whole or not at all, and publishing again changes nothing', async () => {
  const set = await begun();
  expect((await readCatalogue(root)).sets).toEqual([]);
  const seen: number[] = [];
  await publishSet(root, set, {
    beforeStep: () => seen.push(readdirSync(root).includes('sets') ? 1 : 0),
  });
  expect(seen).toEqual([0, 0, 0, 0, 0, 1]);
  await publishSet(root, set);
  await expectPublished(set);
});

test.each(STEPS)('publishing killed before "%s" is finished by the next attempt', async (step) => {
  const set = await begun();
  const stopped = publishSet(root, set, {
    beforeStep: (at) => {
      if (at === step) throw new Error('killed');
    },
  });
  await expect(stopped).rejects.toThrow('killed');
  const before = await readCatalogue(root);
  expect(before.sets).toHaveLength(step === 'remove incoming' ? 1 : 0);
  // The retry of the activity comes with another finishing time: what was decided first counts.
  const published = await publishSet(root, { ...set, finishedAt: '2024-12-12T02:00:00Z' });
  expect(published.finishedAt).toBe(step === 'journal' ? '2024-12-12T02:00:00Z' : set.finishedAt);
  await expectPublished(published);
});

test.each(STEPS)(
  'publishing killed before "%s" by a host that died is settled by the next run',
  async (step) => {
    const set = await begun();
    await publishSet(root, set, {
      beforeStep: (at) => {
        if (at === step) throw new Error('killed');
      },
    }).catch(() => undefined);
    const recovered = await recoverIncoming(root, { isAlive: () => Promise.resolve(false) });
    if (step === 'journal') {
      expect(recovered).toEqual({ published: [], removed: [ID], alive: [], failed: [] });
      expect((await readCatalogue(root)).sets).toEqual([]);
      expect(existsSync(path.join(root, 'agent'))).toBe(false);
    } else {
      expect(recovered).toEqual({ published: [ID], removed: [], alive: [], failed: [] });
      await expectPublished(set);
    }
  },
);

test('an artifact that was lost or swapped since is not published', async () => {
  const set = await begun();
  const [first, second] = set.artifacts;
  const forged = { ...set, artifacts: [{ ...first!, manifestSha256: second!.manifestSha256 }] };
  await expect(publishSet(root, forged)).rejects.toMatchObject({ code: 'INTEGRITY' });
  renameSync(path.join(incomingSet(root, ID), 'whole', PATHS[1]!), path.join(root, 'elsewhere'));
  await expect(publishSet(root, set)).rejects.toMatchObject({ code: 'INTEGRITY' });
  expect((await readCatalogue(root)).sets).toEqual([]);
  // Nothing was decided either: no journal forces the next run to publish what can't be.
  expect(existsSync(path.join(incomingSet(root, ID), 'publish.json'))).toBe(false);
  expect(existsSync(path.join(root, 'agent'))).toBe(false);
});

test('nothing is published through a symlink or over what lies there', async () => {
  const set = await begun();
  const outside = path.join(root, 'outside');
  mkdirSync(outside);
  symlinkSync(outside, path.join(root, 'agent'));
  await expect(publishSet(root, set)).rejects.toMatchObject({ code: 'STORE_UNSAFE' });
  expect(readdirSync(outside)).toEqual([]);
  renameSync(path.join(root, 'agent'), path.join(root, 'was-link'));
  mkdirSync(path.join(root, PATHS[0]!), { recursive: true });
  await expect(publishSet(root, set)).rejects.toMatchObject({ code: 'STORE_UNSAFE' });
});

test('what is published has the owner and modes asked for, new parents included', async () => {
  const set = await begun();
  const ownership = { uid: 1234, gid: 2345, fileMode: 0o640, directoryMode: 0o2750 };
  await publishSet(root, set, { ownership });
  for (const relative of ['agent', 'agent/daily', 'agent/daily/data', 'sets']) {
    const { uid, gid, mode } = statSync(path.join(root, relative));
    expect([relative, uid, gid, mode & 0o7777]).toEqual([relative, 1234, 2345, 0o2750]);
  }
  const { uid, gid, mode } = statSync(path.join(root, 'sets', `${ID}-daily.json`));
  expect([uid, gid, mode & 0o7777]).toEqual([1234, 2345, 0o640]);
});
