import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chooseSet } from '../../../src/plan/restore/choose-set.js';
import { planRetention, type RetentionPolicy } from '../../../src/plan/retention/retention.js';
import { setName } from '../../../src/format/set-order.js';
import { finishArtifact } from '../../../src/store/write/artifact.js';
import { chooseLooking, requireThere } from '../../../src/store/catalogue/choose-whole.js';
import {
  inspectCatalogue,
  inspectSets,
  describeLack,
  describeLacks,
} from '../../../src/store/catalogue/inspect.js';
import type { SetArtifact, SetFile } from '../../../src/format/manifest.js';
import { readStoreKnowledge } from '../../../src/store/catalogue/set-knowledge.js';
import { setFile } from '../plan/helpers.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'holdfast-inspect-'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const DATA = 'part-00001.tar.zst';

async function makeArtifact(id: string, source: string): Promise<SetArtifact> {
  const relative = `agent/daily/data/${source}_${id}`;
  const directory = path.join(root, relative);
  mkdirSync(directory, { recursive: true });
  const files = [DATA, 'index.jsonl.zst'].map((name) => {
    const content = `${name} of ${source}\n`;
    writeFileSync(path.join(directory, name), content);
    return {
      name,
      role: name === DATA ? ('part' as const) : ('index' as const),
      sizeBytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
    };
  });
  const { manifestSha256, storedBytes } = await finishArtifact(directory, {
    ...{ format: 'holdfast-artifact', version: 1, setId: id, stack: 'ml', host: 'host' },
    ...{ service: 'agent', source, kind: 'files', name: source, tools: {}, quiesce: 'live' },
    ...{ startedAt: '2024-12-12T01:00:00Z', finishedAt: '2024-12-12T01:00:05Z' },
    consistency: { state: 'consistent', changed: [], policy: 'degrade' },
    files,
    totals: { contentBytes: 100, storedBytes: 100, entries: 1 },
    verification: [],
  });
  return {
    ...{ service: 'agent', source, kind: 'files', path: relative, manifestSha256 },
    ...{ contentBytes: 100, storedBytes, entries: 1, consistent: true },
  };
}

async function makeSet(id: string, extras: Partial<SetFile> = {}): Promise<SetFile> {
  const artifacts = [await makeArtifact(id, 'data'), await makeArtifact(id, 'config')];
  const set = setFile(id, { artifacts, ...extras });
  mkdirSync(path.join(root, 'sets'), { recursive: true });
  writeFileSync(path.join(root, 'sets', `${setName(set)}.json`), JSON.stringify(set));
  return set;
}

const at = (set: SetFile, ...names: string[]): string =>
  path.join(root, set.artifacts[0]?.path ?? '', ...names);
const lacksOf = async (set: SetFile): Promise<string[]> =>
  (await inspectSets(root, [set])).lacksOf(set).map(describeLack);

describe('a set that is plainly not all there', () => {
  const wreck: Record<string, [(set: SetFile) => void, string[]]> = {
    'a part cut to nothing': [
      (set) => truncateSync(at(set, DATA)),
      ['agent/data: part-00001.tar.zst has 0 bytes, not 27 bytes'],
    ],
    'a part that grew': [
      (set) => truncateSync(at(set, DATA), 28),
      ['agent/data: part-00001.tar.zst has 28 bytes, not 27 bytes'],
    ],
    'a part that was deleted': [
      (set) => rmSync(at(set, DATA)),
      ['agent/data: part-00001.tar.zst is missing'],
    ],
    'a manifest that was deleted': [
      (set) => rmSync(at(set, 'manifest.json')),
      ['agent/data: manifest.json is missing'],
    ],
    'an empty manifest': [
      (set) => truncateSync(at(set, 'manifest.json')),
      ['agent/data: manifest.json has 0 bytes, not some bytes'],
    ],
    'the manifest of another artifact': [
      (set) =>
        cpSync(path.join(root, set.artifacts[1]!.path, 'manifest.json'), at(set, 'manifest.json')),
      ['agent/data: manifest.json is another, not the one of the set'],
    ],
    'checksums that are cut short': [
      (set) => truncateSync(at(set, 'SHA256SUMS'), 70),
      [expect.stringMatching(/SHA256SUMS has 70 bytes, not \d+ bytes/) as unknown as string],
    ],
    'instructions that are gone': [
      (set) => rmSync(at(set, 'RESTORE.md')),
      ['agent/data: RESTORE.md is missing'],
    ],
    'a part that is a link to the right bytes': [
      (set) => {
        renameSync(at(set, DATA), path.join(root, 'elsewhere'));
        symlinkSync(path.join(root, 'elsewhere'), at(set, DATA));
      },
      ['agent/data: part-00001.tar.zst is something else, not a file'],
    ],
    'a part that is a directory': [
      (set) => {
        rmSync(at(set, DATA));
        mkdirSync(at(set, DATA));
      },
      ['agent/data: part-00001.tar.zst is something else, not a file'],
    ],
    'a file too many': [
      (set) => writeFileSync(at(set, 'part-00002.tar.zst'), ''),
      ['agent/data: part-00002.tar.zst does not belong there'],
    ],
    'an artifact that is gone': [
      (set) => rmSync(at(set), { recursive: true }),
      ['agent/data: its directory is missing'],
    ],
    'an artifact that is a file': [
      (set) => {
        rmSync(at(set), { recursive: true });
        writeFileSync(at(set), '');
      },
      ['agent/data: its directory is something else, not a directory'],
    ],
    'an artifact that is a link to the right directory': [
      (set) => {
        renameSync(at(set), path.join(root, 'elsewhere'));
        symlinkSync(path.join(root, 'elsewhere'), at(set));
      },
      ['agent/data: its directory is a link, not a directory'],
    ],
    'two artifacts that were swapped': [
      (set) => {
        const other = path.join(root, set.artifacts[1]!.path);
        renameSync(at(set), path.join(root, 'waiting'));
        renameSync(other, at(set));
        renameSync(path.join(root, 'waiting'), other);
      },
      [
        'agent/data: manifest.json is another, not the one of the set',
        'agent/config: manifest.json is another, not the one of the set',
      ],
    ],
  };

  test.each(Object.keys(wreck))('is named: %s', async (name) => {
    const set = await makeSet('20241212_010000');
    expect(await lacksOf(set)).toEqual([]);
    const [apply, expected] = wreck[name]!;
    apply(set);
    expect(await lacksOf(set)).toEqual(expected);
    const { knowledge } = await readStoreKnowledge(root, 'ml');
    expect(knowledge.unsound.get(setName(set))?.state).toBe('incomplete');
    await expect(requireThere(root, 'x', set.artifacts)).rejects.toMatchObject({
      code: 'INTEGRITY',
    });
  });

  test('says in a sentence what there is, however much it is', async () => {
    const set = await makeSet('20241212_010000');
    for (const name of readdirSync(at(set))) truncateSync(at(set, name));
    rmSync(path.join(root, set.artifacts[1]!.path), { recursive: true });
    const lacks = (await inspectSets(root, [set])).lacksOf(set);
    expect(describeLacks(lacks)).toMatch(/^agent\/data: .* has 0 bytes.*; and 1 more$/);
  });
});

