/**
 * The Docker engine goes away in the middle of a restore and comes back, as after an upgrade of it or a
 * crash: the restore ends fully new or fully old. On an engine of the test's own.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { RunView } from '../../src/plan/shared/inputs.js';
import { PrivateEngine } from '../support/private-engine.js';
import { SmallStack, type StackState } from '../support/small-stack.js';

let engine: PrivateEngine;
let stack: SmallStack;
let first: StackState;
let second: StackState;
let set: string;

beforeAll(async () => {
  engine = await PrivateEngine.create([
    'holdfast-sample-postgres:latest',
    'holdfast-sample-webbot:latest',
  ]);
  // Of this file only: every file has an environment of its own.
  process.env['DOCKER_HOST'] = engine.host;
  stack = await SmallStack.create();
  await stack.sql('postgres', 'create table bulk as select generate_series(1, 400000) as i');
  await stack.change('first');
  await stack.startWorker();
  set = (await stack.backUp()).setId;
  first = await stack.state();
  await stack.change('second');
  second = await stack.state();
}, 300_000);

afterAll(async () => {
  await engine.start();
  await stack.remove();
  await engine.remove();
}, 120_000);

/** Restores, interrupts it when it has come so far, and tells how the run ended. */
async function interrupted(
  id: string,
  moment: (view: RunView) => boolean,
  interrupt: () => Promise<void>,
): Promise<{ status: string; message: string }> {
  const run = await stack.start('restoreStack', { set }, id);
  await stack.waitForView(run, moment);
  await interrupt();
  await engine.start();
  const handle = (await stack.client()).workflow.getHandle(run);
  const message = await handle.result().then(
    () => '',
    (error: unknown) => (error as { cause?: Error }).cause?.message ?? String(error),
  );
  return { status: (await handle.describe()).status.name, message };
}

/** All of one of the two states, all services up, and nothing left that is not to be. */
async function expectWhole({ status }: { status: string }): Promise<void> {
  const isNew = status === 'COMPLETED';
  await stack.untilSql();
  expect(await stack.state()).toEqual(isNew ? first : second);
  expect(await stack.sql('postgres', 'select count(*) from bulk')).toBe('400000');
  if (isNew) expect((await stack.holdfast(['undo', '--yes'])).exitCode).toBe(0);
  expect(await stack.state()).toEqual(second);
  expect(await stack.leftovers()).toEqual([]);
}

test('it is stopped and started while a database is loaded', async () => {
  const ended = await interrupted(
    'stopped',
    ({ steps }) => steps.some(({ step, state }) => step === 'restore' && state === 'running'),
    () => engine.stop(),
  );
  await expectWhole(ended);
}, 300_000);

test('it crashes while the artifacts are checked: what died with it is up afterwards', async () => {
  const ended = await interrupted(
    'crashed',
    ({ steps }) => steps.some(({ service, state }) => service === 'app' && state === 'running'),
    () => engine.crash(),
  );
  await expectWhole(ended);
}, 300_000);
