import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { findContainer } from '../../../src/docker/containers/containers.js';
import {
  HELPER_IMAGE_VARIABLE,
  helperImage,
  runHelper,
  startHelper,
} from '../../../src/docker/volumes/helper.js';
import { findVolume } from '../../../src/docker/volumes/volumes.js';
import { BASE_IMAGE } from '../../support/docker-images.js';
import { DockerSandbox } from '../../support/docker-sandbox.js';

const sandbox = new DockerSandbox();
const { engine } = sandbox;
const { signal } = new AbortController();
let imageBefore: string | undefined;

beforeEach(() => {
  imageBefore = process.env[HELPER_IMAGE_VARIABLE];
  process.env[HELPER_IMAGE_VARIABLE] = BASE_IMAGE;
});
afterEach(() => {
  if (imageBefore === undefined) Reflect.deleteProperty(process.env, HELPER_IMAGE_VARIABLE);
  else process.env[HELPER_IMAGE_VARIABLE] = imageBefore;
});
afterAll(() => sandbox.remove());

describe('a helper container', () => {
  it('gives its output and exit code, and is gone afterwards', async () => {
    const name = sandbox.name('helper');
    const result = await runHelper(engine, {
      name,
      argv: ['sh', '-c', 'echo out; echo err >&2; pwd; id -u; exit 4'],
      mounts: [],
      workingDirectory: '/var',
      signal,
    });
    expect(result).toEqual({ exitCode: 4, stdout: 'out\n/var\n0\n', stderr: 'err\n' });
    expect(await findContainer(engine, name)).toBeUndefined();
  });

  it('carries any bytes through stdin and stdout unchanged', async () => {
    const bytes = randomBytes(20 * 1024 * 1024);
    const hash = createHash('sha256');
    const running = await startHelper(engine, {
      name: sandbox.name('bytes'),
      argv: ['cat'],
      mounts: [],
      signal,
      input: Readable.from([bytes.subarray(0, 7_000_000), bytes.subarray(7_000_000)]),
    });
    for await (const chunk of running.stdout as AsyncIterable<Buffer>) hash.update(chunk);
    expect(await running.done).toEqual({ exitCode: 0 });
    expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('takes the place of what a killed attempt has left under its name', async () => {
    await sandbox.container('left-over');
    const { stdout } = await runHelper(engine, {
      name: sandbox.name('left-over'),
      argv: ['echo', 'mine'],
      mounts: [],
      signal,
    });
    expect(stdout).toBe('mine\n');
  });

  it('is killed and removed when the run is cancelled, though it ignores SIGTERM', async () => {
    const controller = new AbortController();
    const name = sandbox.name('cancelled');
    const running = await startHelper(engine, {
      name,
      argv: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done'],
      mounts: [],
      signal: controller.signal,
    });
    const reason = new Error('cancelled by the test');
    controller.abort(reason);
    await expect(running.done).rejects.toBe(reason);
    expect(await findContainer(engine, name)).toBeUndefined();
  });

  it('does not make a volume that is missing, nor fill one that is empty', async () => {
    const missing = sandbox.name('missing');
    await expect(
      runHelper(engine, {
        name: sandbox.name('mounts'),
        argv: ['true'],
        mounts: [{ type: 'volume', source: missing, target: '/etc' }],
        signal,
      }),
    ).rejects.toMatchObject({ code: 'VOLUME_NOT_FOUND' });
    expect(await findVolume(engine, missing)).toBeUndefined();
    const empty = await sandbox.volume('empty');
    const { stdout } = await runHelper(engine, {
      name: sandbox.name('mounts'),
      argv: ['ls', '-A', '/usr/share'],
      mounts: [{ type: 'volume', source: empty, target: '/usr/share', readOnly: true }],
      signal,
    });
    expect(stdout).toBe('');
  });

  it('fails as a whole, and leaves nothing, when its command can’t be started', async () => {
    const name = sandbox.name('no-command');
    await expect(
      runHelper(engine, { name, argv: ['no-such-command'], mounts: [], signal }),
    ).rejects.toMatchObject({ code: expect.stringMatching(/DOCKER_FAILED|CONTAINER_NOT_FOUND/) });
    expect(await findContainer(engine, name)).toBeUndefined();
  });

  it('needs an image that is on the host, and says how to name one', async () => {
    process.env[HELPER_IMAGE_VARIABLE] = 'holdfast-no-such-image:never';
    await expect(helperImage(engine)).rejects.toMatchObject({
      code: 'DOCKER_FAILED',
      facts: { image: 'holdfast-no-such-image:never' },
      hint: expect.stringContaining(HELPER_IMAGE_VARIABLE),
    });
  });
});
