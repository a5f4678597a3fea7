/** One reading, several tiers. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { readCatalogue } from '../../../src/store/catalogue/catalogue.js';
import { beginSet, recoverIncoming } from '../../../src/store/write/incoming.js';
import { linkIntoTier } from '../../../src/store/write/link-tier.js';
import type { SetFile } from '../../../src/format/manifest.js';
import { publishSet } from '../../../src/store/write/publish.js';
import { removeSet } from '../../../src/store/remove/remove.js';
import { verifyArtifact } from '../../../src/store/verify/verify.js';
import { quiet, temporaryDirectory } from '../tree/awkward-tree.js';
import { addArtifact, setOf } from './fixtures.js';

const ID = '20241212_010000';
const PATHS = [`agent/daily/data/data_${ID}`, `large_volumes/q_${ID}`];

let base: { dir: string; remove: () => Promise<void> };
let root: string;
let daily: SetFile;
beforeEach(async () => {
  base = await temporaryDirectory();
  root = base.dir;
  const id = await beginSet(root, { workflowId: 'run-1', stamp: ID });
  const artifacts = [];
  for (const relative of PATHS) artifacts.push(await addArtifact(root, id, relative));
  daily = await publishSet(root, setOf(id, artifacts));
});
afterEach(() => base.remove());

const inode = (relative: string): number => statSync(path.join(root, relative, 'other.txt')).ino;

async function requireSound(set: SetFile): Promise<void> {
  for (const { path: at, manifestSha256 } of set.artifacts) {
    await verifyArtifact(path.join(root, at), { manifestSha256, level: 'decode' }, quiet);
  }
}

test('a set is in each tier that was due with it, with the same files, and goes from each alone', async () => {
  const ownership = { uid: 4711, gid: 4712, fileMode: 0o640, directoryMode: 0o750 };
  const weekly = await linkIntoTier(root, daily, 'weekly', { ownership });
  const { uid, mode } = statSync(path.join(root, `agent/weekly/data/data_${ID}`));
  expect([uid, (mode & 0o7777).toString(8)]).toEqual([4711, '750']);
  const monthly = await linkIntoTier(root, daily, 'monthly');
  expect(await linkIntoTier(root, daily, 'weekly')).toEqual(weekly);
  expect((await readCatalogue(root)).sets.map(({ id, tier }) => `${id}-${tier}`)).toEqual([
    `${ID}-daily`,
    `${ID}-monthly`,
    `${ID}-weekly`,
  ]);
  expect(weekly.artifacts.map((artifact) => artifact.path)).toEqual([
    `agent/weekly/data/data_${ID}`,
    `large_volumes/q_${ID}`,
  ]);
  expect(inode(`agent/weekly/data/data_${ID}`)).toBe(inode(`agent/daily/data/data_${ID}`));
  expect(readdirSync(path.join(root, '.incoming'))).toEqual([]);
  await removeSet(root, daily, new Set());
  expect(existsSync(path.join(root, `agent/daily/data/data_${ID}`))).toBe(false);
  await requireSound(weekly);
  await removeSet(root, weekly, new Set());
  await requireSound(monthly);
  await removeSet(root, monthly, new Set());
  expect(existsSync(path.join(root, `large_volumes/q_${ID}`))).toBe(false);
});

test.each(['journal', `artifact agent/weekly/data/data_${ID}`, 'set file', 'remove incoming'])(
  'a link that was cut short before "%s" is finished by the next attempt, or leaves nothing',
  async (stop) => {
    const cut = linkIntoTier(root, daily, 'weekly', {
      beforeStep: (step) => {
        if (step === stop) throw new Error('killed here');
      },
    });
    await expect(cut).rejects.toThrow('killed here');
    await requireSound(daily);
    const weekly = await linkIntoTier(root, daily, 'weekly');
    await requireSound(weekly);
    expect((await readCatalogue(root)).unreadable).toEqual([]);
    expect(readdirSync(path.join(root, '.incoming'))).toEqual([]);
  },
);

test('a link of a run that died is settled like any other set', async () => {
  const cut = linkIntoTier(root, daily, 'weekly', {
    beforeStep: () => {
      throw new Error('killed here');
    },
  });
  await expect(cut).rejects.toThrow('killed here');
  const recovered = await recoverIncoming(root, { isAlive: () => Promise.resolve(false) });
  expect(recovered.removed).toEqual([ID]);
  expect(readdirSync(path.join(root, '.incoming'))).toEqual([]);
  await requireSound(daily);
});
