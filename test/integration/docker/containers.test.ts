import { afterAll, describe, expect, it } from '@jest/globals';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  containerLogsTail,
  findContainer,
  inspectContainer,
  listContainers,
  pauseContainer,
  removeContainer,
  startContainer,
  stopContainer,
  unpauseContainer,
} from '../../../src/docker/containers/containers.js';
import {
  listRecords,
  recordAndStop,
  startRecorded,
} from '../../../src/docker/containers/running-record.js';
import { DockerSandbox } from '../../support/docker-sandbox.js';

const sandbox = new DockerSandbox();
const { engine } = sandbox;
afterAll(() => sandbox.remove());

/** Ends by itself when asked to, unlike PID 1 that handles no signals. */
const POLITE = 'trap "exit 0" TERM; echo ready; while :; do sleep 0.1; done';
const STUBBORN = 'trap "" TERM; while :; do sleep 0.1; done';

describe('a container', () => {
  it('is described by what it is', async () => {
    const volume = await sandbox.volume('described');
    const name = await sandbox.container('described', {
      command: POLITE,
      volumes: { [volume]: '/data', '/tmp': '/host:ro' },
      labels: {
        'com.docker.compose.project': sandbox.name('project'),
        'com.docker.compose.service': 'web',
      },
      env: ['A=b=c', 'EMPTY='],
      restart: 'unless-stopped',
    });
    const info = await inspectContainer(engine, name);
    expect(info).toMatchObject({
      name,
      state: 'running',
      health: 'none',
      restartPolicy: 'unless-stopped',
      composeProject: sandbox.name('project'),
      composeService: 'web',
      env: { A: 'b=c', EMPTY: '' },
    });
    expect(info.mounts).toEqual([
      {
        type: 'volume',
        volume,
        source: expect.stringContaining(volume),
        destination: '/data',
        readWrite: true,
      },
      { type: 'bind', source: '/tmp', destination: '/host', readWrite: false },
    ]);
    expect(await inspectContainer(engine, info.id)).toEqual(info);
    const project = sandbox.name('project');
    expect((await listContainers(engine, { composeProject: project })).map((c) => c.name)).toEqual([
      name,
    ]);
    expect((await listContainers(engine, { volume })).map((c) => c.name)).toEqual([name]);
    // A path is no volume, though the engine's filter takes either.
    expect(await listContainers(engine, { volume: '/data' })).toEqual([]);
    expect(await containerLogsTail(engine, name)).toBe('ready\n');
  });

  it('that is missing is undefined, or its own error', async () => {
    expect(await findContainer(engine, sandbox.name('missing'))).toBeUndefined();
    await expect(inspectContainer(engine, sandbox.name('missing'))).rejects.toMatchObject({
      code: 'CONTAINER_NOT_FOUND',
    });
    await removeContainer(engine, sandbox.name('missing'));
  });

  it('tells whether it stopped by itself or was killed', async () => {
    const polite = await sandbox.container('polite', { command: POLITE });
    const stubborn = await sandbox.container('stubborn', { command: STUBBORN });
    expect(await stopContainer(engine, polite, 10_000)).toEqual({
      wasRunning: true,
      killed: false,
      exitCode: 0,
    });
    expect(await stopContainer(engine, stubborn, 1_000)).toEqual({
      wasRunning: true,
      killed: true,
      exitCode: 137,
    });
    // Twice is as good as once.
    expect(await stopContainer(engine, stubborn, 1_000)).toMatchObject({
      wasRunning: false,
      killed: false,
    });
    expect(await startContainer(engine, polite)).toBe(true);
    expect(await startContainer(engine, polite)).toBe(false);
  });

  it('is paused and thawed as often as asked, and can be stopped while paused', async () => {
    const name = await sandbox.container('paused', { command: POLITE });
    await pauseContainer(engine, name);
    await pauseContainer(engine, name);
    expect((await inspectContainer(engine, name)).state).toBe('paused');
    await unpauseContainer(engine, name);
    await unpauseContainer(engine, name);
    expect((await inspectContainer(engine, name)).state).toBe('running');
    await pauseContainer(engine, name);
    await stopContainer(engine, name, 2_000);
    expect((await inspectContainer(engine, name)).state).toBe('exited');
  });
});

