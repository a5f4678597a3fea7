import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, rename, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { findContainer, startContainer } from '../../../src/docker/containers/containers.js';
import { execCapture } from '../../../src/docker/engine/exec.js';
import type { Engine } from '../../../src/docker/engine/engine.js';
import { HELPER_IMAGE_VARIABLE } from '../../../src/docker/volumes/helper.js';
import {
  asideName,
  discardAside,
  restoreAside,
  stageVolume,
  stagingName,
  swapVolume,
  type SwapRequest,
  type SwapStep,
} from '../../../src/docker/volumes/volume-swap.js';
import { findVolume, inspectVolume } from '../../../src/docker/volumes/volumes.js';
import { runCommand } from '../../../src/base/process/process.js';
import type { VolumeInfo } from '../../../src/format/manifest.js';
import { BASE_IMAGE } from '../../support/docker-images.js';
import { DockerSandbox } from '../../support/docker-sandbox.js';
import { fingerprint, makeTree } from '../../support/docker-tree.js';

const sandbox = new DockerSandbox();
const { engine } = sandbox;
/** An engine whose volumes this process doesn't see. */
const remote: Engine = {
  ...engine,
  info: async () => ({ ...(await engine.info()), remapsUsers: true }),
};
const work = { signal: new AbortController().signal, report: () => undefined };

beforeAll(() => {
  process.env[HELPER_IMAGE_VARIABLE] = BASE_IMAGE;
});
afterAll(async () => {
  await sandbox.remove();
});

interface Way {
  readonly title: string;
  readonly engine: Engine;
  readonly request: Pick<SwapRequest, 'way'>;
  readonly way: 'rename' | 'copy';
}
const ways: Way[] = [
  { title: 'renaming here', engine, request: {}, way: 'rename' },
  { title: 'renaming in a helper', engine: remote, request: {}, way: 'rename' },
  { title: 'copying in a helper', engine: remote, request: { way: 'copy' }, way: 'copy' },
];

let counter = 0;
interface Scene {
  readonly volume: string;
  readonly info: VolumeInfo;
  readonly oldPrint: string;
  readonly newPrint: string;
  readonly staging: string;
}

/** A volume with old content (unless `missing`), and a staging volume with new. */
async function scene(
  labels: Record<string, string> = {},
  { missing = false } = {},
): Promise<Scene> {
  counter += 1;
  const volume = missing
    ? sandbox.name(`swap${counter}`)
    : await sandbox.volume(`swap${counter}`, { labels });
  const info = missing
    ? { name: volume, driver: 'local', options: {}, labels: { made: 'anew' } }
    : await infoOf(volume);
  if (!missing) await makeTree((await inspectVolume(engine, volume)).mountpoint, 'old');
  const staging = await stageVolume(engine, volume, 'r1');
  await makeTree(staging.mountpoint, 'new');
  return {
    volume,
    info,
    oldPrint: missing ? '' : await print(volume),
    newPrint: await print(staging.name),
    staging: staging.name,
  };
}

async function infoOf(volume: string): Promise<VolumeInfo> {
  const { name, driver, options, labels } = await inspectVolume(engine, volume);
  return { name, driver, options, labels };
}

async function print(volume: string): Promise<string> {
  return fingerprint((await inspectVolume(engine, volume)).mountpoint);
}

/** Nothing of a swap is left but what the names say. */
async function leftovers(volume: string): Promise<string[]> {
  const { Volumes } = await sandbox.docker.listVolumes({ filters: { name: [volume] } });
  return Volumes.map(({ Name }) => Name)
    .filter((name) => name.startsWith(volume))
    .sort();
}

function throwAt(step: SwapStep): (now: SwapStep) => void {
  return (now) => {
    if (now === step) throw new Error(`killed before ${step}`);
  };
}

