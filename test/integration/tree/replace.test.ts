/** A restore around mounts, links and what can't be renamed: they stay, and all of it can be undone. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { requireReplaceable } from '../../../src/tree/swap/place.js';
import {
  planSwap,
  stagePath,
  swapBack,
  swapIn,
  type TreeSwap,
} from '../../../src/tree/swap/replace.js';
import { runCommand } from '../../../src/base/process/process.js';
import { mountedPlaces, type MountedPlaces } from '../../support/mounted-places.js';

const ID = '20260101_000000';
let places: MountedPlaces;
let base: string;

beforeEach(() => {
  places = mountedPlaces();
  base = places.at('srv/home');
  write(base, { 'app/config': 'old', 'app/only-old': 'old', 'sub/deep/keep/x': 'old', top: 'old' });
  mkdirSync(places.at('real'));
  writeFileSync(places.at('real/bindfile'), 'other');
});
afterEach(() => places.cleanUp());

function write(root: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
}

/** Everything but what is mounted below: path, type, mode, owner, content, and times of files. */
async function state(root: string): Promise<string> {
  const { stdout } = await runCommand('find', [
    root,
    '-xdev',
    '(',
    '-name',
    '.*.holdfast-*',
    '-prune',
    ')',
    '-o',
    '(',
    '-type',
    'd',
    '-printf',
    '%P %y %m %U\\n',
    ')',
    '-o',
    '-printf',
    '%P %y %m %U %T@ %l\\n',
  ]);
  const { stdout: sums } = await runCommand('find', [
    root,
    '-xdev',
    '(',
    '-name',
    '.*.holdfast-*',
    '-prune',
    ')',
    '-o',
    '-type',
    'f',
    '-exec',
    'md5sum',
    '{}',
    '+',
  ]);
  return [...stdout.split('\n'), ...sums.split('\n')].sort().join('\n');
}

/** Unpacks the new state, as a restore does. */
async function stage(
  include: readonly string[] = ['**'],
  exclude: readonly string[] = [],
): Promise<TreeSwap> {
  const directory = await stagePath(base, ID);
  mkdirSync(directory);
  write(directory, {
    'app/config': 'new',
    'app/only-new': 'new',
    'sub/deep/keep/x': 'new',
    top: 'new',
  });
  mkdirSync(path.join(directory, 'sub/media'), { recursive: true });
  chmodSync(directory, 0o750);
  chmodSync(path.join(directory, 'sub'), 0o711);
  return planSwap({ base, include, exclude }, directory, ID);
}

function expectNew(): void {
  for (const name of ['app/config', 'app/only-new', 'sub/deep/keep/x', 'top']) {
    expect(readFileSync(path.join(base, name), 'utf8')).toBe('new');
  }
  expect(existsSync(path.join(base, 'app/only-old'))).toBe(false);
  expect(lstatSync(base).mode & 0o777).toBe(0o750);
}

const leftBeside = (): string[] =>
  [...readdirSync(path.dirname(base)), ...readdirSync(base)].filter((name) =>
    name.includes('holdfast'),
  );

describe('mounts below the place stay where they are, mounted and untouched', () => {
  test.each([
    [
      'a bind mount of the same file system',
      () => places.bind(places.at('real'), path.join(base, 'sub/media')),
    ],
    [
      'another file system',
      async () => {
        await places.tmpfs(path.join(base, 'sub/media'));
        writeFileSync(path.join(base, 'sub/media/bindfile'), 'other');
      },
    ],
    [
      'a mount on a directory that the backup does not have',
      async () => {
        await places.bind(places.at('real'), path.join(base, 'fresh/er/media'));
      },
    ],
    [
      'several, one within another',
      async () => {
        await places.tmpfs(path.join(base, 'sub'));
        await places.bind(places.at('real'), path.join(base, 'sub/media'));
      },
    ],
    [
      'a single file',
      async () => {
        writeFileSync(path.join(base, 'sub/hosts'), '');
        await places.bind(places.at('real/bindfile'), path.join(base, 'sub/hosts'));
      },
    ],
  ])('%s', async (_name, make) => {
    await make();
    const mounted = await places.mounted();
    const contents = await Promise.all(
      mounted.map((point) => runCommand('find', [point, '-type', 'f'])),
    );
    const before = await state(base);
    const swap = await stage();
    await swapIn(swap);
    await swapIn(swap);
    expect(readFileSync(path.join(base, 'top'), 'utf8')).toBe('new');
    expect(existsSync(path.join(base, 'app/only-old'))).toBe(false);
    expect(await places.mounted()).toEqual(mounted);
    expect(readFileSync(places.at('real/bindfile'), 'utf8')).toBe('other');
    await swapBack(swap);
    await swapBack(swap);
    expect(await state(base)).toBe(before);
    expect(await places.mounted()).toEqual(mounted);
    const after = await Promise.all(
      mounted.map((point) => runCommand('find', [point, '-type', 'f'])),
    );
    expect(after).toEqual(contents);
    expect(leftBeside()).toEqual([]);
  });

  test('with the rest replaced exactly, also the directories that lead to them', async () => {
    await places.bind(places.at('real'), path.join(base, 'sub/media'));
    await swapIn(await stage());
    expectNew();
    expect(lstatSync(path.join(base, 'sub')).mode & 0o777).toBe(0o711);
  });

  test('what somebody made after the swap goes with it, and is not in the way of the old', async () => {
    write(base, { 'was-a-file': 'old', 'was-a-directory/x': 'old' });
    await places.bind(places.at('real'), path.join(base, 'sub/media'));
    const before = await state(base);
    const swap = await stage();
    await swapIn(swap);
    write(base, {
      ...{ later: 'since', 'later-too/x': 'since', 'sub/later': 'since' },
      ...{ 'was-a-file/is-a-directory': 'since', 'was-a-directory/y': 'since' },
    });
    await swapBack(swap);
    expect(await state(base)).toBe(before);
    expect(readFileSync(places.at('real/bindfile'), 'utf8')).toBe('other');
  });

  test('what is left out on purpose and leads to one is left alone', async () => {
    write(base, { 'app/cache/c': 'cache' });
    await places.bind(places.at('real'), path.join(base, 'app/cache/media'));
    const before = await state(path.join(base, 'app/cache'));
    const swap = await stage(['**'], ['app/cache']);
    await swapIn(swap);
    expectNew();
    expect(await state(path.join(base, 'app/cache'))).toBe(before);
    await swapBack(swap);
    expect(await state(path.join(base, 'app/cache'))).toBe(before);
  });
});

