import { describe, expect, it } from '@jest/globals';
import { inStartOrder } from '../../../src/docker/compose/compose.js';
import type { ContainerInfo } from '../../../src/docker/containers/containers.js';
import { assertPlainName } from '../../../src/docker/engine/engine.js';
import { describeCheck } from '../../../src/docker/containers/health.js';
import { containersResult } from '../../../src/docker/containers/health-probes.js';
import { mergeRecord, type RunningRecord } from '../../../src/docker/containers/running-record.js';

function container(name: string, more: Partial<ContainerInfo> = {}): ContainerInfo {
  return {
    id: `id-${name}`,
    name,
    image: 'image',
    imageId: 'sha256:0',
    state: 'running',
    health: 'none',
    healthLog: '',
    exitCode: 0,
    startedAt: '2024-12-12T01:00:00Z',
    createdAt: '2024-12-12T00:00:00Z',
    restartCount: 0,
    restartPolicy: 'no',
    labels: {},
    composeService: name,
    mounts: [],
    env: {},
    ...more,
  };
}

const NOW = '2024-12-12T01:00:00.000Z';
const request = { mode: 'stop', reason: 'r', workflowId: 'w' } as const;
function merge(
  earlier: RunningRecord | undefined,
  found: readonly ContainerInfo[],
  mode: 'stop' | 'pause' = 'stop',
): RunningRecord {
  return mergeRecord(earlier, found, { ...request, mode }, '2024-12-12T01:00:00.000Z');
}

describe('the record of what ran', () => {
  it('still says that it ran, when a later look finds it stopped', () => {
    const first = merge(undefined, [container('a'), container('b', { state: 'exited' })]);
    const second = merge(first, [
      container('a', { state: 'exited' }),
      container('b', { state: 'exited' }),
      container('c'),
    ]);
    expect(second.containers.map(({ name, wasRunning }) => [name, wasRunning])).toEqual([
      ['a', true],
      ['b', false],
      ['c', true],
    ]);
    expect(second.at).toBe(first.at);
  });

  it('keeps what it knew of containers that are not asked about any more, or are gone', () => {
    const first = merge(undefined, [container('a'), container('b')]);
    expect(merge(first, []).containers).toEqual(first.containers);
  });

  it('learns that one was started meanwhile, since now it is we who stop it', () => {
    const first = merge(undefined, [container('a', { state: 'exited' })]);
    expect(merge(first, [container('a')]).containers[0]?.wasRunning).toBe(true);
  });

  it('stands where what is taken back has started or thawed a container itself', () => {
    const found = [container('a', { state: 'exited' }), container('b', { state: 'paused' })];
    const first = merge(undefined, found);
    const now = [container('a'), container('b'), container('c')];
    const second = mergeRecord(first, now, { ...request, recordStands: true }, NOW);
    expect(second.containers.slice(0, 2)).toEqual(first.containers);
    expect(second.containers[2]).toMatchObject({ name: 'c', wasRunning: true });
    // Nothing at all ran: as after a crash of the engine, what runs by now is to go on.
    const none = merge(undefined, [container('a', { state: 'exited' })]);
    const after = mergeRecord(none, [container('a')], { ...request, recordStands: true }, NOW);
    expect(after.containers[0]?.wasRunning).toBe(true);
  });

  it('takes one that died with the engine for running where that is asked for', () => {
    const found = [
      container('died', { state: 'exited', exitCode: 255 }),
      container('ended', { state: 'exited', exitCode: 1 }),
    ];
    const ran = (more: object): boolean[] =>
      mergeRecord(undefined, found, { ...request, ...more }, NOW).containers.map(
        ({ wasRunning }) => wasRunning,
      );
    expect(ran({})).toEqual([false, false]);
    expect(ran({ deadWithEngineRan: true })).toEqual([true, false]);
  });

  it('tells paused by us from paused by somebody else', () => {
    const paused = { state: 'paused' } as const;
    const first = merge(undefined, [container('ours'), container('theirs', paused)], 'pause');
    const second = merge(first, [container('ours', paused), container('theirs', paused)], 'pause');
    expect(second.containers.map(({ name, wasPaused }) => [name, wasPaused])).toEqual([
      ['ours', false],
      ['theirs', true],
    ]);
  });

  it('remembers which container ran, also when one was made anew under its name', () => {
    const first = merge(undefined, [container('a')]);
    const second = merge(first, [container('a', { id: 'another', state: 'created' })]);
    expect(second.containers).toMatchObject([{ id: 'id-a', wasRunning: true }]);
  });

  it('takes what another source has stopped for what ran, and how it was held', () => {
    const theirs = merge(undefined, [
      container('stopped'),
      container('was-paused', { state: 'paused' }),
    ]).containers;
    const found = [
      container('stopped', { state: 'exited' }),
      container('was-paused', { state: 'exited' }),
      container('never-ran', { state: 'exited' }),
    ];
    const beside = mergeRecord(undefined, found, { ...request, mode: 'pause' }, NOW, theirs);
    expect(
      beside.containers.map(({ name, wasRunning, wasPaused, mode }) => [
        ...[name, wasRunning, wasPaused, mode],
      ]),
    ).toEqual([
      ['stopped', true, false, 'stop'],
      ['was-paused', true, true, 'stop'],
      ['never-ran', false, false, 'pause'],
    ]);
  });

  it('does not take what another source has paused for paused by its owner', () => {
    const theirs = merge(undefined, [container('a')], 'pause').containers;
    const found = [container('a', { state: 'paused' })];
    const { containers } = mergeRecord(
      undefined,
      found,
      { ...request, mode: 'pause' },
      NOW,
      theirs,
    );
    expect(containers).toMatchObject([{ wasRunning: true, wasPaused: false }]);
  });

  it('stops what crashes time and again, also where it would pause it', () => {
    const crashed = { restartCount: 4, startedAt: '2024-12-12T00:59:30Z' };
    const { containers } = merge(
      undefined,
      [
        container('loop', { state: 'restarting' }),
        container('just-crashed', crashed),
        container('calm', { ...crashed, startedAt: '2024-12-11T00:00:00Z' }),
      ],
      'pause',
    );
    expect(containers.map(({ mode, wasRestarting }) => [mode, wasRestarting ?? false])).toEqual([
      ['stop', true],
      ['pause', true],
      ['pause', false],
    ]);
  });

  it('counts one that is restarting as running', () => {
    expect(merge(undefined, [container('a', { state: 'restarting' })]).containers[0]).toMatchObject(
      {
        wasRunning: true,
        wasPaused: false,
      },
    );
  });
});