describe.each(ways)('a swap by $title', ({ engine: through, request, way }) => {
  it('brings the new content and keeps the old, each exactly as it was', async () => {
    const { volume, info, oldPrint, newPrint, staging } = await scene();
    const result = await swapVolume(
      through,
      { volume: info, staging, asideId: 'r1', ...request },
      work,
    );
    expect(result).toEqual({ aside: asideName(volume, 'r1'), way });
    expect(await print(volume)).toBe(newPrint);
    if (way === 'rename') expect(await print(asideName(volume, 'r1'))).toBe(oldPrint);
    expect(await infoOf(volume)).toEqual(info);
    expect(await leftovers(volume)).toEqual([volume, asideName(volume, 'r1')]);

    // A second call finds all done.
    expect(
      await swapVolume(through, { volume: info, staging, asideId: 'r1', ...request }, work),
    ).toEqual(result);
    expect(await print(volume)).toBe(newPrint);

    expect(await restoreAside(through, { volume, asideId: 'r1' }, work)).toBe(true);
    expect(await print(volume)).toBe(oldPrint);
    expect(await infoOf(volume)).toEqual(info);
    expect(await leftovers(volume)).toEqual([volume]);
    expect(await restoreAside(through, { volume, asideId: 'r1' }, work)).toBe(false);
    expect(await print(volume)).toBe(oldPrint);
  });

  it.each<SwapStep>(['journal', 'set-aside', 'put-in', 'clean-up'])(
    'that is killed before %s comes to the same end when it is tried again',
    async (step) => {
      const { volume, info, oldPrint, newPrint, staging } = await scene();
      const swap = { volume: info, staging, asideId: 'r1', ...request };
      await expect(swapVolume(through, { ...swap, onStep: throwAt(step) }, work)).rejects.toThrow(
        'killed',
      );
      await swapVolume(through, swap, work);
      expect(await print(volume)).toBe(newPrint);
      expect(await leftovers(volume)).toEqual([volume, asideName(volume, 'r1')]);
      await restoreAside(through, { volume, asideId: 'r1' }, work);
      expect(await print(volume)).toBe(oldPrint);
    },
  );

  it.each<SwapStep>(['set-aside', 'put-in', 'clean-up'])(
    'that is killed before %s can be taken back, also when that is killed in turn',
    async (step) => {
      // Every kill of the undo, where a scene costs no helper containers.
      const undoSteps =
        through === engine
          ? (['journal', 'put-in', 'clean-up', undefined] as const)
          : (['put-in'] as const);
      for (const undoStep of undoSteps) {
        const { volume, info, oldPrint, staging } = await scene();
        const swap = { volume: info, staging, asideId: 'r1', ...request };
        await swapVolume(through, { ...swap, onStep: throwAt(step) }, work).catch(() => undefined);
        if (undoStep !== undefined) {
          await restoreAside(
            through,
            { volume, asideId: 'r1', onStep: throwAt(undoStep) },
            work,
          ).catch(() => undefined);
        }
        await restoreAside(through, { volume, asideId: 'r1' }, work);
        expect(await print(volume)).toBe(oldPrint);
        expect(await infoOf(volume)).toEqual(info);
        expect(await leftovers(volume)).toEqual([volume]);
      }
    },
    240_000,
  );

  it('of a volume that was missing makes it as it was backed up, and undone it is gone again', async () => {
    const steps =
      through === engine
        ? (['journal', 'create', 'put-in', 'clean-up', undefined] as const)
        : (['create'] as const);
    for (const step of steps) {
      const { volume, info, newPrint, staging } = await scene({}, { missing: true });
      const swap = { volume: info, staging, asideId: 'r1', ...request };
      if (step !== undefined) {
        await expect(swapVolume(through, { ...swap, onStep: throwAt(step) }, work)).rejects.toThrow(
          'killed',
        );
      }
      expect(await swapVolume(through, swap, work)).toEqual({ way });
      expect(await print(volume)).toBe(newPrint);
      expect(await infoOf(volume)).toEqual(info);
      await restoreAside(through, { volume, asideId: 'r1' }, work);
      expect(await leftovers(volume)).toEqual([]);
    }
  }, 120_000);

  it('gives the volume the labels it was backed up with, and undone those it had', async () => {
    const steps =
      through === engine
        ? (['remove', 're-create', 'put-in', undefined] as const)
        : (['re-create'] as const);
    for (const step of steps) {
      const { volume, info, oldPrint, newPrint, staging } = await scene({ now: 'b' });
      const wanted = { ...info, labels: { ...info.labels, now: 'a' } };
      const swap = { volume: wanted, staging, asideId: 'r1', ...request };
      if (step !== undefined) {
        await expect(swapVolume(through, { ...swap, onStep: throwAt(step) }, work)).rejects.toThrow(
          'killed',
        );
      }
      await swapVolume(through, swap, work);
      expect(await infoOf(volume)).toEqual(wanted);
      expect(await print(volume)).toBe(newPrint);
      await restoreAside(through, { volume, asideId: 'r1' }, work);
      expect(await infoOf(volume)).toEqual(info);
      expect(await print(volume)).toBe(oldPrint);
    }
  }, 120_000);

  it('keeps stopped containers working, though their volume’s labels can’t be changed then', async () => {
    const { volume, info, staging } = await scene({ now: 'b' });
    const name = await sandbox.container(`app-${volume}`, {
      volumes: { [volume]: '/data' },
      start: false,
    });
    const wanted = { ...info, labels: { ...info.labels, now: 'a' } };
    await swapVolume(through, { volume: wanted, staging, asideId: 'r1', ...request }, work);
    expect(await infoOf(volume)).toEqual(info);
    await startContainer(engine, name);
    const read = await execCapture(engine, { container: name, argv: ['cat', '/data/file'] });
    expect(read.stdout).toBe('content of new\n');
    await expect(restoreAside(through, { volume, asideId: 'r1' }, work)).rejects.toMatchObject({
      code: 'VOLUME_IN_USE',
      facts: { containers: [name] },
    });
    await sandbox.docker.getContainer(name).stop({ t: 0 });
    await restoreAside(through, { volume, asideId: 'r1' }, work);
    await startContainer(engine, name);
    const again = await execCapture(engine, { container: name, argv: ['cat', '/data/file'] });
    expect(again.stdout).toBe('content of old\n');
  });

  it('is refused while a container runs with the volume, and changes nothing', async () => {
    const { volume, info, oldPrint, staging } = await scene();
    const user = await sandbox.container(`running-${volume}`, { volumes: { [volume]: '/data' } });
    const swap = { volume: info, staging, asideId: 'r1', ...request };
    await expect(swapVolume(through, swap, work)).rejects.toMatchObject({
      code: 'VOLUME_IN_USE',
      facts: { containers: [user] },
    });
    expect(await print(volume)).toBe(oldPrint);
    expect(await leftovers(volume)).toEqual([volume, stagingName(volume, 'r1')]);
  });
});

