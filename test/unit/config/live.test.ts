import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LiveConfig } from '../../../src/config/live.js';
import { loadConfig } from '../../../src/config/load.js';
import { configVersions } from '../../../src/config/config-versions.js';

let directory: string;
let file: string;

const text = (service: string, stack = 'home'): string => `version: 1
stack: ${stack}
host: { id: here }
backups: { root: ${directory} }
services:
  ${service}: { home: /srv, sources: { data: { kind: files } } }
`;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-live-'));
  file = path.join(directory, 'holdfast.yaml');
  await writeFile(file, text('one'));
});
afterEach(() => rm(directory, { recursive: true }));

const start = async (): Promise<LiveConfig> =>
  new LiveConfig(await loadConfig(file), configVersions);

describe('the configuration of a running worker', () => {
  test('a run keeps the version it began with, its children too, and the next has the new one', async () => {
    const live = await start();
    const { config: first } = await live.refresh();
    live.bind('run/1', first);
    await writeFile(file, text('two'));
    const { config: second } = await live.refresh();
    live.bind('run/2', second);
    expect(Object.keys((await live.versionFor('run/1')).services)).toEqual(['one']);
    expect(Object.keys((await live.versionFor('run/1/child')).services)).toEqual(['one']);
    expect(Object.keys((await live.versionFor('run/2')).services)).toEqual(['two']);
    expect(Object.keys((await live.versionFor('other', first.digest)).services)).toEqual(['one']);
  });

  test('a worker that is started anew still has the version of a run that goes on', async () => {
    const before = await start();
    const { config: first } = await before.refresh();
    await writeFile(file, text('two'));
    const after = await start();
    expect(await after.versionFor('run/1', first.digest)).toEqual(first);
  });

  test.each([
    ['a typo', (): Promise<void> => writeFile(file, text('one').replace('sources', 'sauces'))],
    ['an empty file', (): Promise<void> => writeFile(file, '')],
    ['no file', (): Promise<void> => rm(file)],
    ['bytes that are no text', (): Promise<void> => writeFile(file, Buffer.from([0xff, 0xfe]))],
    ['another stack', (): Promise<void> => writeFile(file, text('one', 'other'))],
  ])('%s keeps the last good version, and says so until it is mended', async (_what, spoil) => {
    const live = await start();
    await spoil();
    const { config, trouble } = await live.refresh();
    expect(config.stack).toBe('home');
    expect(Object.keys(config.services)).toEqual(['one']);
    expect(trouble?.message).toContain(file);
    await writeFile(file, text('two'));
    expect(await live.refresh()).toMatchObject({ config: { services: { two: {} } } });
    expect(live.state.trouble).toBeUndefined();
  });
});