describe('all containers up', () => {
  const none: ReadonlySet<string> = new Set();

  it.each(['exited', 'restarting', 'paused', 'created', 'dead'] as const)(
    'is not so while one is %s',
    (state) => {
      const result = containersResult([container('a'), container('b', { state })], none);
      expect(result.ok).toBe(false);
      expect(result.detail).toContain(`b is ${state}`);
      expect(result.detail).not.toContain('a is');
    },
  );

  it.each(['starting', 'unhealthy'] as const)('is not so while one is %s', (health) => {
    const result = containersResult([container('a', { health, healthLog: 'why' })], none);
    expect(result.ok).toBe(false);
    expect(result.detail).toContain('why');
  });

  it('forgives a job that has ended well, but not one that failed', () => {
    const jobs = new Set(['job']);
    const ended = container('job', { state: 'exited' });
    expect(containersResult([container('a'), ended], jobs).ok).toBe(true);
    expect(containersResult([container('a'), ended], none).ok).toBe(false);
    expect(containersResult([container('a'), { ...ended, exitCode: 1 }], jobs).ok).toBe(false);
  });

  it('is another state after a restart, so that passes before and after don’t add up', () => {
    const before = containersResult([container('a')], none);
    const after = containersResult([container('a', { startedAt: 'later', restartCount: 1 })], none);
    expect(after.identity).not.toBe(before.identity);
  });

  it('is believed sooner where all containers have a health check', () => {
    const healthy = container('a', { health: 'healthy' });
    expect(containersResult([healthy], none).passesNeeded).toBe(2);
    expect(containersResult([healthy, container('b')], none).passesNeeded).toBeGreaterThan(2);
  });
});

describe('the start order of a project', () => {
  const names = (containers: readonly ContainerInfo[]): string[] =>
    inStartOrder(containers).map(({ name }) => name);
  const after = (...services: string[]): Partial<ContainerInfo> => ({
    labels: {
      'com.docker.compose.depends_on': services
        .map((service) => `${service}:service_started:false`)
        .join(','),
    },
  });

  it('has dependencies first, whatever the order of creation', () => {
    expect(
      names([
        container('web', after('api')),
        container('api', after('db', 'cache')),
        container('db'),
      ]),
    ).toEqual(['db', 'api', 'web']);
  });

  it('is the order of creation where nothing is known, and ends where there is a circle', () => {
    expect(names([container('b'), container('a')])).toEqual(['b', 'a']);
    expect(names([container('a', after('b')), container('b', after('a'))])).toEqual(['b', 'a']);
  });
});

describe('names', () => {
  it.each(['../x', '..', 'a/../b', 'a/b', 'a?b', '', '-a', 'a b'])(
    'that could name another path are refused: %j',
    (name) => {
      expect(() => assertPlainName(name, 'volume')).toThrow(/not a volume name/);
    },
  );

  it('as the engine allows them are fine', () => {
    expect(assertPlainName('mlopsnew_qdrant-storage.new', 'volume')).toBeTruthy();
    expect(assertPlainName('registry:5000/a/b@sha256:00', 'image')).toBeTruthy();
    expect(assertPlainName('a..b', 'volume')).toBeTruthy();
    expect(assertPlainName('holdfast-read-a..b', 'container')).toBeTruthy();
  });

  it('of images have no step upwards in them', () => {
    expect(() => assertPlainName('a/../b', 'image')).toThrow(/not a image name/);
  });
});

describe('a check in words', () => {
  it('has no credentials of its address', () => {
    const words = describeCheck({
      type: 'http',
      timeout: 1,
      url: 'https://user:hunter2@host:3000/ready?token=s3cret',
      status: 200,
    });
    expect(words).toBe('http https://host:3000/ready');
  });
});