it('a swap back that can’t tell where the old content lies throws nothing away', async () => {
  const { volume, info, oldPrint, staging } = await scene();
  const swap = { volume: info, staging, asideId: 'r1' };
  await swapVolume(engine, { ...swap, onStep: throwAt('set-aside') }, work).catch(() => undefined);
  const before = await leftovers(volume);
  const { mountpoint } = await inspectVolume(engine, volume);
  // Something is mounted over it: its directories can't be told apart any more.
  await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', mountpoint]);
  try {
    await expect(restoreAside(engine, { volume, asideId: 'r1' }, work)).rejects.toMatchObject({
      ...{ code: 'INTEGRITY', facts: { volume, aside: asideName(volume, 'r1') } },
    });
    expect(await leftovers(volume)).toEqual(before);
  } finally {
    await runCommand('umount', [mountpoint]);
  }
  // Somebody has moved it elsewhere: in neither of the two.
  await rename(mountpoint, `${mountpoint}-moved`);
  await mkdir(mountpoint);
  await expect(restoreAside(engine, { volume, asideId: 'r1' }, work)).rejects.toMatchObject({
    code: 'INTEGRITY',
  });
  await rmdir(mountpoint);
  await rename(`${mountpoint}-moved`, mountpoint);
  await restoreAside(engine, { volume, asideId: 'r1' }, work);
  expect(await print(volume)).toBe(oldPrint);
  expect(await leftovers(volume)).toEqual([volume]);
});

it('a helper that a killed attempt has left running does not go on writing during the next', async () => {
  const { volume, info, staging, newPrint } = await scene();
  const writer = await sandbox.container(`orphan-${volume}`, {
    command: 'while :; do date >/volume/file; sleep 0.05; done',
    volumes: { [volume]: '/volume' },
    labels: { 'dev.holdfast.helper': '1' },
  });
  await swapVolume(engine, { volume: info, staging, asideId: 'r1', way: 'copy' }, work);
  expect(await findContainer(engine, writer)).toBeUndefined();
  expect(await print(volume)).toBe(newPrint);
});

describe('while a swap by renaming is half done', () => {
  it('containers with the volume do not start on an empty one', async () => {
    const { volume, info, staging } = await scene();
    const name = await sandbox.container('half', { volumes: { [volume]: '/data' }, start: false });
    const swap = { volume: info, staging, asideId: 'r1' };
    await swapVolume(engine, { ...swap, onStep: throwAt('put-in') }, work).catch(() => undefined);
    await expect(startContainer(engine, name)).rejects.toMatchObject({ code: 'DOCKER_FAILED' });
    await swapVolume(engine, swap, work);
    await startContainer(engine, name);
    expect((await findContainer(engine, name))?.state).toBe('running');
  });

  it('the safety copy can’t be thrown away: it may be the only copy', async () => {
    const { volume, info, staging, oldPrint } = await scene();
    const swap = { volume: info, staging, asideId: 'r1' };
    await swapVolume(engine, { ...swap, onStep: throwAt('put-in') }, work).catch(() => undefined);
    await expect(discardAside(engine, volume, 'r1')).rejects.toMatchObject({ code: 'INTEGRITY' });
    await swapVolume(engine, swap, work);
    expect(await print(asideName(volume, 'r1'))).toBe(oldPrint);
    await discardAside(engine, volume, 'r1');
    await discardAside(engine, volume, 'r1');
    expect(await leftovers(volume)).toEqual([volume]);
  });

  it('a lost staging volume is an error, not a finished swap', async () => {
    for (const way of [undefined, 'copy'] as const) {
      const { volume, info, staging, oldPrint } = await scene();
      const swap = { volume: info, staging, asideId: 'r1', ...(way && { way }) };
      await swapVolume(engine, { ...swap, onStep: throwAt('put-in') }, work).catch(() => undefined);
      await sandbox.docker.getVolume(staging).remove();
      await expect(swapVolume(engine, swap, work)).rejects.toMatchObject({ code: 'INTEGRITY' });
      await restoreAside(engine, { volume, asideId: 'r1' }, work);
      expect(await print(volume)).toBe(oldPrint);
    }
  });
});