test.each([
  ['itself a bind mount', () => places.bind(places.at('real'), base)],
  ['itself another file system', () => places.tmpfs(base)],
  ['in an append-only directory', () => places.chattr('+a', path.dirname(base))],
  ['in an immutable directory', () => places.chattr('+i', path.dirname(base))],
])('a place that is %s has its content replaced', async (_name, make) => {
  await make();
  write(base, { 'app/config': 'old', 'app/only-old': 'old' });
  const before = await state(base);
  const swap = await stage();
  await swapIn(swap);
  expectNew();
  await swapBack(swap);
  expect(await state(base)).toBe(before);
});

test('a place that is a link: what it leads to is replaced, and the link stays', async () => {
  const real = base;
  const before = await state(real);
  symlinkSync(real, places.at('link'));
  base = places.at('link');
  const swap = await stage();
  await swapIn(swap);
  expect(lstatSync(places.at('link')).isSymbolicLink()).toBe(true);
  expect(readFileSync(path.join(real, 'top'), 'utf8')).toBe('new');
  expect(await stagePath(base, ID)).toBe(swap.stage);
  await swapBack(swap);
  expect(await state(real)).toBe(before);
});

test('a mount that came after the restore: the way back moves nothing and names it', async () => {
  const swap = await stage();
  await swapIn(swap);
  await places.bind(places.at('real'), path.join(base, 'sub/media'));
  await expect(swapBack(swap)).rejects.toMatchObject({
    code: 'RESTORE_FAILED',
    facts: { path: path.join(base, 'sub/media') },
  });
  expectNew();
  await places.umount(path.join(base, 'sub/media'));
  await swapBack(swap);
  expect(readFileSync(path.join(base, 'top'), 'utf8')).toBe('old');
});

describe('refused before anything is touched', () => {
  const check = (whole = true): Promise<void> => requireReplaceable(base, whole, () => false);
  const refused = (at: string): object =>
    expect.objectContaining({ code: 'RESTORE_FAILED', facts: { path: at } });

  test('nothing, where nothing is in the way', async () => {
    await places.bind(places.at('real'), path.join(base, 'sub/media'));
    await check();
    await check(false);
    base = places.at('not/there/yet');
    await check();
  });

  test('a place that is immutable, or has such entries where these are renamed', async () => {
    await places.chattr('+i', path.join(base, 'top'));
    await check();
    await expect(check(false)).rejects.toEqual(refused(path.join(base, 'top')));
    await places.chattr('+a', base);
    await expect(check()).rejects.toEqual(refused(base));
  });

  test('a place on a read-only mount, also where it is still to be made', async () => {
    await places.bind(places.at('real'), places.at('ro'), ['ro']);
    base = places.at('ro');
    await expect(check()).rejects.toEqual(refused(base));
    base = places.at('ro/not/there');
    await expect(check()).rejects.toEqual(refused(base));
  });

  test('a mount whose content the backup has', async () => {
    await places.bind(places.at('real'), path.join(base, 'sub/media'));
    await expect(requireReplaceable(base, false, (mount) => mount === 'sub/media')).rejects.toEqual(
      refused(path.join(base, 'sub/media')),
    );
  });

  test('the root of the running system', async () => {
    base = '/';
    await expect(check()).rejects.toEqual(refused('/'));
  });
});
