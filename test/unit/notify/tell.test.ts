import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ActivityDependencies } from '../../../activities/shared/runtime.js';
import { createTellActivities } from '../../../activities/notify/tell.js';
import { RunLog } from '../../../src/observe/run-log.js';
import { startReceiver, type Receiver } from '../../support/receiver.js';
import { configOf, fileWith } from '../config/helpers.js';

let directory: string;
let receiver: Receiver;
let started: unknown[];
let temporalIsUp: boolean;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-tell-'));
  receiver = await startReceiver(({ path: at }) => (at === '/down' ? 500 : 200));
  started = [];
  temporalIsUp = true;
});
afterEach(async () => {
  await receiver.close();
  await rm(directory, { recursive: true, force: true });
});

function activities(paths: readonly string[]) {
  const channels = paths.map((at) => `{ type: webhook, url: "${receiver.origin}${at}" }`);
  const config = configOf(
    fileWith(
      'app: { home: /app, sources: { data: { kind: files } } }',
      `notifications: [${channels.join(', ')}, { type: webhook, urlEnv: NOT_SET_ANYWHERE }]`,
      `backups: { root: ${directory} }`,
    ),
  );
  const client = {
    workflow: {
      start: (type: string, options: { args: unknown[] }) => {
        if (!temporalIsUp) return Promise.reject(new Error('no Temporal'));
        started.push([type, options.args[0]]);
        return Promise.resolve();
      },
    },
  };
  const runLog = new RunLog(path.join(directory, 'log'));
  return createTellActivities({ config, client, runLog } as unknown as ActivityDependencies);
}

const input = { status: 'success', message: 'done' } as const;

test('only the channels that failed are handed on, and a mistake of the configuration is not', async () => {
  const env = new MockActivityEnvironment();
  await env.run(activities(['/up', '/down']).notify, input);
  expect(receiver.on('/up')).toHaveLength(1);
  expect(started).toEqual([
    ['deliverNotifications', expect.objectContaining({ channels: ['2:webhook'] })],
  ]);
});

test('an attempt after one that died tells nobody twice', async () => {
  temporalIsUp = false;
  const { notify } = activities(['/up', '/down', '/also-up']);
  const first = new MockActivityEnvironment();
  const beats: unknown[] = [];
  first.on('heartbeat', (details) => beats.push(details));
  await expect(first.run(notify, input)).rejects.toThrow('no Temporal');
  temporalIsUp = true;
  const second = new MockActivityEnvironment({ attempt: 2, heartbeatDetails: beats.at(-1) });
  await second.run(notify, input);
  expect(receiver.on('/up')).toHaveLength(1);
  expect(receiver.on('/also-up')).toHaveLength(1);
  expect(receiver.on('/down')).toHaveLength(2);
});
