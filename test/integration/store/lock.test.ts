import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process'; // eslint-disable-line no-restricted-imports -- needs a process to kill
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { withFileLock } from '../../../src/base/files/lock.js';
import { temporaryDirectory } from '../tree/awkward-tree.js';

let base: { dir: string; remove: () => Promise<void> };
let file: string;
beforeEach(async () => {
  base = await temporaryDirectory();
  file = path.join(base.dir, 'locks', 'a.lock');
});
afterEach(() => base.remove());

test('two that want the same lock never work at once', async () => {
  let working = 0;
  let most = 0;
  await Promise.all(
    [1, 2, 3, 4].map(() =>
      withFileLock(file, { mode: 'wait' }, async () => {
        working += 1;
        most = Math.max(most, working);
        await delay(20);
        working -= 1;
      }),
    ),
  );
  expect(most).toBe(1);
});

test('who may not wait is told who holds it', async () => {
  await withFileLock(file, { mode: 'refuse' }, async () => {
    await expect(
      withFileLock(file, { mode: 'refuse' }, () => Promise.resolve()),
    ).rejects.toMatchObject({ code: 'LOCK_HELD', facts: { path: file } });
    await expect(withFileLock(file, { mode: 'refuse' }, () => Promise.resolve())).rejects.toThrow(
      new RegExp(`pid ${process.pid} on .* since 20`),
    );
  });
  expect(await withFileLock(file, { mode: 'refuse' }, () => Promise.resolve(7))).toBe(7);
});

test('work that fails gives the lock back', async () => {
  const failing = withFileLock(file, { mode: 'wait' }, () => Promise.reject(new Error('mine')));
  await expect(failing).rejects.toThrow('mine');
  await withFileLock(file, { mode: 'refuse' }, () => Promise.resolve());
});

test('waiting ends when it is cancelled, but a cancelled holder keeps the lock until it has ended', async () => {
  const holder = new AbortController();
  const waiter = new AbortController();
  let ended = false;
  const held = withFileLock(file, { mode: 'wait', signal: holder.signal }, async () => {
    holder.abort(new Error('cancelled'));
    await delay(100);
    await expect(
      withFileLock(file, { mode: 'refuse' }, () => Promise.resolve()),
    ).rejects.toMatchObject({ code: 'LOCK_HELD' });
    setTimeout(() => waiter.abort(new Error('no longer')), 50);
    await expect(
      withFileLock(file, { mode: 'wait', signal: waiter.signal }, () => Promise.resolve()),
    ).rejects.toThrow('no longer');
    ended = true;
  });
  await held;
  expect(ended).toBe(true);
});

test('the lock of a process that was killed is free at once', async () => {
  // The same dialogue as the library's, held by a process that gets no chance to clean up.
  const script = `
    const { spawn } = require('node:child_process');
    require('node:fs').mkdirSync(require('node:path').dirname(process.argv[1]), { recursive: true });
    const child = spawn('flock', ['--exclusive', process.argv[1], 'sh', '-c', 'echo locked; exec cat >/dev/null'],
      { detached: true, stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdout.once('data', () => process.stdout.write('locked'));
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['-e', script, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  expect(existsSync(file)).toBe(true);
  await expect(
    withFileLock(file, { mode: 'refuse' }, () => Promise.resolve()),
  ).rejects.toMatchObject({ code: 'LOCK_HELD' });
  holder.kill('SIGKILL');
  const signal = AbortSignal.timeout(5000);
  expect(await withFileLock(file, { mode: 'wait', signal }, () => Promise.resolve('free'))).toBe(
    'free',
  );
});