describe('what we stop', () => {
  const request = (recordFile: string, containers: string[], mode: 'stop' | 'pause' = 'stop') => ({
    recordFile,
    containers,
    mode,
    graceMs: 5_000,
    reason: 'a test',
    workflowId: 'workflow-1',
  });

  it('is on disk before the first container is touched, and is exactly what is started again', async () => {
    const recordFile = path.join(await sandbox.directory(), 'records', 'one.json');
    const first = await sandbox.container('rec-first', { command: POLITE });
    const second = await sandbox.container('rec-second', { command: POLITE });
    const idle = await sandbox.container('rec-idle', { start: false });
    const stopped = await sandbox.container('rec-stopped', { command: 'exit 3' });
    await stopContainer(engine, stopped, 1_000);

    const outcome = await recordAndStop(
      engine,
      request(recordFile, [first, second, idle, stopped, sandbox.name('gone')]),
    );
    expect(outcome).toMatchObject({
      stopped: [first, second],
      killed: [],
      missing: [sandbox.name('gone')],
    });
    expect(JSON.parse(await readFile(recordFile, 'utf8'))).toMatchObject({
      workflowId: 'workflow-1',
      containers: [
        { name: first, wasRunning: true, mode: 'stop' },
        { name: second, wasRunning: true },
        { name: idle, wasRunning: false },
        { name: stopped, wasRunning: false },
      ],
    });
    expect((await inspectContainer(engine, first)).state).toBe('exited');

    expect((await startRecorded(engine, recordFile)).started).toEqual([second, first]);
    expect((await inspectContainer(engine, first)).state).toBe('running');
    expect((await inspectContainer(engine, idle)).state).toBe('created');
    expect((await inspectContainer(engine, stopped)).state).toBe('exited');
    expect(await readdir(path.dirname(recordFile))).toEqual([]);
    expect(await startRecorded(engine, recordFile)).toEqual({
      started: [],
      alreadyRunning: [],
      missing: [],
    });
  });

  it('is not forgotten by a second attempt, which finds it stopped already', async () => {
    const recordFile = path.join(await sandbox.directory(), 'two.json');
    const name = await sandbox.container('rec-again', { command: POLITE });
    const late = await sandbox.container('rec-late', { command: POLITE });
    await recordAndStop(engine, request(recordFile, [name]));
    await recordAndStop(engine, request(recordFile, [name, late]));
    const { started } = await startRecorded(engine, recordFile);
    expect([...started].sort()).toEqual([name, late].sort());
  });

  it('is recorded even when the stopping fails half way', async () => {
    const recordFile = path.join(await sandbox.directory(), 'three.json');
    const name = await sandbox.container('rec-half', { command: POLITE });
    const signal = AbortSignal.abort(new Error('cancelled'));
    await expect(recordAndStop(engine, { ...request(recordFile, [name]), signal })).rejects.toThrow(
      'cancelled',
    );
    const records = await listRecords(path.dirname(recordFile));
    expect(records.map(({ record }) => record.containers.map((each) => each.wasRunning))).toEqual([
      [true],
    ]);
    expect(await startRecorded(engine, recordFile)).toMatchObject({ alreadyRunning: [name] });
  });

  it('is reported, and is no error, when it was removed meanwhile', async () => {
    const recordFile = path.join(await sandbox.directory(), 'four.json');
    const stays = await sandbox.container('rec-stays', { command: POLITE });
    const goes = await sandbox.container('rec-goes', { command: POLITE });
    await recordAndStop(engine, request(recordFile, [stays, goes]));
    await removeContainer(engine, goes, { force: true });
    expect(await startRecorded(engine, recordFile)).toMatchObject({
      started: [stays],
      missing: [goes],
    });
  });

  it('is found by its name when it was made anew meanwhile', async () => {
    const recordFile = path.join(await sandbox.directory(), 'five.json');
    const name = await sandbox.container('rec-anew', { command: POLITE });
    await recordAndStop(engine, request(recordFile, [name]));
    await removeContainer(engine, name, { force: true });
    await sandbox.container('rec-anew', { command: POLITE, start: false });
    expect((await startRecorded(engine, recordFile)).started).toEqual([name]);
  });

  it('stays recorded when it does not run again, and the others still start', async () => {
    const directory = await sandbox.directory();
    const recordFile = path.join(directory, 'six.json');
    const flag = path.join(directory, 'works');
    await writeFile(flag, '');
    const broken = await sandbox.container('rec-broken', {
      command: `[ -e /flags/works ] || { echo "no flag" >&2; exit 5; }; ${POLITE}`,
      volumes: { [directory]: '/flags' },
    });
    const fine = await sandbox.container('rec-fine', { command: POLITE });
    await recordAndStop(engine, request(recordFile, [fine, broken]));
    await mkdir(path.join(directory, 'moved'));
    const { rename } = await import('node:fs/promises');
    await rename(flag, path.join(directory, 'moved', 'works'));
    await expect(startRecorded(engine, recordFile)).rejects.toMatchObject({
      code: 'DOCKER_FAILED',
      message: expect.stringMatching(/exit code 5.*no flag/),
      facts: { containers: [broken] },
    });
    expect((await inspectContainer(engine, fine)).state).toBe('running');
    await writeFile(flag, '');
    expect(await startRecorded(engine, recordFile)).toMatchObject({
      started: [broken],
      alreadyRunning: [fine],
    });
  });

  it('is thawed when it was paused, but not what somebody else had paused', async () => {
    const recordFile = path.join(await sandbox.directory(), 'seven.json');
    const ours = await sandbox.container('rec-pause', { command: POLITE });
    const theirs = await sandbox.container('rec-theirs', { command: POLITE });
    await pauseContainer(engine, theirs);
    expect(await recordAndStop(engine, request(recordFile, [ours, theirs], 'pause'))).toMatchObject(
      { stopped: [ours] },
    );
    // A second attempt sees both paused.
    await recordAndStop(engine, request(recordFile, [ours, theirs], 'pause'));
    expect(await startRecorded(engine, recordFile)).toMatchObject({
      started: [ours],
      alreadyRunning: [theirs],
    });
    expect((await inspectContainer(engine, ours)).state).toBe('running');
    expect((await inspectContainer(engine, theirs)).state).toBe('paused');
  });

  it('is never lost to a record that can’t be read', async () => {
    const directory = await sandbox.directory();
    const recordFile = path.join(directory, 'torn.json');
    await writeFile(recordFile, '{"format":"hold');
    const name = await sandbox.container('rec-torn', { command: POLITE });
    await expect(recordAndStop(engine, request(recordFile, [name]))).rejects.toMatchObject({
      code: 'INTEGRITY',
    });
    expect((await inspectContainer(engine, name)).state).toBe('running');
    const unreadable: string[] = [];
    expect(await listRecords(directory, (file) => unreadable.push(file))).toEqual([]);
    expect(unreadable).toEqual([recordFile]);
    expect(await listRecords(path.join(directory, 'nowhere'))).toEqual([]);
  });
});
