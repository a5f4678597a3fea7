import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { readCatalogue, readSet } from '../../../src/store/catalogue/catalogue.js';
import { beginSet } from '../../../src/store/write/incoming.js';
import type { SetFile, Tier } from '../../../src/format/manifest.js';
import { publishSet } from '../../../src/store/write/publish.js';
import { emptyTrash, removeSet } from '../../../src/store/remove/remove.js';
import { trimSet } from '../../../src/store/remove/trim.js';
import { temporaryDirectory } from '../tree/awkward-tree.js';
import { addArtifact, setOf } from './fixtures.js';

let base: { dir: string; remove: () => Promise<void> };
let root: string;
beforeEach(async () => {
  base = await temporaryDirectory();
  root = base.dir;
});
afterEach(() => base.remove());

async function published(stamp: string, tier: Tier = 'daily'): Promise<SetFile> {
  const id = await beginSet(root, { workflowId: `run-${stamp}`, stamp });
  const artifacts = [
    await addArtifact(root, id, `agent/${tier}/data/data_${id}`),
    await addArtifact(root, id, `agent/${tier}/configs/conf_${id}`),
  ];
  return publishSet(root, setOf(id, artifacts, tier, `run-${stamp}`));
}

const there = (set: SetFile): boolean[] =>
  set.artifacts.map((artifact) => existsSync(path.join(root, artifact.path)));

test('a removed set is gone from the catalogue and the disk, others stay', async () => {
  const old = await published('20241211_010000');
  const kept = await published('20241212_010000');
  await removeSet(root, old, new Set());
  expect((await readCatalogue(root)).sets).toEqual([kept]);
  expect(there(old)).toEqual([false, false]);
  expect(there(kept)).toEqual([true, true]);
  expect(readdirSync(path.join(root, '.trash'))).toEqual([]);
});

const ID = '20241211_010000';
test.each([
  'journal',
  'set file',
  `artifact agent/daily/data/data_${ID}`,
  `artifact agent/daily/configs/conf_${ID}`,
  'delete',
])('a removal killed before "%s" leaves a whole set or is finished later', async (step) => {
  const old = await published(ID);
  const kept = await published('20241212_010000');
  const stopped = removeSet(root, old, new Set(), {
    beforeStep: (at) => {
      if (at === step) throw new Error('killed');
    },
  });
  await expect(stopped).rejects.toThrow('killed');
  const removed = !['journal', 'set file'].includes(step);
  const check = async (): Promise<void> => {
    const catalogue = await readCatalogue(root);
    expect(catalogue.sets).toEqual(removed ? [kept] : [old, kept]);
    expect(catalogue.unreadable).toEqual([]);
  };
  await check();
  await emptyTrash(root);
  await check();
  expect(there(old)).toEqual(removed ? [false, false] : [true, true]);
  expect(there(kept)).toEqual([true, true]);
  expect(readdirSync(path.join(root, '.trash'))).toEqual([]);
});

test('an artifact that another set names, or that is to be kept, survives', async () => {
  const id = '20241211_010000';
  const daily = await published(id);
  const [first, second] = daily.artifacts;
  const weekly = setOf(id, [first!], 'weekly');
  writeFileSync(path.join(root, 'sets', `${id}-weekly.json`), JSON.stringify(weekly));
  await removeSet(root, daily, new Set([second!.path]));
  expect(there(daily)).toEqual([true, true]);
  await removeSet(root, weekly, new Set());
  expect(there(weekly)).toEqual([false]);
});

test.each(['agent', '../outside', '/etc', 'agent/daily', '.holdfast/x_20241211_010000', 'sets'])(
  'a set file that names "%s" removes nothing',
  async (forged) => {
    const set = await published('20241211_010000');
    const bad = { ...set, artifacts: [...set.artifacts, { ...set.artifacts[0]!, path: forged }] };
    writeFileSync(path.join(root, 'sets', '20241211_010000-daily.json'), JSON.stringify(bad));
    await expect(removeSet(root, bad, new Set())).rejects.toMatchObject({ code: 'STORE_UNSAFE' });
    expect(there(set)).toEqual([true, true]);
    expect((await readCatalogue(root)).sets).toHaveLength(1);
  },
);

