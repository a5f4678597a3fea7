/** A run and its successor under the same workflow id must not be taken for one. */
import { expect, test } from '@jest/globals';
import { askedOnce, isSameRun, runKey } from '../../../src/format/run-identity.js';

test('runs under the same fixed id are told apart by their run ids', () => {
  const first = { workflowId: 'b1', runId: 'r1' };
  const second = { workflowId: 'b1', runId: 'r2' };
  expect(isSameRun(first, second)).toBe(false);
  expect(isSameRun(first, { ...first })).toBe(true);
  expect(runKey(first)).not.toBe(runKey(second));
});

test('where an old record has no run id, the workflow id decides', () => {
  expect(isSameRun({ workflowId: 'b1' }, { workflowId: 'b1', runId: 'r2' })).toBe(true);
  expect(isSameRun({ workflowId: 'b1' }, { workflowId: 'b2', runId: 'r2' })).toBe(false);
});

test('a run that ends between two questions is either alive or dead for both', async () => {
  let asked = 0;
  const isAlive = askedOnce(() => Promise.resolve((asked += 1) === 1));
  const run = { workflowId: 'b1', runId: 'r1' };
  expect([await isAlive(run), await isAlive({ ...run })]).toEqual([true, true]);
  expect(await isAlive({ workflowId: 'b1', runId: 'r2' })).toBe(false);
});
