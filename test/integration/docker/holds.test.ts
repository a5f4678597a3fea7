/** Holding containers still: counted over sources, whatever state they were in, whoever dies. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runAfter, runBefore, runLeftHooks, type Hook } from '../../../activities/backup/hooks.js';
import { parseConfig } from '../../../src/config/load.js';
import {
  inspectContainer,
  pauseContainer,
  startContainer,
  stopContainer,
  type ContainerInfo,
} from '../../../src/docker/containers/containers.js';
import { execCapture } from '../../../src/docker/engine/exec.js';
import { holdStill, releaseHold } from '../../../src/docker/containers/holds.js';
import type { StopMode } from '../../../src/docker/containers/running-record.js';
import { RunLog } from '../../../src/observe/run-log.js';
import type { IsAlive } from '../../../src/format/run-identity.js';
import { DockerSandbox } from '../../support/docker-sandbox.js';

jest.setTimeout(120_000);

const WAIT = 'while :; do sleep 0.1; done';
const POLITE = `trap "exit 0" TERM; ${WAIT}`;
const sandbox = new DockerSandbox();
const { engine } = sandbox;
const { signal } = new AbortController();
const work = { signal, report: () => undefined };
let directory = '';

beforeAll(async () => {
  directory = await sandbox.directory();
});
afterAll(() => sandbox.remove());

/** One source of one run that holds containers; `dead` are the runs that are over. */
function holder(name: string, containers: readonly string[], dead = new Set<string>()) {
  const recordFile = path.join(directory, `${name}.json`);
  const isAlive: IsAlive = ({ workflowId }) => Promise.resolve(!dead.has(workflowId));
  return {
    hold: (mode: StopMode) =>
      holdStill(
        engine,
        {
          recordFile,
          find: () => Promise.all(containers.map((one) => inspectContainer(engine, one))),
          graceMs: 5_000,
          mode,
          reason: name,
          workflowId: name,
          isAlive,
        },
        work,
      ),
    release: () => releaseHold(engine, recordFile, { isAlive, signal }),
  };
}

async function stateOf(name: string): Promise<ContainerInfo['state']> {
  return (await inspectContainer(engine, name)).state;
}

describe('a container that several sources hold', () => {
  it.each(['pause', 'stop'] as const)('is started by the last one (%s)', async (mode) => {
    const shared = await sandbox.container(`shared-${mode}`, { command: POLITE });
    const own = await sandbox.container(`own-${mode}`, { command: POLITE });
    const first = holder(`first-${mode}`, [shared, own]);
    const second = holder(`second-${mode}`, [shared]);
    await Promise.all([first.hold(mode), second.hold(mode)]);
    const still = await stateOf(shared);
    expect(still).toBe(mode === 'pause' ? 'paused' : 'exited');

    expect(await first.release()).toMatchObject({ leftHeld: [shared], disturbed: [] });
    expect([await stateOf(shared), await stateOf(own)]).toEqual([still, 'running']);

    expect(await second.release()).toMatchObject({ started: [shared], disturbed: [] });
    expect(await stateOf(shared)).toBe('running');
  });

  it('is stopped only when those who have paused it are done: stopping lets it write', async () => {
    const shared = await sandbox.container('frozen', { command: POLITE });
    const first = holder('pauses', [shared]);
    await first.hold('pause');
    const stopping = holder('stops', [shared]);
    const stopped = stopping.hold('stop');
    await delay(3_000);
    expect(await stateOf(shared)).toBe('paused');
    await first.release();
    await stopped;
    expect(await stateOf(shared)).toBe('exited');
    await stopping.release();
    expect(await stateOf(shared)).toBe('running');
  });

  it('does not stay down for a run that died, whose record recovery starts', async () => {
    const shared = await sandbox.container('died', { command: POLITE });
    const dead = new Set(['dead']);
    await holder('dead', [shared]).hold('stop');
    const living = holder('living', [shared], dead);
    await living.hold('stop');
    // Recovery, while the other reads: it is not its to start.
    expect(await holder('dead', [shared], dead).release()).toMatchObject({ leftHeld: [shared] });
    expect(await stateOf(shared)).toBe('exited');
    expect(await living.release()).toMatchObject({ started: [shared] });

    await holder('dead', [shared]).hold('stop');
    const next = holder('next', [shared], dead);
    await next.hold('stop');
    expect(await next.release()).toMatchObject({ started: [shared] });
  });

  it('that somebody starts meanwhile is told: it was not held still', async () => {
    const name = await sandbox.container('disturbed', { command: POLITE });
    const quiet = await sandbox.container('quiet', { command: POLITE });
    const source = holder('disturbed', [name, quiet]);
    await source.hold('stop');
    await startContainer(engine, name);
    await stopContainer(engine, name, 5_000);
    expect(await source.release()).toMatchObject({ disturbed: [name] });
    expect(await stateOf(name)).toBe('running');
  });
});

