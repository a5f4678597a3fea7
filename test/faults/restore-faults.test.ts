/**
 * A restore that is broken at every step ends fully old or fully new: a real stack, a worker process,
 * and faults that are produced for real.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunView } from '../../src/plan/shared/inputs.js';
import type { RestoreStackResult } from '../../src/plan/restore/restore-types.js';
import { runCommand } from '../../src/base/process/process.js';
import { SmallStack, type StackState } from '../support/small-stack.js';

let stack: SmallStack;
/** The set that everything is restored from, and what it holds. */
let good: string;
let first: StackState;
/** What is there when a restore begins. */
let second: StackState;

async function backup(...services: string[]): Promise<string> {
  const chosen = services.flatMap((service) => ['--service', service]);
  return (await stack.backUp(...chosen)).setId;
}

interface Ended {
  readonly status: string;
  readonly message: string;
  readonly outcome: unknown;
  readonly result: RestoreStackResult | undefined;
}

async function ended(workflowId: string): Promise<Ended> {
  const handle = (await stack.client()).workflow.getHandle(workflowId);
  const told = await handle.result().then(
    (result: unknown) => ({ result: result as RestoreStackResult, cause: undefined }),
    (error: unknown) => ({
      result: undefined,
      cause: (error as { cause?: { message: string; details?: { facts?: object }[] } }).cause,
    }),
  );
  const { status } = await handle.describe();
  const facts: { outcome?: unknown } = told.cause?.details?.[0]?.facts ?? {};
  return {
    status: status.name,
    message: told.cause?.message ?? '',
    outcome: facts.outcome,
    result: told.result,
  };
}

let count = 0;
async function restore(input: Record<string, unknown>): Promise<string> {
  count += 1;
  return stack.start('restoreStack', input, `restore-${count}`);
}

const waitsForApproval = ({ phase }: RunView): boolean =>
  phase.startsWith('waiting for an approval');

async function approve(workflowId: string): Promise<void> {
  const handle = (await stack.client()).workflow.getHandle(workflowId);
  await handle.executeUpdate('approve', { args: [{ by: 'a test' }] });
}

/** Nothing in between: exactly what was there, all of it running, nothing lying about. */
async function expectOld(): Promise<void> {
  expect(await stack.state()).toEqual(second);
  expect(await stack.leftovers()).toEqual([]);
}

beforeAll(async () => {
  stack = await SmallStack.create();
  await stack.change('first');
  await stack.startWorker();
  good = await backup();
  first = await stack.state();
  await stack.change('second');
  second = await stack.state();
}, 300_000);

afterAll(async () => {
  await stack.remove();
}, 60_000);

