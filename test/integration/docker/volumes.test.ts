import { afterAll, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  createVolume,
  findVolume,
  inspectVolume,
  readableMountpoint,
  removeVolume,
  volumeDifferences,
  volumeSizeBytes,
  volumeUsers,
} from '../../../src/docker/volumes/volumes.js';
import type { Engine } from '../../../src/docker/engine/engine.js';
import { DockerSandbox } from '../../support/docker-sandbox.js';

const sandbox = new DockerSandbox();
const { engine } = sandbox;
afterAll(() => sandbox.remove());

describe('a volume', () => {
  it('is made again with the same driver, options and labels', async () => {
    const directory = await sandbox.directory();
    const name = await sandbox.volume('same', {
      driverOptions: { type: 'none', o: 'bind', device: directory },
      labels: { 'com.docker.compose.project': 'p', 'com.docker.compose.volume': 'v' },
    });
    const before = await inspectVolume(engine, name);
    await removeVolume(engine, name);
    expect(await findVolume(engine, name)).toBeUndefined();
    await createVolume(engine, before);
    expect(await inspectVolume(engine, name)).toEqual(before);
    await createVolume(engine, before); // and once more
  });

  it('that exists with other settings is never taken for the wanted one', async () => {
    const name = await sandbox.volume('other', { labels: { a: '1' } });
    const info = await inspectVolume(engine, name);
    await expect(createVolume(engine, { ...info, labels: { a: '2' } })).rejects.toMatchObject({
      code: 'VOLUME_IN_USE',
      facts: { differences: ['labels'] },
    });
    await expect(
      createVolume(engine, { ...info, options: { type: 'tmpfs', device: 'tmpfs' } }),
    ).rejects.toMatchObject({ facts: { differences: ['options'] } });
    expect(await inspectVolume(engine, name)).toEqual(info);
  });

  it('that a stopped container refers to is not removed, and the container is named', async () => {
    const name = await sandbox.volume('referred');
    const user = await sandbox.container('user', { volumes: { [name]: '/data' }, start: false });
    await expect(removeVolume(engine, name)).rejects.toMatchObject({
      code: 'VOLUME_IN_USE',
      facts: { containers: [user] },
    });
    expect((await volumeUsers(engine, name)).map((each) => each.name)).toEqual([user]);
  });

  it('that is missing is removed already, and found by nobody', async () => {
    await removeVolume(engine, sandbox.name('nothing'));
    await expect(inspectVolume(engine, sandbox.name('nothing'))).rejects.toMatchObject({
      code: 'VOLUME_NOT_FOUND',
    });
  });

  it('has a size, or none when the engine takes too long to tell', async () => {
    const name = await sandbox.volume('sized');
    const { mountpoint } = await inspectVolume(engine, name);
    await writeFile(path.join(mountpoint, 'file'), Buffer.alloc(300_000, 1));
    expect(await volumeSizeBytes(engine, name)).toBeGreaterThanOrEqual(300_000);
    expect(await volumeSizeBytes(engine, name, 1)).toBeUndefined();
  });

  it('cannot be named like a path', async () => {
    await expect(inspectVolume(engine, '../containers/json')).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
  });

  it('differs by driver, options or labels, whatever their order', () => {
    const info = { name: 'a', driver: 'local', options: { x: '1', y: '2' }, labels: {} };
    expect(volumeDifferences(info, { ...info, options: { y: '2', x: '1' } })).toEqual([]);
    expect(volumeDifferences(info, { ...info, driver: 'nfs', labels: { l: '' } })).toEqual([
      'driver',
      'labels',
    ]);
  });
});

describe('the mountpoint', () => {
  it('of a plain local volume is read directly', async () => {
    const name = await sandbox.volume('plain');
    const { mountpoint } = await inspectVolume(engine, name);
    expect(await readableMountpoint(engine, name)).toBe(mountpoint);
  });

  it('of a volume with a device is not: it is empty while the volume is not in use', async () => {
    const device = await sandbox.directory();
    const bind = await sandbox.volume('bind', {
      driverOptions: { type: 'none', o: 'bind', device },
    });
    const tmpfs = await sandbox.volume('tmpfs', {
      driverOptions: { type: 'tmpfs', device: 'tmpfs' },
    });
    expect(await readableMountpoint(engine, bind)).toBeUndefined();
    expect(await readableMountpoint(engine, tmpfs)).toBeUndefined();
  });

  it('is not used where the engine’s volumes are not those of this process', async () => {
    const name = await sandbox.volume('elsewhere');
    // As in a container with a directory of its own at the engine's path.
    const docker = Object.create(engine.docker) as Engine['docker'];
    docker.createVolume = (() => Promise.resolve({})) as never;
    const elsewhere: Engine = { ...engine, docker };
    await expect(readableMountpoint(elsewhere, name)).rejects.toMatchObject({
      code: 'VOLUME_NOT_FOUND',
    });
    const shifted: Engine = {
      ...engine,
      info: async () => ({ ...(await engine.info()), remapsUsers: true }),
    };
    expect(await readableMountpoint(shifted, name)).toBeUndefined();
  });

  it('leaves no probe behind', async () => {
    const { Volumes } = await sandbox.docker.listVolumes({
      filters: { label: ['dev.holdfast.probe'] },
    });
    expect(Volumes).toEqual([]);
  });
});
