/** A verification of whole sets: everything that is damaged, by name, with every set that has it. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { findDamage } from '../../../src/store/verify/find-damage.js';
import { measureDiskUse } from '../../../src/store/catalogue/disk-use.js';
import type { SetArtifact, SetFile } from '../../../src/format/manifest.js';
import { removeSet } from '../../../src/store/remove/remove.js';
import {
  damagedFiles,
  readVerification,
  recordVerification,
  type VerificationOutcome,
} from '../../../src/store/verify/verification.js';
import { SetVerifier } from '../../../src/store/verify/verify-set.js';
import type { VerifyLevel } from '../../../src/store/verify/verify.js';
import { quiet, temporaryDirectory } from '../tree/awkward-tree.js';
import { addTree, publishByHand } from '../cli-support/real-store.js';

let base: { dir: string; remove: () => Promise<void> };
let root: string;
let artifacts: { old: SetArtifact; now: SetArtifact; other: SetArtifact };
let sets: { old: SetFile; now: SetFile; weekly: SetFile };
beforeEach(async () => {
  base = await temporaryDirectory();
  root = path.join(base.dir, 'backups');
  const tree = path.join(base.dir, 'tree');
  mkdirSync(tree);
  for (let file = 0; file < 6; file += 1) {
    // Of a size that lets parts end between them, and that zstd can't make small.
    writeFileSync(path.join(tree, `file-${file}`), randomBytes(12_000));
  }
  const old = await addTree(root, '20241211_010000', { service: 'agent', source: 'data', tree });
  const now = await addTree(root, '20241212_010000', {
    service: 'agent',
    source: 'data',
    tree,
    sharedWith: old.path,
  });
  const other = await addTree(root, '20241212_010000', { service: 'web', source: 'data', tree });
  artifacts = { old, now, other };
  sets = {
    old: publishByHand(root, '20241211_010000', [old]),
    now: publishByHand(root, '20241212_010000', [now, other]),
    // A tier whose set names the very artifact of the daily one.
    weekly: publishByHand(root, '20241211_010000', [old], 'weekly'),
  };
});
afterEach(() => base.remove());

const all = (): SetFile[] => [sets.old, sets.now, sets.weekly];
const at = (artifact: SetArtifact, name: string): string => path.join(root, artifact.path, name);
function flip(file: string, index?: number): void {
  const bytes = readFileSync(file);
  const where = index ?? bytes.length >> 1;
  bytes.writeUInt8(bytes.readUInt8(where) ^ 1, where);
  // In place: every name of the file is damaged with it.
  writeFileSync(file, bytes);
}
async function verify(
  set: SetFile,
  level: VerifyLevel = 'hashes',
  verifier = new SetVerifier(root, all(), level),
): Promise<VerificationOutcome> {
  return verifier.verify(set, quiet);
}
async function verifyAndRecord(set: SetFile, level?: VerifyLevel): Promise<VerificationOutcome> {
  const outcome = await verify(set, level);
  await recordVerification(root, outcome);
  return outcome;
}
const found = ({ damage }: VerificationOutcome) =>
  damage.map(({ artifact, file, names }) => ({
    artifact,
    file,
    sets: names.map(({ set }) => `${set.id}-${set.tier}`),
  }));
const identity = (file: string): string => {
  const { dev, ino } = statSync(file, { bigint: true });
  return `${dev}:${ino}`;
};
const PART = 'part-00002.tar.zst';

describe('a set that is verified', () => {
  test.each(['hashes', 'decode'] as const)(
    'is sound when nothing happened to it (%s)',
    async (level) => {
      const outcome = await verify(sets.now, level);
      expect(outcome.damage).toEqual([]);
      expect(outcome.files).toBe(
        readdirSync(path.join(root, artifacts.now.path)).length +
          readdirSync(path.join(root, artifacts.other.path)).length,
      );
      // Every file of it was seen.
      for (const name of readdirSync(path.join(root, artifacts.now.path))) {
        expect(outcome.sound).toContain(identity(at(artifacts.now, name)));
      }
    },
  );

  test('names every file in which a byte was flipped, with all sets that have it', async () => {
    const shared = ['20241211_010000-daily', '20241211_010000-weekly', '20241212_010000-daily'];
    for (const name of readdirSync(path.join(root, artifacts.now.path))) {
      const own = name.startsWith('part-') ? shared : ['20241212_010000-daily'];
      const { length } = readFileSync(at(artifacts.now, name));
      for (const where of [0, length >> 1, length - 1]) {
        flip(at(artifacts.now, name), where);
        for (const level of ['hashes', 'decode'] as const) {
          expect({ name, where, found: found(await verify(sets.now, level)) }).toEqual({
            name,
            where,
            found: [{ artifact: artifacts.now.path, file: name, sets: own }],
          });
        }
        flip(at(artifacts.now, name), where);
      }
    }
    expect((await verify(sets.now, 'decode')).damage).toEqual([]);
  });

  test('is read to its end: everything that is wrong is found at once', async () => {
    flip(at(artifacts.now, PART));
    truncateSync(at(artifacts.now, 'index.jsonl.zst'), 10);
    rmSync(at(artifacts.now, 'RESTORE.md'));
    writeFileSync(at(artifacts.now, 'extra'), '');
    flip(at(artifacts.other, 'part-00001.tar.zst'));
    rmSync(at(artifacts.other, PART));
    symlinkSync('part-00001.tar.zst', at(artifacts.other, PART));
    expect(
      (await verify(sets.now)).damage.map(({ source, service, file, actual }) => [
        `${service}/${source}`,
        file,
        actual.replace(/[0-9a-f]{64}/, 'hash'),
      ]),
    ).toEqual([
      ['agent/data', PART, 'hash'],
      ['agent/data', 'index.jsonl.zst', '10 bytes'],
      ['agent/data', 'RESTORE.md', 'missing'],
      ['agent/data', 'extra', 'there'],
      ['web/data', 'part-00001.tar.zst', 'hash'],
      ['web/data', PART, 'something else'],
    ]);
  });

  test('whose manifest is lost still has its parts looked at', async () => {
    flip(at(artifacts.now, PART));
    for (const spoil of [
      () => writeFileSync(at(artifacts.now, 'manifest.json'), '{'),
      () => rmSync(at(artifacts.now, 'manifest.json')),
    ]) {
      spoil();
      expect(found(await verify(sets.now)).map(({ file }) => file)).toEqual([
        'manifest.json',
        PART,
      ]);
    }
  });

  test('whose artifact is gone says so, for all that name it', async () => {
    rmSync(path.join(root, artifacts.old.path), { recursive: true });
    expect(found(await verify(sets.old))).toEqual([
      {
        artifact: artifacts.old.path,
        file: '.',
        sets: ['20241211_010000-daily', '20241211_010000-weekly'],
      },
    ]);
  });

  test('reads a file that sets share once', async () => {
    const verifier = new SetVerifier(root, all(), 'decode');
    const first = await verify(sets.old, 'decode', verifier);
    const [own] = sets.now.artifacts;
    const second = await verify({ ...sets.now, artifacts: [own!] }, 'decode', verifier);
    const parts = readdirSync(path.join(root, artifacts.old.path)).filter((name) =>
      name.startsWith('part-'),
    );
    const bytes = parts.reduce((sum, name) => sum + statSync(at(artifacts.old, name)).size, 0);
    expect(first.bytes).toBeGreaterThan(bytes);
    expect(second.bytes).toBe(statSync(at(artifacts.now, 'index.jsonl.zst')).size);
    expect(second.damage).toEqual([]);
    // The weekly set names the very artifact of the first.
    expect((await verify(sets.weekly, 'decode', verifier)).bytes).toBe(0);
  });

  test('stops when it is told to', async () => {
    const work = { signal: AbortSignal.abort(new Error('enough')), report: () => undefined };
    const options = { manifestSha256: artifacts.old.manifestSha256, level: 'hashes' } as const;
    const directory = path.join(root, artifacts.old.path);
    await expect(findDamage(directory, { ...options, known: new Map() }, work)).rejects.toThrow(
      'enough',
    );
  });
});

describe('what was found', () => {
  test('is remembered for every set that has the damaged file', async () => {
    flip(at(artifacts.now, PART));
    await verifyAndRecord(sets.now);
    const record = await readVerification(root, sets.now);
    expect(record).toMatchObject({
      last: { level: 'hashes', at: expect.any(String) },
      damage: [{ artifact: artifacts.now.path, file: PART, service: 'agent', source: 'data' }],
    });
    for (const set of [sets.old, sets.weekly]) {
      expect(await readVerification(root, set)).toMatchObject({
        last: null,
        damage: [{ artifact: artifacts.old.path, file: PART }],
      });
    }
    expect(await damagedFiles(root)).toEqual(new Set([identity(at(artifacts.old, PART))]));
  });

  test('outlives the set it was found in', async () => {
    flip(at(artifacts.now, PART));
    await verifyAndRecord(sets.now);
    await removeSet(root, sets.now, new Set());
    expect(existsSync(path.join(root, '.holdfast/verification/20241212_010000-daily.json'))).toBe(
      false,
    );
    expect(await damagedFiles(root)).toEqual(new Set([identity(at(artifacts.old, PART))]));
  });

  test('is cleared by a clean verification of the same file, in whichever set', async () => {
    flip(at(artifacts.now, PART));
    await verifyAndRecord(sets.now);
    flip(at(artifacts.now, PART));
    await verifyAndRecord(sets.old);
    expect(await damagedFiles(root)).toEqual(new Set());
    expect(await readVerification(root, sets.now)).toMatchObject({
      last: { level: 'hashes' },
      damage: [],
    });
  });

  test('is not cleared by a look that could not have seen it', async () => {
    const outcome = await verify(sets.old, 'decode');
    const file = { file: PART, identity: identity(at(artifacts.old, PART)) };
    const sound = new Set([...outcome.sound].filter((one) => one !== file.identity));
    const { path: artifact, service, source } = artifacts.old;
    const damage = [
      {
        ...{ artifact, service, source, ...file },
        ...{ expected: 'x', actual: 'y', level: 'decode' as const },
        names: [{ set: sets.old, artifact, file: PART }],
      },
    ];
    await recordVerification(root, { ...outcome, sound, damage });
    await verifyAndRecord(sets.old, 'hashes');
    expect((await damagedFiles(root)).size).toBe(1);
    await verifyAndRecord(sets.old, 'decode');
    expect((await damagedFiles(root)).size).toBe(0);
  });

  test('holds for the file, not for one put in its place', async () => {
    flip(at(artifacts.now, PART));
    await verifyAndRecord(sets.now);
    const repaired = `${at(artifacts.old, PART)}.new`;
    cpSync(at(artifacts.old, PART), repaired);
    flip(repaired);
    renameSync(repaired, at(artifacts.old, PART));
    expect(await damagedFiles(root)).toEqual(new Set([identity(at(artifacts.now, PART))]));
    renameSync(at(artifacts.now, PART), path.join(base.dir, 'elsewhere'));
    expect(await damagedFiles(root)).toEqual(new Set());
  });

  test('is nothing where nothing was verified, and a record that is no record is none', async () => {
    expect(await damagedFiles(root)).toEqual(new Set());
    await verifyAndRecord(sets.old);
    writeFileSync(path.join(root, '.holdfast/verification/20241211_010000-daily.json'), '{');
    expect(await readVerification(root, sets.old)).toBeUndefined();
    expect(await damagedFiles(root)).toEqual(new Set());
  });
});

describe('what sets take on disk', () => {
  const sizes = (artifact: SetArtifact, match: (name: string) => boolean): number =>
    readdirSync(path.join(root, artifact.path))
      .filter(match)
      .reduce((sum, name) => sum + statSync(at(artifact, name)).size, 0);
  const part = (name: string): boolean => name.startsWith('part-');
  const any = (): boolean => true;

  test('is counted once for files that several have, and freed only by the last', async () => {
    const { sets: uses, diskBytes, unmeasured } = await measureDiskUse(root, all());
    expect(unmeasured).toEqual([]);
    expect(uses.get('20241211_010000-daily')).toEqual({
      storedBytes: sizes(artifacts.old, any),
      sharedBytes: sizes(artifacts.old, any),
      freedBytes: 0,
    });
    expect(uses.get('20241212_010000-daily')).toEqual({
      storedBytes: sizes(artifacts.now, any) + sizes(artifacts.other, any),
      sharedBytes: sizes(artifacts.now, part),
      freedBytes: sizes(artifacts.now, (name) => !part(name)) + sizes(artifacts.other, any),
    });
    expect(diskBytes).toBe(
      sizes(artifacts.old, any) +
        sizes(artifacts.now, (name) => !part(name)) +
        sizes(artifacts.other, any),
    );
  });

  test('is really freed when a set goes', async () => {
    const before = await measureDiskUse(root, all());
    await removeSet(root, sets.now, new Set());
    const after = await measureDiskUse(root, [sets.old, sets.weekly]);
    expect(before.diskBytes - after.diskBytes).toBe(
      before.sets.get('20241212_010000-daily')?.freedBytes,
    );
    // A name outside of the catalogue does not make a file shared.
    const part1 = at(artifacts.old, 'part-00001.tar.zst');
    linkSync(part1, path.join(base.dir, 'somewhere'));
    const alone = await measureDiskUse(root, [sets.old]);
    expect(alone.sets.get('20241211_010000-daily')?.sharedBytes).toBe(0);
  });

  test('is not guessed where an artifact can’t be looked at', async () => {
    renameSync(path.join(root, artifacts.other.path), path.join(base.dir, 'moved'));
    symlinkSync(path.join(base.dir, 'moved'), path.join(root, artifacts.other.path));
    const use = await measureDiskUse(root, all());
    expect(use.unmeasured).toEqual([expect.stringContaining(artifacts.other.path)]);
    expect([...use.sets.keys()]).toEqual(['20241211_010000-daily', '20241211_010000-weekly']);
  });

  test('is nothing for an artifact that is missing, and quickly known for many', async () => {
    rmSync(path.join(root, artifacts.other.path), { recursive: true });
    expect((await measureDiskUse(root, [sets.now])).diskBytes).toBe(sizes(artifacts.now, any));
    const many = Array.from({ length: 200 }, (_, index) => {
      const relative = `many/daily/data/x_${index}`;
      mkdirSync(path.join(root, relative), { recursive: true });
      for (let file = 0; file < 20; file += 1) {
        writeFileSync(path.join(root, relative, `f${file}`), 'x');
      }
      return { ...artifacts.old, path: relative };
    });
    const startMs = Date.now();
    const use = await measureDiskUse(root, [{ ...sets.old, artifacts: many }]);
    expect(use.diskBytes).toBe(4000);
    expect(Date.now() - startMs).toBeLessThan(5_000);
  });
});