describe('a restore that fails leaves the old state, all services up, and says so', () => {
  /** A backup of the app with a compose file that is no good, which itself is put right again. */
  async function badSet(change: Parameters<SmallStack['writeCompose']>[0]): Promise<string> {
    await stack.writeCompose(change);
    try {
      return await backup('app');
    } finally {
      await stack.writeCompose({ made: 'second' });
    }
  }

  test('an image that is nowhere: refused before anything is touched', async () => {
    const set = await badSet({ image: 'holdfast-nowhere.invalid/none:1' });
    const { status, message } = await ended(await restore({ set }));
    expect(status).toBe('FAILED');
    expect(message).toMatch(/app: image holdfast-nowhere\.invalid\/none:1 is not here/);
    await expectOld();
  }, 300_000);

  test('a container that ends at once', async () => {
    const set = await badSet({ command: "['false']", made: 'broken' });
    const { status, message, outcome } = await ended(await restore({ set }));
    expect([status, outcome]).toEqual(['FAILED', 'old']);
    expect(message).toMatch(/the state from before is back and what ran before runs again/);
    await expectOld();
  }, 300_000);

  test('a gate that never passes, after the services before it were restored', async () => {
    const set = await badSet({ healthy: false, made: 'ill' });
    const { status, message, outcome } = await ended(
      await restore({ set: good, services: ['db', 'app'], sets: { app: set } }),
    );
    expect([status, outcome]).toEqual(['FAILED', 'old']);
    expect(message).toMatch(/was not healthy in time/);
    await expectOld();
  }, 300_000);

  test('a disk that fills up while it is unpacked', async () => {
    // The app's home moves to a small disk of its own.
    const small = path.join(stack.directory, 'small');
    const home = path.join(small, 'app');
    await mkdir(small);
    await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', small]);
    try {
      await writeFile(path.join(stack.home('app'), 'large.bin'), Buffer.alloc(12 * 1024 * 1024, 7));
      const set = await backup('app');
      await rm(path.join(stack.home('app'), 'large.bin'));
      const run = await restore({
        set,
        sources: ['app/home'],
        map: {
          paths: { [stack.home('app')]: home },
          projects: { [stack.project('app')]: `${stack.project('app')}-small` },
        },
        pauseBefore: 1,
      });
      await stack.waitForView(run, waitsForApproval);
      await writeFile(path.join(small, 'filler'), Buffer.alloc(16 * 1024 * 1024));
      await approve(run);
      const { status, message, outcome } = await ended(run);
      expect([status, outcome]).toEqual(['FAILED', 'old']);
      expect(message).toMatch(/no space left/i);
      await expectOld();
    } finally {
      await runCommand('umount', [small]);
      await rm(small, { recursive: true });
    }
  }, 300_000);

  test('a database that refuses what it is given', async () => {
    // Neither a dump nor its reader can know what a function of the user's does with a row.
    const half = (body: string) =>
      `create or replace function half(int) returns int immutable language plpgsql as 'begin ${body}; end'`;
    await stack.sql(
      'postgres',
      `${half('return $1 / 2')};
       create table halved (i int, h int generated always as (half(i)) stored);
       insert into halved values (4);
       ${half("raise ''none today''")}`,
    );
    const set = await backup('db');
    await stack.sql('postgres', 'drop table halved; drop function half');
    const { status, message, outcome } = await ended(await restore({ set }));
    expect([status, outcome]).toEqual(['FAILED', 'old']);
    expect(message).toMatch(/halved.*none today/s);
    await expectOld();
  }, 300_000);

  test('a container that dies after its gate', async () => {
    const run = await restore({ set: good, pauseBefore: 'app' });
    await stack.waitForView(run, waitsForApproval);
    await runCommand('docker', ['kill', stack.container('db')]);
    await approve(run);
    const { status, outcome } = await ended(run);
    expect([status, outcome]).toEqual(['FAILED', 'old']);
    await expectOld();
  }, 300_000);

  test('a cancel between two stages', async () => {
    const run = await restore({ set: good, pauseBefore: 'app' });
    await stack.waitForView(run, waitsForApproval);
    await (await stack.client()).workflow.getHandle(run).cancel();
    expect((await ended(run)).status).toBe('CANCELLED');
    await expectOld();
  }, 300_000);

  test('a cancel at the very end ends old or new, and says which', async () => {
    const run = await restore({ set: good, services: ['app'] });
    await stack.waitForView(run, ({ phase }) => phase === 'looking once more');
    await (await stack.client()).workflow.getHandle(run).cancel();
    const { status } = await ended(run);
    if (status === 'COMPLETED') expect((await stack.holdfast(['undo', '--yes'])).exitCode).toBe(0);
    else expect(status).toBe('CANCELLED');
    await expectOld();
    // Nothing is left open that somebody would take back later.
    const { stdout } = await stack.holdfast(['restores', '--json']);
    expect(stdout).not.toMatch(/"state": ?"(running|undoing)"/);
  }, 300_000);

  test('a terminated run, taken back by `holdfast recover`', async () => {
    const run = await restore({ set: good, pauseBefore: 'app' });
    await stack.waitForView(run, waitsForApproval);
    await (await stack.client()).workflow.getHandle(run).terminate('by a test');
    const recovered = await stack.holdfast(['recover', '--json']);
    expect([recovered.exitCode, recovered.stderr]).toEqual([0, '']);
    expect(recovered.stdout).toMatch(/"takenBack":\["\d{8}_\d{6}"\]/);
    await expectOld();
    const again = await stack.holdfast(['recover', '--json']);
    expect(again.stdout).toContain('"takenBack":[]');
  }, 300_000);
});

