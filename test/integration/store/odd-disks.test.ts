/** The store on file systems that are full, read-only, or suddenly not there: real ones, in memory. */
// eslint-disable-next-line no-restricted-imports -- mounts are not what the program makes
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { isHoldfastError } from '../../../src/base/errors.js';
import { beginSet } from '../../../src/store/write/incoming.js';
import { acceptStore, lookAtStore, requireStore } from '../../../src/store/write/known-store.js';
import { publishSet } from '../../../src/store/write/publish.js';
import { fromSystemError } from '../../../src/base/files/system-error.js';
import { addArtifact, setOf } from './fixtures.js';

let base: string;
let root: string;
let mounts: string[];
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'holdfast-odd-'));
  root = path.join(base, 'backups');
  mkdirSync(root);
  mounts = [];
});
afterEach(() => {
  for (const at of mounts.reverse()) unmount(at);
  rmSync(base, { recursive: true, force: true });
});

function mount(at: string, options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'holdfast-test', at]);
  mounts.push(at);
}
function bind(from: string, at: string): void {
  execFileSync('mount', ['--bind', from, at]);
  mounts.push(at);
}
function unmount(at: string): void {
  execFileSync('umount', ['--lazy', at]);
  mounts = mounts.filter((one) => one !== at);
}

async function backup(stamp: string): Promise<void> {
  await requireStore(root, 0o750);
  const id = await beginSet(root, { workflowId: `run-${stamp}`, stamp });
  const artifact = await addArtifact(root, id, `agent/daily/data/data_${id}`);
  await requireStore(root);
  await publishSet(root, setOf(id, [artifact], 'daily', `run-${stamp}`));
}

/** As an activity and a command would end with it. */
async function codeOf(work: Promise<unknown>): Promise<[string, string]> {
  const error = await work.then(
    () => new Error('it went well'),
    (thrown: unknown) => thrown,
  );
  const known = isHoldfastError(error) ? error : fromSystemError(error);
  return known === undefined ? ['INTERNAL', String(error)] : [known.code, known.message];
}

test('a disk that is unmounted takes no backup below its mount point, and is known again', async () => {
  const disk = path.join(base, 'disk');
  mkdirSync(disk);
  bind(disk, root);
  await backup('20241211_010000');
  const known = await lookAtStore(root);
  unmount(root);
  expect(readdirSync(root)).toEqual([]);
  expect((await codeOf(backup('20241212_010000')))[0]).toBe('STORE_MISSING');
  expect(readdirSync(root)).toEqual([]);
  // Another disk in its place.
  mount(root, 'size=4m');
  expect((await codeOf(backup('20241212_010000')))[0]).toBe('STORE_MISSING');
  unmount(root);
  bind(disk, root);
  await backup('20241212_010000');
  expect(await lookAtStore(root)).toEqual(known);
  expect(readdirSync(path.join(root, 'sets'))).toHaveLength(2);
});

test('a disk that goes between the beginning and the end publishes nothing elsewhere', async () => {
  mount(root, 'size=4m');
  await requireStore(root, 0o750);
  unmount(root);
  expect((await codeOf(requireStore(root)))[0]).toBe('STORE_MISSING');
});

test('a read-only disk is named as one', async () => {
  mount(root, 'size=4m');
  await backup('20241211_010000');
  execFileSync('mount', ['-o', 'remount,ro', root]);
  const [code, message] = await codeOf(backup('20241212_010000'));
  expect([code, message]).toEqual(['READ_ONLY', expect.stringContaining('read-only')]);
  expect(message).toContain(root);
});

test('no bytes and no inodes are told apart', async () => {
  mount(root, 'size=64k,nr_inodes=200');
  writeFileSync(path.join(root, 'filler'), Buffer.alloc(60 * 1024));
  const [full, bytes] = await codeOf(backup('20241211_010000'));
  expect([full, bytes]).toEqual(['DISK_FULL', expect.stringContaining('no space left')]);
  unmount(root);
  await acceptStore(root);
  mount(root, 'size=4m,nr_inodes=8');
  const [code, message] = await codeOf(backup('20241211_010000'));
  expect([code, message]).toEqual(['DISK_FULL', expect.stringContaining('no inodes left')]);
});

test('a directory that refuses root is a matter of permission', async () => {
  mkdirSync(path.join(root, '.incoming'));
  execFileSync('chattr', ['+i', path.join(root, '.incoming')]);
  try {
    expect((await codeOf(backup('20241211_010000')))[0]).toBe('NO_PERMISSION');
  } finally {
    execFileSync('chattr', ['-i', path.join(root, '.incoming')]);
  }
  expect(existsSync(path.join(root, 'sets'))).toBe(false);
});
