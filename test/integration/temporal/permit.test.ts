/** Waiting for the permit of a stack that is busy, and hearing of what never got as far. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { permitWorkflowId, stackQueue } from '../../../src/plan/shared/ids.js';
import { realPorts } from '../../../src/cli/host/wiring.js';
import { FilesHost } from '../../support/files-host.js';

jest.setTimeout(120_000);

let host: FilesHost;
beforeAll(async () => {
  host = await FilesHost.create('');
});
afterAll(() => host.remove());

/** What starts a run, or talks to one, and can do nothing without a worker. */
const NEEDS_A_WORKER = [
  ['backup'],
  ['backup', '--detach'],
  ['restore', '--dry-run'],
  ['undo', '--dry-run'],
  ['drill'],
  ['approve', 'somebody'],
];

async function expectNoWorker(): Promise<void> {
  const beganMs = Date.now();
  const runs = await Promise.all(NEEDS_A_WORKER.map((args) => host.holdfast([...args, '--json'])));
  for (const { exitCode, stdout, stderr } of runs) {
    expect(exitCode).toBe(1);
    expect(stdout + stderr).toContain('"code":"NO_WORKER"');
    expect(stdout + stderr).toContain('holdfast up');
  }
  // A run that nobody takes would be waited for without end.
  expect(Date.now() - beganMs).toBeLessThan(60_000);
}

describe('without a worker', () => {
  it('every command that needs one says so, and starts nothing', async () => {
    await expectNoWorker();
    const { workflow } = await host.client();
    const query = `TaskQueue = '${stackQueue(host.stackName)}'`;
    expect((await workflow.count(query)).count).toBe(0);
  });

  it('one that is just being started is waited for', async () => {
    const starting = host.startWorker();
    const { exitCode, stdout } = await host.holdfast(['backup', '--json']);
    await starting;
    // On a machine that is slow to start programs it was not there in time, and that is what is said.
    if (exitCode !== 0) expect(stdout).toContain('NO_WORKER');
    else expect(stdout).toContain('"status":"success"');
  });
});

describe('runs that are started in one second', () => {
  it.each(['backupStack', 'pruneBackups'] as const)('%s: each is one of its own', async (type) => {
    const gateway = await realPorts.connectRuns();
    try {
      const workflowId = `holdfast/${host.stackName}/same-second-${type}`;
      const { stackName: stack } = host;
      const run = { type, workflowId, summary: 'test', input: { stack, tier: 'daily' as const } };
      const ids = await Promise.all([gateway.start(run), gateway.start(run)]);
      // One that has ended keeps its id: nobody could ask for its result otherwise.
      await Promise.all(ids.map((id) => gateway.result(id)));
      ids.push(await gateway.start(run));
      expect([...ids].sort()).toEqual([workflowId, `${workflowId}-2`, `${workflowId}-3`]);
      const results = await Promise.all(ids.map((id) => gateway.result(id)));
      if (type === 'backupStack') {
        expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(3);
      }
    } finally {
      await gateway.close();
    }
  });
});

/** Somebody else's run that holds the permit. */
async function holdPermit(): Promise<{ release: () => Promise<void>; kill: () => Promise<void> }> {
  const { workflow } = await host.client();
  const handle = await workflow.start('stackPermit', {
    workflowId: permitWorkflowId(host.stackName),
    taskQueue: stackQueue(host.stackName),
    args: ['somebody'],
    memo: { holder: 'somebody' },
  });
  return {
    release: () => handle.signal('releasePermit'),
    kill: async () => {
      await handle.terminate('the holder was terminated');
    },
  };
}

async function eventsOf(workflowId: string): Promise<number> {
  const description = await (await host.client()).workflow.getHandle(workflowId).describe();
  return description.historyLength;
}

async function resultOf(workflowId: string): Promise<unknown> {
  return (await host.client()).workflow.getHandle(workflowId).result();
}

describe('a run that finds the stack busy', () => {
  it('is told when it is free, one after the other, and writes little meanwhile', async () => {
    const permit = await holdPermit();
    const ids = await Promise.all(
      ['one', 'two'].map((name) => host.start('backupStack', { tier: 'manual' }, name)),
    );
    for (const id of ids) {
      const view = await host.waitForView(id, ({ waitingFor }) => waitingFor !== undefined);
      expect(view.waitingFor).toBe('somebody');
    }
    await delay(4_000);
    const before = await eventsOf(ids[0] ?? '');
    // One look of its own, after five seconds.
    await delay(5_000);
    const after = await eventsOf(ids[0] ?? '');
    expect(after - before).toBeGreaterThan(0);
    expect(after - before).toBeLessThanOrEqual(17);
    const beganMs = Date.now();
    await permit.release();
    await Promise.all(ids.map(resultOf));
    // Looking by oneself would come ten seconds later.
    expect(Date.now() - beganMs).toBeLessThan(9_000);
  });

  it('goes on when the holder was terminated and could tell nobody', async () => {
    const permit = await holdPermit();
    const id = await host.start('backupStack', { tier: 'manual' }, 'after-kill');
    await host.waitForView(id, ({ waitingFor }) => waitingFor !== undefined);
    await permit.kill();
    await resultOf(id);
  });

  it('is told of when it is cancelled while it waits', async () => {
    const permit = await holdPermit();
    const id = await host.start('backupStack', { tier: 'manual' }, 'cancelled');
    await host.waitForView(id, ({ waitingFor }) => waitingFor !== undefined);
    await (await host.client()).workflow.getHandle(id).cancel();
    await expect(resultOf(id)).rejects.toThrow();
    expect(await host.readLog()).toMatch(/Backup of \S+ was cancelled before it began/);
    await permit.release();
  });
});

describe('what fails before the permit is held is told', () => {
  it.each([
    ['backupStack', { services: ['nothing'] }, /Backup of \S+ could not begin: .*nothing/],
    ['backupStack', { stack: 'another' }, /The backup could not begin: .*another/],
    ['backupStack', { tiers: 1 }, /The backup could not begin: .*tiers/],
    ['restoreStack', { set: '20010101_000000' }, /Restore of set 20010101_000000 could not begin/],
    ['drillRestore', { set: '20010101_000000' }, /Drill of set 20010101_000000 could not begin/],
    ['verifyBackups', { host: 'elsewhere' }, /The verification of the backups could not begin/],
    ['pruneBackups', { host: 'elsewhere' }, /The removal of old sets could not begin/],
    ['undoRestore', { restore: '20010101_000000' }, /Undo of restore 20010101_000000 could not/],
    ['scheduledBackup', { tiers: 'x' }, /The scheduled backup could not begin/],
    ['checkBackups', { host: 'elsewhere' }, /The check of the backups could not begin/],
  ])('%s %j', async (type, input, said) => {
    const id = await host.start(type, input, `early-${type}-${Object.keys(input).join()}`);
    await expect(resultOf(id)).rejects.toThrow();
    expect(await host.readLog()).toMatch(said);
  });

  it('but not where somebody only asks what would be done', async () => {
    const id = await host.start('restoreStack', { set: '20020202_000000', dryRun: true }, 'dry');
    await expect(resultOf(id)).rejects.toThrow();
    expect(await host.readLog()).not.toContain('20020202_000000');
  });
});

describe('a worker that was killed', () => {
  it('is not taken for one, though the server remembers it for minutes', async () => {
    await host.killWorker();
    await expectNoWorker();
  });
});