describe('what state a container was in', () => {
  it('is a crash loop: held still at once, and in its loop again afterwards', async () => {
    const name = await sandbox.container('loop', {
      command: 'sleep 0.3; exit 3',
      restart: 'always',
    });
    for (let tries = 0; (await inspectContainer(engine, name)).restartCount < 3; tries += 1) {
      if (tries > 200) throw new Error('it does not restart');
      await delay(100);
    }
    // While this one is being stopped, the other starts again: before it is held, not while it is.
    const slow = await sandbox.container('slow', { command: `trap "sleep 2; exit" TERM; ${WAIT}` });
    const beganMs = Date.now();
    for (const mode of ['pause', 'stop'] as const) {
      const source = holder(`loop-${mode}`, [slow, name]);
      await source.hold(mode);
      expect(['exited', 'paused']).toContain(await stateOf(name));
      expect(await source.release()).toMatchObject({ disturbed: [] });
      expect(['running', 'restarting']).toContain(await stateOf(name));
    }
    expect(Date.now() - beganMs).toBeLessThan(30_000);
  });

  it.each(['pause', 'stop'] as const)(
    'is paused by its owner: so it is afterwards (%s)',
    async (mode) => {
      const name = await sandbox.container(`theirs-${mode}`, { command: POLITE });
      await pauseContainer(engine, name);
      const source = holder(`theirs-${mode}`, [name]);
      await source.hold(mode);
      await source.release();
      expect(await stateOf(name)).toBe('paused');
    },
  );

  it('is for one run: refused before anything is stopped, but paused like any other', async () => {
    const plain = await sandbox.container('plain', { command: POLITE });
    const oneOff = await sandbox.container('one-off', {
      command: POLITE,
      labels: { 'com.docker.compose.oneoff': 'True' },
    });
    const removed = (
      await sandbox.docker.createContainer({
        name: sandbox.name('removed'),
        Image: 'holdfast-sample-base:latest',
        Cmd: ['sleep', 'infinity'],
        Labels: sandbox.labels,
        HostConfig: { NetworkMode: 'none', AutoRemove: true },
      })
    ).id;
    await startContainer(engine, removed);
    for (const name of [oneOff, removed]) {
      await expect(holder('refused', [plain, name]).hold('stop')).rejects.toMatchObject({
        code: 'INPUT_INVALID',
      });
      expect(await stateOf(plain)).toBe('running');
      const source = holder('paused', [name]);
      await source.hold('pause');
      expect(await stateOf(name)).toBe('paused');
      await source.release();
      expect(await stateOf(name)).toBe('running');
    }
  });
});

