import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import type { IsAlive } from '../../../src/format/run-identity.js';
import { incomingArtifact } from '../../../src/store/write/incoming-paths.js';
import { beginAttempt, promoteAttempt } from '../../../src/store/write/attempts.js';
import { beginSet, discardSet, recoverIncoming } from '../../../src/store/write/incoming.js';
import { publishSet } from '../../../src/store/write/publish.js';
import { temporaryDirectory } from '../tree/awkward-tree.js';
import { addArtifact, setOf } from './fixtures.js';

const STAMP = '20241231_235959';
const relativePath = `agent/daily/data/data_${STAMP}`;
let base: { dir: string; remove: () => Promise<void> };
let root: string;
beforeEach(async () => {
  base = await temporaryDirectory();
  root = base.dir;
});
afterEach(() => base.remove());

test('the same run gets the same id again, another one the next free second', async () => {
  expect(await beginSet(root, { workflowId: 'a', stamp: STAMP })).toBe(STAMP);
  expect(await beginSet(root, { workflowId: 'a', stamp: STAMP })).toBe(STAMP);
  expect(await beginSet(root, { workflowId: 'b', stamp: STAMP })).toBe('20250101_000000');
  mkdirSync(path.join(root, 'sets'));
  writeFileSync(
    path.join(root, 'sets', '20250101_000001-daily.json'),
    'damaged, but its id is used',
  );
  expect(await beginSet(root, { workflowId: 'c', stamp: STAMP })).toBe('20250101_000002');
});

test('a run with the workflow id of a terminated one takes an id of its own', async () => {
  const old = { workflowId: 'fixed', runId: 'run-1' };
  const next = { workflowId: 'fixed', runId: 'run-2' };
  const left = await beginSet(root, { ...old, stamp: STAMP });
  expect(await beginSet(root, { ...old, stamp: STAMP })).toBe(left);
  const setId = await beginSet(root, { ...next, stamp: STAMP });
  expect(setId).toBe('20250101_000000');
  await discardSet(root, { ...old, setId });
  await discardSet(root, { ...next, setId: left });
  expect(readdirSync(path.join(root, '.incoming')).sort()).toEqual([left, setId].sort());

  // What the terminated one left is a dead run's, although a run of its workflow id goes on.
  const isAlive: IsAlive = ({ runId }) => Promise.resolve(runId === next.runId);
  expect(await recoverIncoming(root, { isAlive })).toMatchObject({
    removed: [left],
    alive: [setId],
  });
  expect(await beginSet(root, { ...next, stamp: STAMP })).toBe(setId);
});

test('a run that was begun by an earlier version, without its run id, finds its own', async () => {
  const setId = await beginSet(root, { workflowId: 'a', stamp: STAMP });
  const file = path.join(root, '.incoming', setId, 'run.json');
  expect(JSON.parse(readFileSync(file, 'utf8'))).not.toHaveProperty('runId');
  const run = { workflowId: 'a', runId: 'run-1', stamp: STAMP };
  expect(await beginSet(root, run)).toBe(setId);
  await discardSet(root, { ...run, setId });
  expect(existsSync(file)).toBe(false);
});

test('runs that begin at the same moment never share an id', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `run-${index}`);
  const ids = await Promise.all(
    names.map((workflowId) => beginSet(root, { workflowId, stamp: STAMP })),
  );
  expect(new Set(ids).size).toBe(20);
  expect(readdirSync(path.join(root, '.incoming')).sort()).toEqual([...ids].sort());
  const twice = await Promise.all(
    [1, 2, 3].map(() => beginSet(root, { workflowId: 'x', stamp: STAMP })),
  );
  expect(new Set(twice).size).toBe(1);
});

test('an attempt that was given up can no longer become the artifact', async () => {
  const setId = await beginSet(root, { workflowId: 'a', stamp: STAMP });
  const first = await beginAttempt(root, { setId, relativePath, attempt: 1 });
  writeFileSync(path.join(first.directory, 'x'), 'old');
  const second = await beginAttempt(root, { setId, relativePath, attempt: 2 });
  expect(existsSync(first.directory)).toBe(false);
  await expect(promoteAttempt(root, { setId, relativePath, attempt: 1 })).rejects.toMatchObject({
    code: 'STORE_UNSAFE',
  });
  writeFileSync(path.join(second.directory, 'x'), 'new');
  await promoteAttempt(root, { setId, relativePath, attempt: 2 });
  await promoteAttempt(root, { setId, relativePath, attempt: 2 });
  expect(readdirSync(incomingArtifact(root, { setId, relativePath }))).toEqual(['x']);
});