describe('a volume with a device behind it', () => {
  it('is swapped by copying, and taken back', async () => {
    const device = await sandbox.directory();
    const volume = await sandbox.volume('device', {
      driverOptions: { type: 'none', o: 'bind', device },
    });
    await makeTree(device, 'old');
    const before = await fingerprint(device);
    const staging = await stageVolume(engine, volume, 'r1');
    await makeTree(staging.mountpoint, 'new');
    const wanted = await fingerprint(staging.mountpoint);
    const info = await infoOf(volume);
    const swap = { volume: info, staging: staging.name, asideId: 'r1' };
    expect(await swapVolume(engine, swap, work)).toMatchObject({ way: 'copy' });
    expect(await fingerprint(device)).toBe(wanted);
    await restoreAside(engine, { volume, asideId: 'r1' }, work);
    expect(await fingerprint(device)).toBe(before);
  });

  it.each([
    ['that is missing on this host, with data still on the device', false],
    ['that was missing, and is removed again before it is taken back', true],
  ])('%s, loses none of it', async (_, removedSince) => {
    const device = await sandbox.directory();
    await makeTree(device, 'old');
    const before = await fingerprint(device);
    const volume = sandbox.name(`device-missing-${removedSince}`);
    const info = {
      name: volume,
      driver: 'local',
      options: { type: 'none', o: 'bind', device },
      labels: {},
    };
    const staging = await stageVolume(engine, volume, 'r1');
    await makeTree(staging.mountpoint, 'new');
    await swapVolume(engine, { volume: info, staging: staging.name, asideId: 'r1' }, work);
    expect(await fingerprint(device)).not.toBe(before);
    if (removedSince) await sandbox.docker.getVolume(volume).remove();
    await restoreAside(engine, { volume, asideId: 'r1' }, work);
    expect(await findVolume(engine, volume)).toBeUndefined();
    expect(await fingerprint(device)).toBe(before);
  });

  it('replaces a plain one only if the device is empty', async () => {
    const { volume, info, staging, oldPrint } = await scene();
    const device = path.join(await sandbox.directory(), 'device');
    await mkdir(device);
    await writeFile(path.join(device, 'foreign'), 'data');
    const wanted = { ...info, options: { type: 'none', o: 'bind', device } };
    const swap = { volume: wanted, staging, asideId: 'r1' };
    await expect(swapVolume(engine, swap, work)).rejects.toMatchObject({ code: 'INTEGRITY' });
    await restoreAside(engine, { volume, asideId: 'r1' }, work);
    expect(await print(volume)).toBe(oldPrint);
    expect(await infoOf(volume)).toEqual(info);

    const second = await stageVolume(engine, volume, 'r2');
    await makeTree(second.mountpoint, 'new');
    const secondPrint = await print(second.name);
    const empty = await sandbox.directory();
    const wantedToo = { ...info, options: { type: 'none', o: 'bind', device: empty } };
    await swapVolume(engine, { volume: wantedToo, staging: second.name, asideId: 'r2' }, work);
    expect(await fingerprint(empty)).toBe(secondPrint);
  });

  it('can’t replace one that a stopped container refers to, and says so before it begins', async () => {
    const { volume, info, staging, oldPrint } = await scene();
    const user = await sandbox.container('refers', { volumes: { [volume]: '/d' }, start: false });
    const device = await sandbox.directory();
    const wanted = { ...info, options: { type: 'none', o: 'bind', device } };
    await expect(
      swapVolume(engine, { volume: wanted, staging, asideId: 'r1' }, work),
    ).rejects.toMatchObject({ code: 'VOLUME_IN_USE', facts: { containers: [user] } });
    expect(await print(volume)).toBe(oldPrint);
    expect(await findVolume(engine, asideName(volume, 'r1'))).toBeUndefined();
  });
});