describe('a quiesce hook', () => {
  const hookIn = (container: string): Hook => ({
    container,
    before: ['sh', '-c', 'echo before >> /tmp/hooks'],
    after: ['sh', '-c', 'echo after >> /tmp/hooks'],
  });
  const subject = (source: string) => ({ setId: '20260101_000000', service: 'app', source });
  const seen = async (container: string): Promise<string[]> =>
    (await execCapture(engine, { container, argv: ['cat', '/tmp/hooks'], signal })).stdout
      .trim()
      .split('\n');
  const alive: IsAlive = () => Promise.resolve(true);
  const dead: IsAlive = () => Promise.resolve(false);

  function contextOf(root: string, hook: Hook) {
    const { container, before, after } = hook;
    const quiesce = JSON.stringify({ container, before, after });
    const { config } = parseConfig(
      `version: 1
stack: hooked
host: { id: hooked }
backups: { root: ${root} }
services:
  app: { home: /srv/app, sources: { one: { kind: files, quiesce: ${quiesce} }, two: { kind: volume, volume: v, quiesce: ${quiesce} } } }
`,
      path.join(root, 'holdfast.yaml'),
    );
    return { config, engine, runLog: new RunLog(undefined) };
  }

  it('is on record before it runs, and its `after` runs when its run was killed', async () => {
    const container = await sandbox.container('hooked', { command: POLITE });
    const root = await sandbox.directory();
    const hook = hookIn(container);
    const context = contextOf(root, hook);
    const run = { workflowId: 'killed', runId: 'one', isAlive: alive };
    await runBefore(context, hook, subject('one'), run, work);
    // A second attempt of the same activity does not run it twice.
    await runBefore(context, hook, subject('one'), run, work);
    expect(await seen(container)).toEqual(['before']);

    expect(await runLeftHooks(context, alive, signal)).toEqual([]);
    expect(await seen(container)).toEqual(['before']);
    expect(await runLeftHooks(context, dead, signal)).toEqual([]);
    expect(await seen(container)).toEqual(['before', 'after']);
    expect(await runLeftHooks(context, dead, signal)).toEqual([]);
    expect(await seen(container)).toEqual(['before', 'after']);
  });

  it('of two sources runs for one after the other', async () => {
    const container = await sandbox.container('hooked-twice', { command: POLITE });
    const root = await sandbox.directory();
    const hook = hookIn(container);
    const context = contextOf(root, hook);
    const run = { workflowId: 'both', isAlive: alive };
    await runBefore(context, hook, subject('one'), run, work);
    const second = runBefore(context, hook, subject('two'), run, work);
    await delay(3_000);
    expect(await seen(container)).toEqual(['before']);
    await runAfter(context, hook, subject('one'), signal);
    await second;
    await runAfter(context, hook, subject('two'), signal);
    expect(await seen(container)).toEqual(['before', 'after', 'before', 'after']);
  });

  it('that is no longer configured is told with what to do, and stays on record', async () => {
    const container = await sandbox.container('hooked-gone', { command: POLITE });
    const root = await sandbox.directory();
    const hook = hookIn(container);
    const run = { workflowId: 'gone', isAlive: alive };
    await runBefore(contextOf(root, hook), hook, subject('one'), run, work);
    const other = contextOf(root, { ...hook, after: ['true'] });
    const problems = await runLeftHooks(other, dead, signal);
    expect(problems).toEqual([expect.stringMatching(/echo after >> \/tmp\/hooks/)]);
    expect(await seen(container)).toEqual(['before']);
    const left = await readdir(path.join(root, '.holdfast/hooks'));
    expect(left.filter((name) => name.endsWith('.json'))).toHaveLength(1);
  });

  it('whose container was started anew since may fail: there is nothing left to undo', async () => {
    const container = await sandbox.container('hooked-anew', { command: POLITE });
    const root = await sandbox.directory();
    const hook = { ...hookIn(container), after: ['false'] };
    const context = contextOf(root, hook);
    const run = { workflowId: 'anew', isAlive: alive };
    await runBefore(context, hook, subject('one'), run, work);
    expect(await runLeftHooks(context, dead, signal)).toHaveLength(1);
    await stopContainer(engine, container, 5_000);
    await startContainer(engine, container);
    expect(await runLeftHooks(context, dead, signal)).toEqual([]);
    expect(await runLeftHooks(context, dead, signal)).toEqual([]);
  });
});