/** What root may read everybody's is, so that what can't be read has to be said by the fake of an error. */
test('what can not be looked at is not called missing', async () => {
  const set = await makeSet('20241212_010000');
  // A name of more than 255 bytes can't be looked up on any disk.
  const [data] = set.artifacts;
  const odd = { ...set, artifacts: [{ ...data!, path: `agent/${'x'.repeat(300)}_${set.id}` }] };
  const lacks = (await inspectSets(root, [odd])).lacksOf(odd);
  expect(lacks).toMatchObject([{ file: '.', unknown: true }]);
  expect(lacks.map(describeLack)).toEqual([
    "agent/data: its directory can't be read (ENAMETOOLONG)",
  ]);
});

test('a set that is removed while it is looked at is no damage', async () => {
  const sets = [await makeSet('20241211_010000'), await makeSet('20241212_010000')];
  rmSync(path.join(root, 'sets', '20241211_010000-daily.json'));
  rmSync(at(sets[0]!), { recursive: true });
  const { sets: left } = await inspectCatalogue(root, sets);
  expect(left.map(({ id }) => id)).toEqual(['20241212_010000']);
});

describe('what follows from it', () => {
  const policy = (keep: number): RetentionPolicy => ({
    tiers: { daily: { keep }, weekly: { keep }, monthly: { keep } },
    sources: [],
  });
  const removedWith = async (keep: number): Promise<string[]> => {
    const { sets, knowledge } = await readStoreKnowledge(root, 'ml');
    const plan = planRetention(sets, policy(keep), knowledge, new Date('2025-01-01T00:00:00Z'));
    return plan.remove.map(({ set }) => set.id);
  };

  test('the newest set with every part cut to nothing removes no good one', async () => {
    await makeSet('20241211_010000');
    const newest = await makeSet('20241212_010000');
    expect(await removedWith(1)).toEqual(['20241211_010000']);
    for (const { path: directory } of newest.artifacts) {
      truncateSync(path.join(root, directory, DATA));
    }
    expect(await removedWith(1)).toEqual([]);
    // Once there is a good one again, the older ones go, damaged and good.
    await makeSet('20241213_010000');
    expect(await removedWith(1)).toEqual(['20241212_010000', '20241211_010000']);
  });

  test('good sets that can not be seen for a while are not pushed out by failed ones', async () => {
    const good = await makeSet('20241210_010000');
    for (const day of [11, 12, 13]) await makeSet(`202412${day}_010000`, { status: 'failed' });
    // A mount below the root that is gone for an hour.
    renameSync(path.join(root, 'agent/daily/data'), path.join(root, 'away'));
    mkdirSync(path.join(root, 'agent/daily/data'));
    for (const name of readdirSync(path.join(root, 'away'))) {
      if (!name.endsWith(good.id)) {
        renameSync(path.join(root, 'away', name), path.join(root, 'agent/daily/data', name));
      }
    }
    expect(await removedWith(1)).not.toContain(good.id);
  });

  test('the latest is the newest that is whole, and the newer one is named', async () => {
    const old = await makeSet('20241211_010000');
    const newest = await makeSet('20241212_010000');
    const sets = [old, newest];
    const latest = (reads?: (artifact: SetArtifact) => boolean) =>
      chooseLooking(root, sets, (unsound) =>
        chooseSet(sets, 'latest', undefined, { unsound, reads }),
      );
    expect((await latest()).set.id).toBe(newest.id);
    truncateSync(at(newest, DATA));
    const { set, warnings } = await latest();
    expect(set.id).toBe(old.id);
    expect(warnings).toEqual([
      'newer than 20241211_010000-daily, but 20241212_010000-daily is not all there: ' +
        'agent/data: part-00001.tar.zst has 0 bytes, not 27 bytes',
    ]);
    // What is not to be read does not matter.
    expect((await latest(({ source }) => source === 'config')).set.id).toBe(newest.id);
    // Where no other is left, it says why.
    truncateSync(at(old, DATA));
    await expect(latest()).rejects.toMatchObject({
      code: 'SET_NOT_FOUND',
      message: expect.stringContaining('part-00001.tar.zst has 0 bytes') as unknown,
    });
  });
});
