/** Verifying a store as its user does, and what list and show tell of it afterwards. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { SetArtifact } from '../../../src/format/manifest.js';
import { temporaryDirectory } from '../tree/awkward-tree.js';
import { jsonLines, makePlace, type Place } from '../cli-support/place.js';
import { addTree, publishByHand } from '../cli-support/real-store.js';

let base: { dir: string; remove: () => Promise<void> };
let place: Place;
let old: SetArtifact;
let now: SetArtifact;
beforeEach(async () => {
  base = await temporaryDirectory();
  place = await makePlace();
  const tree = path.join(base.dir, 'tree');
  mkdirSync(tree);
  for (let file = 0; file < 6; file += 1) {
    writeFileSync(path.join(tree, `file-${file}`), randomBytes(12_000));
  }
  const source = { service: 'agent', source: 'data', tree };
  old = await addTree(place.root, '20241211_010000', source);
  now = await addTree(place.root, '20241212_010000', { ...source, sharedWith: old.path });
  publishByHand(place.root, '20241211_010000', [old]);
  publishByHand(place.root, '20241212_010000', [now]);
});
afterEach(async () => {
  await place.remove();
  await base.remove();
});

const NEW = '20241212_010000-daily';
const OLD = '20241211_010000-daily';
const PART = 'part-00002.tar.zst';
function flipPart(): string {
  const file = path.join(place.root, now.path, PART);
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
  writeFileSync(file, bytes);
  return file;
}

test('sound sets are all read, newest first, and list and show know it', async () => {
  expect((await place.cli(['show', 'latest'])).stdout).toMatch(
    /verified +not since it was written/,
  );
  const { exitCode, stdout, stderr } = await place.cli(['verify']);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const [first, second, sum] = stdout.split('\n');
  expect(first).toMatch(new RegExp(`^${NEW} {2}ok `));
  expect(second).toMatch(new RegExp(`^${OLD} {2}ok `));
  expect(sum).toMatch(/^2 sets, .* read: all sound$/);
  const { sets, diskBytes } = JSON.parse((await place.cli(['list', '--json'])).stdout) as {
    sets: Record<string, number>[];
    diskBytes: number;
  };
  expect(sets[0]).toMatchObject({
    verification: { level: 'hashes', ok: true, damagedFiles: 0 },
    contentBytes: 72_000,
  });
  const [newer, older] = sets;
  expect(newer!['sharedBytes']).toBeGreaterThan(72_000);
  expect(diskBytes).toBe(newer!['freedBytes']! + older!['freedBytes']! + newer!['sharedBytes']!);
  const list = await place.cli(['list']);
  expect(list.exitCode).toBe(0);
  expect(list.stdout).toMatch(/ok \d+s\b/);
  expect(list.stdout).toMatch(/KiB on disk; /);
});

test('a damaged file is named with every set that has it, and ends with 1', async () => {
  const file = flipPart();
  const { exitCode, stdout } = await place.cli(['verify', NEW, '--level', 'decode']);
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(new RegExp(`^${NEW} {2}1 damaged `));
  expect(stdout).toContain(`agent/data  ${PART}  expected `);
  expect(stdout).toContain(`\n    ${file}\n`);
  expect(stdout).toContain(`the same file in ${OLD}\n`);
  const list = await place.cli(['list']);
  expect(list.exitCode).toBe(3);
  expect(list.stdout.match(/ damaged /g)?.length).toBe(2);
  const show = await place.cli(['show', OLD]);
  expect(show.exitCode).toBe(3);
  expect(show.stdout).toContain(`${old.path}/${PART}`);
  expect(show.stdout).toContain(`also in ${NEW}`);
  const json = JSON.parse((await place.cli(['show', NEW, '--json'])).stdout) as unknown;
  expect(json).toMatchObject({
    verification: { level: 'decode', ok: false, damagedFiles: 1 },
    damage: [{ artifact: now.path, file: PART, sets: [OLD, NEW] }],
    freedBytes: expect.any(Number),
  });
});

test('--json is an event a set and one result, with whole hashes', async () => {
  flipPart();
  const { exitCode, stdout } = await place.cli(['verify', '--json']);
  expect(exitCode).toBe(1);
  const events = jsonLines(stdout);
  expect(events.map(({ type }) => type)).toEqual(['set', 'set', 'result']);
  expect(events[0]).toMatchObject({
    id: '20241212_010000',
    ok: false,
    damage: [{ file: PART, sets: [OLD, NEW], expected: expect.stringMatching(/^[0-9a-f]{64}$/) }],
  });
  expect(events[2]).toMatchObject({ exitCode: 1, sets: 2, damaged: [NEW, OLD] });
});

test('a store that can’t be written is verified all the same', async () => {
  mkdirSync(path.join(place.root, '.holdfast'));
  writeFileSync(path.join(place.root, '.holdfast', 'verification'), 'in the way');
  const { exitCode, stdout, stderr } = await place.cli(['verify']);
  expect(exitCode).toBe(0);
  expect(stdout).toContain('all sound');
  expect(stderr.match(/not recorded/g)?.length).toBe(1);
});

test('a set file that can’t be read is no sound set', async () => {
  writeFileSync(path.join(place.root, 'sets', '20241213_010000-daily.json'), '{');
  expect((await place.cli(['verify'])).exitCode).toBe(1);
  expect((await place.cli(['verify', NEW])).exitCode).toBe(0);
  rmSync(path.join(place.root, 'sets'), { recursive: true });
  expect((await place.cli(['verify'])).exitCode).toBe(0);
});