test('nothing is removed through a symlink', async () => {
  const set = await published('20241211_010000');
  const outside = path.join(root, 'outside', 'daily');
  mkdirSync(path.join(outside, 'data', 'data_20241211_010000'), { recursive: true });
  rmSync(path.join(root, 'agent'), { recursive: true });
  symlinkSync(path.join(root, 'outside'), path.join(root, 'agent'));
  await expect(removeSet(root, set, new Set())).rejects.toMatchObject({ code: 'STORE_UNSAFE' });
  expect(existsSync(path.join(outside, 'data', 'data_20241211_010000'))).toBe(true);
});

test('what the catalogue does not have is not removed', async () => {
  const set = await published('20241211_010000');
  rmSync(path.join(root, 'sets', '20241211_010000-daily.json'));
  await expect(removeSet(root, set, new Set())).rejects.toMatchObject({ code: 'SET_NOT_FOUND' });
  expect(there(set)).toEqual([true, true]);
});

test('the trash keeps what nobody journalled', async () => {
  mkdirSync(path.join(root, '.trash', 'by-hand'), { recursive: true });
  writeFileSync(path.join(root, '.trash', 'by-hand', 'x'), '');
  expect(await emptyTrash(root)).toEqual([]);
  expect(existsSync(path.join(root, '.trash', 'by-hand', 'x'))).toBe(true);
});

test.each(['journal', 'set file', 'artifact', 'never'])(
  'trimming killed before "%s" keeps set and disk alike',
  async (step) => {
    const set = await published('20241211_010000');
    const [gone, stays] = set.artifacts;
    await trimSet(root, set, [gone!], {
      beforeStep: (at) => {
        if (at.startsWith(step)) throw new Error('killed');
      },
    }).catch(() => undefined);
    await emptyTrash(root);
    const now = await readSet(root, set.id);
    const trimmed = !['journal', 'set file'].includes(step);
    expect(now.artifacts).toEqual(trimmed ? [stays] : [gone, stays]);
    expect(there(set)).toEqual([!trimmed, true]);
  },
);

test('one damaged set file does not hide the others', async () => {
  const set = await published('20241211_010000');
  const file = (name: string): string => path.join(root, 'sets', name);
  writeFileSync(file('20241212_010000-daily.json'), '{"format"');
  writeFileSync(
    file('20241213_010000-daily.json'),
    readFileSync(file('20241211_010000-daily.json')),
  );
  symlinkSync('20241211_010000-daily.json', file('20241214_010000-daily.json'));
  mkdirSync(file('20241215_010000-daily.json'));
  writeFileSync(file('.20241216_010000-daily.json.1.tmp'), 'half');
  const catalogue = await readCatalogue(root);
  expect(catalogue.sets).toEqual([set]);
  expect(catalogue.damaged.map((entry) => entry.file)).toEqual([
    'sets/20241212_010000-daily.json',
    'sets/20241213_010000-daily.json',
    'sets/20241214_010000-daily.json',
    'sets/20241215_010000-daily.json',
  ]);
  rmSync(path.join(root, set.artifacts[0]!.path), { recursive: true });
  const { missing } = await readCatalogue(root);
  expect(missing).toEqual([{ set, path: set.artifacts[0]!.path, reason: 'is missing' }]);
});

test('a set file that is a link to elsewhere is no set', async () => {
  const set = await published('20241211_010000');
  const file = path.join(root, 'sets', '20241211_010000-daily.json');
  renameSync(file, path.join(root, 'elsewhere.json'));
  symlinkSync(path.join(root, 'elsewhere.json'), file);
  expect((await readCatalogue(root)).sets).toEqual([]);
  await expect(removeSet(root, set, new Set())).rejects.toMatchObject({ code: 'SET_NOT_FOUND' });
});
