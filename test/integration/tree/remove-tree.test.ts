/** Removing never crosses a mount, gets by what holds our own trees, and says what it can't. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { HoldfastError } from '../../../src/base/errors.js';
import { removeTree } from '../../../src/base/files/durable.js';
import { runCommand } from '../../../src/base/process/process.js';
import { mountedPlaces, type MountedPlaces } from '../../support/mounted-places.js';

let places: MountedPlaces;
let tree: string;
let beside: string;

beforeEach(() => {
  places = mountedPlaces();
  tree = places.at('tree');
  beside = places.at('beside');
  for (const directory of ['tree/a/deep', 'tree/z', 'beside']) {
    mkdirSync(places.at(directory), { recursive: true });
  }
  for (const file of ['tree/a/deep/x', 'tree/first', 'beside/kept']) {
    writeFileSync(places.at(file), file);
  }
});
afterEach(() => places.cleanUp());

async function failureOf(promise: Promise<void>): Promise<HoldfastError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof HoldfastError) return error;
  throw new Error(`expected a HoldfastError, got ${String(error)}`);
}

const listing = async (): Promise<string> =>
  (await runCommand('find', [tree, '-printf', '%P %y\n'])).stdout.split('\n').sort().join('\n');

describe('something mounted in it', () => {
  test.each([
    ['a bind mount of the same file system', () => places.bind(beside, places.at('tree/z/bound'))],
    ['another file system', () => places.tmpfs(places.at('tree/z/other'))],
    [
      'a bind mount of a single file',
      async () => {
        writeFileSync(places.at('tree/z/file'), '');
        await places.bind(places.at('beside/kept'), places.at('tree/z/file'));
      },
    ],
    [
      'a bind mount with a blank and a backslash in its name',
      () => places.bind(beside, places.at('tree/z/a b\\c')),
    ],
    ['the tree itself', () => places.bind(beside, tree)],
  ])('%s: nothing goes, and it is named', async (_name, make) => {
    await make();
    const mounted = await places.mounted();
    const before = await listing();
    const error = await failureOf(removeTree(tree, { ours: true }));
    expect(error).toMatchObject({ code: 'REMOVE_FAILED', facts: { reason: 'mount' } });
    expect(await places.mounted()).toEqual(mounted);
    expect(await listing()).toBe(before);
    expect(readFileSync(places.at('beside/kept'), 'utf8')).toBe('beside/kept');
  });

  test('through a link to what is above it, too', async () => {
    await places.bind(beside, places.at('tree/z/bound'));
    symlinkSync(places.dir, places.at('link'));
    const error = await failureOf(removeTree(`${places.at('link')}/tree/`, { ours: true }));
    expect(error.facts).toEqual({ path: places.at('tree/z/bound'), reason: 'mount' });
    expect(existsSync(places.at('beside/kept'))).toBe(true);
  });

  test('unmounted by then, it goes on', async () => {
    await places.bind(beside, places.at('tree/z/bound'));
    await failureOf(removeTree(tree));
    await places.umount(places.at('tree/z/bound'));
    await removeTree(tree);
    expect(readdirSync(places.dir)).toEqual(['beside']);
  });

  test('a mount that comes while it removes is not entered', async () => {
    for (let index = 0; index < 400; index += 1) {
      mkdirSync(places.at(`tree/z/${String(index).padStart(3, '0')}`));
      writeFileSync(places.at(`tree/z/${String(index).padStart(3, '0')}/f`), 'f');
    }
    let mounting: Promise<unknown> | undefined;
    const error = await failureOf(
      removeTree(tree, {
        onProgress: (removed) => {
          if (mounting !== undefined || removed < 12) return;
          const last = readdirSync(places.at('tree/z')).slice(-3);
          mounting = Promise.all(
            last.map((name) => places.bind(beside, places.at('tree/z', name))),
          );
        },
      }),
    );
    await mounting;
    expect(error.facts['reason']).toBe('mount');
    expect(existsSync(places.at('beside/kept'))).toBe(true);
  });
});

describe('what the kernel holds on to', () => {
  const hold = async (): Promise<void> => {
    mkdirSync(places.at('tree/a/append'));
    writeFileSync(places.at('tree/a/append/log'), 'log');
    mkdirSync(places.at('tree/empty'));
    await places.chattr('+a', places.at('tree/a/append/log'), places.at('tree/a/append'));
    await places.chattr('+i', places.at('tree/a/deep/x'), places.at('tree/a/deep'));
    await places.chattr('+i', places.at('tree/empty'), places.at('tree/first'), tree);
  };

  test('goes where the tree is ours', async () => {
    await hold();
    await removeTree(tree, { ours: true });
    expect(readdirSync(places.dir)).toEqual(['beside']);
  });

  test('a name that is not text is no obstacle', async () => {
    const name = Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0xfe, 0x0a])]);
    mkdirSync(name);
    writeFileSync(Buffer.concat([name, Buffer.from('/x')]), 'x');
    await runCommand('chattr', ['-R', '+i', tree]);
    await removeTree(name, { ours: true }).catch(() => undefined);
    expect(existsSync(name)).toBe(true); // held by what is around it, which is not ours
    await removeTree(tree, { ours: true });
    expect(existsSync(tree)).toBe(false);
  });

  test('is named, before anything goes, where it is not ours', async () => {
    await places.chattr('+i', places.at('tree/a/deep/x'));
    const before = await listing();
    const error = await failureOf(removeTree(tree));
    expect(error).toMatchObject({
      code: 'REMOVE_FAILED',
      facts: { path: places.at('tree/a/deep/x'), reason: 'immutable' },
    });
    expect(error.hint).toContain('chattr');
    expect(await listing()).toBe(before);
  });

  test('a directory around it that holds it is not ours to open', async () => {
    await places.chattr('+a', places.dir);
    const before = await listing();
    const error = await failureOf(removeTree(tree, { ours: true }));
    expect(error.facts).toEqual({ path: places.dir, reason: 'append-only' });
    expect(await listing()).toBe(before);
    await places.chattr('-a', places.dir);
  });

  test('a read-only file system is an error with a name', async () => {
    await places.bind(places.dir, places.at('beside/ro'), ['ro']);
    const error = await failureOf(removeTree(places.at('beside/ro/tree'), { ours: true }));
    expect(error).toMatchObject({ code: 'REMOVE_FAILED', facts: { reason: 'EROFS' } });
  });
});

test('links are removed, not followed; a missing tree and a single file are fine', async () => {
  symlinkSync(beside, places.at('tree/link'));
  await removeTree(tree);
  await removeTree(tree);
  await removeTree(places.at('tree/not/there'));
  expect(readFileSync(places.at('beside/kept'), 'utf8')).toBe('beside/kept');
  await removeTree(places.at('beside/kept'));
  expect(readdirSync(beside)).toEqual([]);
});
