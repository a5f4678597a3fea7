/** Who may take the runs of a stack for dead: real kernel locks, as workers hold them. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseConfig } from '../../../src/config/check/check.js';
import type { Config } from '../../../src/format/config/schema.js';
import { HoldfastError } from '../../../src/base/errors.js';
import { asOnlyWorker, workerRuns } from '../../../src/temporal/worker-lock.js';

let directory: string;
let config: Config;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-lock-'));
  const text = `version: 1
stack: locked
backups: { root: ${directory}/backups }
services:
  app: { home: ${directory}/app, sources: { data: { kind: files } } }
`;
  ({ config } = parseConfig(text, path.join(directory, 'holdfast.yaml'), 'host'));
  await mkdir(config.backups.root);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test('a worker that runs is seen, and a second one works beside it', async () => {
  expect(await workerRuns(config)).toBe(false);
  const seen: boolean[] = [];
  await asOnlyWorker(config, async () => {
    seen.push(await workerRuns(config));
    await asOnlyWorker(config, async () => void seen.push(await workerRuns(config)));
  });
  expect(seen).toEqual([true, true]);
  expect(await workerRuns(config)).toBe(false);
});

test('work that finds something else locked is not done twice', async () => {
  let times = 0;
  const held = new HoldfastError('LOCK_HELD', 'taken', { facts: { path: '/elsewhere.lock' } });
  const work = (): Promise<void> => {
    times += 1;
    return Promise.reject(held);
  };
  await expect(asOnlyWorker(config, work)).rejects.toBe(held);
  expect(times).toBe(1);
});

test('without its store a worker works, and none is seen', async () => {
  await rm(config.backups.root, { recursive: true });
  let times = 0;
  await asOnlyWorker(config, () => Promise.resolve(void (times += 1)));
  expect([times, await workerRuns(config)]).toEqual([1, false]);
});
