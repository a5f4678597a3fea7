/** What the engine and compose refuse for good is told at once, and not tried for minutes. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { composeUp } from '../../../src/docker/compose/compose.js';
import { startContainer } from '../../../src/docker/containers/containers.js';
import { HELPER_IMAGE_VARIABLE } from '../../../src/docker/volumes/helper.js';
import { requireVolume, volumeTrouble } from '../../../src/docker/volumes/volume-needs.js';
import { inspectVolume } from '../../../src/docker/volumes/volumes.js';
import { HoldfastError } from '../../../src/base/errors.js';
import { BASE_IMAGE } from '../../support/docker-images.js';
import { DockerSandbox } from '../../support/docker-sandbox.js';

const sandbox = new DockerSandbox();
const { engine } = sandbox;
const { signal } = new AbortController();
const before = process.env[HELPER_IMAGE_VARIABLE];
let there: string;
let taken: Server;
let port: number;

beforeAll(async () => {
  process.env[HELPER_IMAGE_VARIABLE] = BASE_IMAGE;
  there = await sandbox.directory();
  taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '0.0.0.0', resolve));
  const address = taken.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
});
afterAll(async () => {
  if (before === undefined) Reflect.deleteProperty(process.env, HELPER_IMAGE_VARIABLE);
  else process.env[HELPER_IMAGE_VARIABLE] = before;
  taken.close();
  await sandbox.remove();
});

async function refusal(attempt: Promise<unknown>): Promise<HoldfastError> {
  const error: unknown = await attempt.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (error instanceof HoldfastError) return error;
  throw new Error(`no refusal: ${String(error)}`);
}

function bound(device: string): Record<string, string> {
  return { type: 'none', o: 'bind', device };
}

describe('a volume that can not be read', () => {
  const trouble = async (suffix: string, driverOptions: Record<string, string>) =>
    volumeTrouble(
      engine,
      await inspectVolume(engine, await sandbox.volume(suffix, { driverOptions })),
      { mount: true },
    );

  it('is known by its missing directory, and by a file server that refuses', async () => {
    expect(await trouble('plain', {})).toBeUndefined();
    expect(await trouble('bound', bound(there))).toBeUndefined();
    expect(await trouble('memory', { type: 'tmpfs', device: 'tmpfs' })).toBeUndefined();
    expect(await trouble('gone', bound(`${there}/gone`))).toMatchObject({
      code: 'device',
      message: expect.stringContaining(`${there}/gone, is not there`),
    });
    expect(
      await trouble('nfs', { type: 'nfs', o: 'addr=127.0.0.1,soft,timeo=10', device: ':/none' }),
    ).toMatchObject({ code: 'mount' });
    expect(
      await trouble('cifs', { type: 'cifs', o: 'username=x,password=y', device: '//127.0.0.1/x' }),
    ).toMatchObject({ code: 'mount' });
    // A restore's volume that is not here yet is tried under another name.
    const missing = { name: sandbox.name('none'), driver: 'local' };
    expect(
      await volumeTrouble(
        engine,
        { ...missing, options: { type: 'ext4', device: '/dev/holdfast-none' } },
        { mount: true },
      ),
    ).toMatchObject({ code: 'mount' });
    const { Volumes } = await engine.docker.listVolumes({
      filters: { label: ['dev.holdfast.probe=1'] },
    });
    expect(Volumes.filter(({ Options }) => Options?.['device'] === '/dev/holdfast-none')).toEqual(
      [],
    );
  });

  it('is known by the helper image that is not there', async () => {
    process.env[HELPER_IMAGE_VARIABLE] = 'holdfast-no-such-image:1';
    try {
      const volume = await inspectVolume(engine, sandbox.name('bound'));
      expect(await volumeTrouble(engine, volume, { mount: true })).toMatchObject({
        code: 'helper-image',
      });
      const error = await refusal(requireVolume(engine, volume));
      expect(error).toMatchObject({ code: 'DOCKER_FAILED', retryable: false });
    } finally {
      process.env[HELPER_IMAGE_VARIABLE] = BASE_IMAGE;
    }
  });
});

describe('a refusal for good', () => {
  it('of the engine: a missing image, a mount that can not be made', async () => {
    const make = engine.call({ action: 'create', container: sandbox.name('x') }, (abortSignal) =>
      engine.docker.createContainer({ Image: 'holdfast-no-such-image:1', abortSignal }),
    );
    expect(await refusal(make)).toMatchObject({ code: 'DOCKER_FAILED', retryable: false });
    const gone = sandbox.name('gone');
    const held = await sandbox.container('held', { volumes: { [gone]: '/data' }, start: false });
    expect(await refusal(startContainer(engine, held))).toMatchObject({
      code: 'DOCKER_FAILED',
      retryable: false,
    });
  });

  it('of compose', async () => {
    const files: Record<string, string> = {
      image: `services: { web: { image: "holdfast-no-such-image:1" } }`,
      port: `services: { web: { image: "${BASE_IMAGE}", command: sleep 60, ports: ["${port}:80"] } }`,
      network: `services: { web: { image: "${BASE_IMAGE}", networks: [n] } }\nnetworks: { n: { external: true, name: "${sandbox.name('n')}" } }`,
      volume: `services: { web: { image: "${BASE_IMAGE}", volumes: ["v:/v"] } }\nvolumes: { v: { external: true, name: "${sandbox.name('v')}" } }`,
      device: `services: { web: { image: "${BASE_IMAGE}", network_mode: none, volumes: ["v:/v"] } }\nvolumes: { v: { driver: local, driver_opts: { type: none, o: bind, device: "${there}/none" } } }`,
      invalid: `services: { web: { image: "${BASE_IMAGE}", imagee: x } }`,
    };
    const outcomes: Record<string, unknown> = {};
    for (const [kind, text] of Object.entries(files)) {
      const home = path.join(there, kind);
      await mkdir(home);
      await writeFile(path.join(home, 'docker-compose.yml'), `version: "3.5"\n${text}\n`);
      const { code, retryable, message } = await refusal(
        composeUp({
          home,
          files: ['docker-compose.yml'],
          project: sandbox.name(kind),
          signal,
        }),
      );
      outcomes[kind] = retryable ? message : code;
    }
    // What a registry that does not answer says of an image may be otherwise in a minute.
    const { image, ...others } = outcomes;
    expect(image).toMatch(/COMPOSE_FAILED|holdfast-no-such-image|dial|lookup/);
    expect([...new Set(Object.values(others))]).toEqual(['COMPOSE_FAILED']);
    for (const kind of Object.keys(files)) {
      const network = engine.docker.getNetwork(`${sandbox.name(kind)}_default`);
      await network.remove().catch(() => undefined);
    }
  });
});