test('recovery removes what dead runs left, and touches nothing of a run that is alive', async () => {
  const dead = await beginSet(root, { workflowId: 'dead', stamp: STAMP });
  await beginAttempt(root, { setId: dead, relativePath, attempt: 1 });
  const alive = await beginSet(root, { workflowId: 'alive', stamp: STAMP });
  const crashed = path.join(root, '.incoming', '.new-crashed');
  mkdirSync(crashed);
  const fresh = path.join(root, '.incoming', '.new-fresh');
  mkdirSync(fresh);
  utimesSync(crashed, 1, 1);
  const result = await recoverIncoming(root, {
    isAlive: ({ workflowId }) => Promise.resolve(workflowId === 'alive'),
  });
  expect(result).toEqual({
    published: [],
    removed: ['.new-crashed', dead],
    alive: [alive],
    failed: [],
  });
  expect(readdirSync(path.join(root, '.incoming')).sort()).toEqual(['.new-fresh', alive]);
});

test('a set that can no longer be published does not stop the recovery of others', async () => {
  const broken = await beginSet(root, { workflowId: 'broken', stamp: STAMP });
  writeFileSync(path.join(root, '.incoming', broken, 'publish.json'), '{"half');
  const dead = await beginSet(root, { workflowId: 'dead', stamp: STAMP });
  const result = await recoverIncoming(root, { isAlive: () => Promise.resolve(false) });
  expect(result).toMatchObject({ published: [], removed: [dead] });
  expect(result.failed).toEqual([
    { setId: broken, reason: expect.stringContaining('cannot be read') },
  ]);
  await discardSet(root, { setId: broken, workflowId: 'broken' });
  expect(readdirSync(path.join(root, '.incoming'))).toEqual([broken]);
  expect(await beginSet(root, { workflowId: 'next', stamp: STAMP })).not.toBe(broken);
});

test('recovery does nothing to a run about which nothing can be known', async () => {
  const setId = await beginSet(root, { workflowId: 'a', stamp: STAMP });
  const isAlive = (): Promise<boolean> => Promise.reject(new Error('server is down'));
  await expect(recoverIncoming(root, { isAlive })).rejects.toThrow('server is down');
  expect(existsSync(path.join(root, '.incoming', setId, 'run.json'))).toBe(true);
});

test('discarding removes only the own set, and never one that is being published', async () => {
  const setId = await beginSet(root, { workflowId: 'a', stamp: STAMP });
  await discardSet(root, { setId, workflowId: 'b' });
  expect(existsSync(path.join(root, '.incoming', setId))).toBe(true);
  const artifact = await addArtifact(root, setId, relativePath);
  await publishSet(root, setOf(setId, [artifact], 'daily', 'a'), {
    beforeStep: (step) => {
      if (step === 'set file') throw new Error('killed');
    },
  }).catch(() => undefined);
  await discardSet(root, { setId, workflowId: 'a' });
  expect(existsSync(path.join(root, '.incoming', setId, 'publish.json'))).toBe(true);
  await recoverIncoming(root, { isAlive: () => Promise.resolve(false) });
  const other = await beginSet(root, { workflowId: 'c', stamp: STAMP });
  await discardSet(root, { setId: other, workflowId: 'c' });
  await discardSet(root, { setId: other, workflowId: 'c' });
  expect(readdirSync(path.join(root, '.incoming'))).toEqual([]);
});

test.each(['/etc', '../x', 'a/../../x', 'a//b', '', './a', 'a/.'])(
  'refuses the path "%s"',
  async (bad) => {
    const setId = await beginSet(root, { workflowId: 'a', stamp: STAMP });
    expect(() => incomingArtifact(root, { setId, relativePath: bad })).toThrow(/not a path below/);
    await expect(
      beginAttempt(root, { setId, relativePath: bad, attempt: 1 }),
    ).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
    });
  },
);

test('an incoming directory that is a symlink is not written to', async () => {
  const outside = await temporaryDirectory();
  symlinkSync(outside.dir, path.join(root, '.incoming'));
  await expect(beginSet(root, { workflowId: 'a', stamp: STAMP })).rejects.toMatchObject({
    code: 'STORE_UNSAFE',
  });
  expect(readdirSync(outside.dir)).toEqual([]);
  await outside.remove();
});
