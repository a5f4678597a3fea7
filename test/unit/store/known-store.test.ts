import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  acceptStore,
  lookAtStore,
  requireStore,
  stateDirectories,
} from '../../../src/store/write/known-store.js';
import { pinSet } from '../../../src/store/catalogue/pins.js';

let base: string;
let root: string;
const before = process.env['HOLDFAST_STATE_DIR'];
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'holdfast-known-'));
  root = path.join(base, 'backups');
  process.env['HOLDFAST_STATE_DIR'] = path.join(base, 'state');
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
  if (before === undefined) delete process.env['HOLDFAST_STATE_DIR'];
  else process.env['HOLDFAST_STATE_DIR'] = before;
});

const mark = (): string => path.join(root, '.holdfast/store.json');
function addSet(name = '20241212_010000-daily'): void {
  mkdirSync(path.join(root, 'sets'), { recursive: true });
  writeFileSync(path.join(root, 'sets', `${name}.json`), '{}');
}

test('a new root is made, marked and known again', async () => {
  await requireStore(root, 0o750);
  expect(existsSync(mark())).toBe(true);
  expect((await lookAtStore(root)).type).toBe('known');
  await requireStore(root, 0o750);
});

test('a store of before marks were made gets one; looking at an empty root makes none', async () => {
  mkdirSync(root);
  await requireStore(root);
  expect(existsSync(mark())).toBe(false);
  addSet();
  await requireStore(root);
  expect(existsSync(mark())).toBe(true);
});

test.each(['empty', 'gone'])(
  'where the disk is not mounted nothing is written: root %s',
  async (how) => {
    await requireStore(root, 0o750);
    addSet();
    await requireStore(root);
    rmSync(root, { recursive: true });
    if (how === 'empty') mkdirSync(root);
    await expect(requireStore(root, 0o750)).rejects.toMatchObject({ code: 'STORE_MISSING' });
    await expect(
      pinSet(root, { id: '20241212_010000', tier: 'daily' }, '', new Date()),
    ).rejects.toMatchObject({ code: 'STORE_MISSING' });
    expect(existsSync(path.join(root, '.holdfast'))).toBe(false);
    // Unless somebody says that they are gone for good.
    await acceptStore(root);
    await requireStore(root, 0o750);
  },
);

test('backups of other nights below the mount point are not the store', async () => {
  await requireStore(root, 0o750);
  addSet('20241212_010000-daily');
  await requireStore(root);
  rmSync(root, { recursive: true });
  addSet('20230101_010000-daily');
  await expect(requireStore(root, 0o750)).rejects.toMatchObject({ code: 'STORE_MISSING' });
});

test('another disk at the same place is refused until it is accepted', async () => {
  await requireStore(root, 0o750);
  const other = path.join(base, 'other');
  await requireStore(other, 0o750);
  rmSync(root, { recursive: true });
  cpSync(other, root, { recursive: true });
  await expect(requireStore(root)).rejects.toMatchObject({ code: 'STORE_CHANGED' });
  await acceptStore(root);
  await requireStore(root);
});

test('a copy of the store is the store, here and on a host that knows nothing', async () => {
  await requireStore(root, 0o750);
  cpSync(root, path.join(base, 'copy'), { recursive: true });
  rmSync(root, { recursive: true });
  cpSync(path.join(base, 'copy'), root, { recursive: true });
  await requireStore(root, 0o750);
  process.env['HOLDFAST_STATE_DIR'] = path.join(base, 'other-host');
  await requireStore(root, 0o750);
});

test('who clears its records away loses no store: its newest set tells it', async () => {
  await requireStore(root, 0o750);
  addSet();
  await requireStore(root);
  const known = await lookAtStore(root);
  rmSync(path.join(root, '.holdfast'), { recursive: true });
  await requireStore(root);
  expect(await lookAtStore(root)).toEqual(known);
});

test('where nothing can be remembered the store works all the same', async () => {
  writeFileSync(path.join(base, 'state'), 'a file in the way');
  await requireStore(root, 0o750);
  await requireStore(root, 0o750);
  expect((await lookAtStore(root)).type).toBe('known');
});

test('two that begin at once agree on the mark', async () => {
  await Promise.all([1, 2, 3, 4].map(() => requireStore(root, 0o750)));
  await requireStore(root);
  expect((await lookAtStore(root)).type).toBe('known');
});

test('the places where it is remembered follow systemd and XDG', () => {
  expect(stateDirectories({ HOLDFAST_STATE_DIR: '/x' })).toEqual(['/x']);
  expect(stateDirectories({ STATE_DIRECTORY: '/a:/b', XDG_STATE_HOME: '/s' })[0]).toBe('/a');
  expect(stateDirectories({ XDG_STATE_HOME: '/s' })).toEqual(
    expect.arrayContaining(['/s/holdfast', '/var/lib/holdfast']),
  );
});