describe('an undo during which a container dies looks once more, and brings it up', () => {
  // The server is part of the one undo, and not of the other.
  test.each([[['db', 'app']], [['app']]])(
    'of %s',
    async (services) => {
      expect((await ended(await restore({ set: good, services }))).status).toBe('COMPLETED');
      const undo = await stack.start('undoRestore', {}, `undo-${services.length}`);
      await stack.waitForView(undo, ({ steps }) =>
        steps.some(
          ({ service, step, state }) =>
            service === 'app' && step === 'health' && state === 'running',
        ),
      );
      await runCommand('docker', ['kill', stack.container('db')]);
      const result: unknown = await (await stack.client()).workflow.getHandle(undo).result();
      expect(result).toMatchObject({ unhealthy: [] });
      await stack.untilSql();
      await expectOld();
    },
    300_000,
  );
});

describe('a restore that is interrupted and goes on ends with the new state, nothing twice', () => {
  test('the worker is killed while a database is loaded', async () => {
    await stack.sql('postgres', 'create table bulk as select generate_series(1, 400000) as i');
    const set = await backup('db');
    await stack.sql('postgres', 'drop table bulk');
    const run = await restore({ set });
    await stack.waitForView(run, ({ steps }) =>
      steps.some(({ step, state }) => step === 'restore' && state === 'running'),
    );
    await delay(2_500);
    await stack.killWorker();
    await stack.startWorker();
    const { status } = await ended(run);
    expect(status).toBe('COMPLETED');
    expect(await stack.sql('postgres', 'select count(*) from bulk')).toBe('400000');
    expect(await stack.sql('postgres', 'select count(*) from facts')).toBe('1');
    const undone = await stack.holdfast(['undo', '--yes', '--json']);
    expect([undone.exitCode, undone.stderr]).toEqual([0, '']);
    await expectOld();
  }, 300_000);

  test('the same set twice, then undone one after the other', async () => {
    for (let round = 1; round <= 2; round += 1) {
      const { status, result } = await ended(await restore({ set: good }));
      expect(status).toBe('COMPLETED');
      expect(await stack.state()).toEqual(first);
      // What the plan says is what was done, step for step.
      const steps = result?.steps.map(({ stage, service, step }) => ({ stage, service, step }));
      expect(steps).toEqual(result?.plan.steps);
    }
    const restores = await stack.holdfast(['restores', '--json']);
    const { restores: listed } = JSON.parse(restores.stdout) as {
      restores: { restoreId: string; state: string; sizeBytes?: number }[];
    };
    const able = listed.filter(({ state }) => state === 'finished');
    expect(able).toHaveLength(2);
    expect(able.every(({ sizeBytes }) => (sizeBytes ?? 0) > 1024)).toBe(true);
    const early = await stack.holdfast(['undo', able[1]?.restoreId ?? '', '--yes', '--json']);
    expect(early.exitCode).toBe(1);
    expect(early.stdout).toContain('has replaced the same things since');

    // Also after a restart of everything that takes part.
    await stack.stopWorker();
    await runCommand('docker', ['restart', stack.container('db'), stack.container('app')]);
    await stack.startWorker();
    await stack.untilSql();
    expect((await stack.holdfast(['undo', '--yes'])).exitCode).toBe(0);
    expect(await stack.state()).toEqual(first);
    expect((await stack.holdfast(['undo', '--yes'])).exitCode).toBe(0);
    await expectOld();
  }, 300_000);
});
