/** The CLI as its user starts it, for what needs no Temporal: usage, configuration, sets on disk. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startCommand } from '../../../src/base/process/process.js';
import { makePlace, PLAIN_ENV, type Place } from '../cli-support/place.js';
import { cliMain, nodeArgs } from '../cli-support/run.js';
import { writeSet } from '../cli-support/sets.js';

let place: Place;
let directory: string;
let root: string;
let config: string;
beforeEach(async () => {
  place = await makePlace();
  ({ directory, root, config } = place);
});
afterEach(async () => {
  await place.remove();
});

describe('usage', () => {
  test('--help and --version succeed on standard output', async () => {
    const help = await place.cli(['--help']);
    expect(help).toMatchObject({ exitCode: 0, stderr: '' });
    expect(help.stdout).toContain('Examples:');
    const version = await place.cli(['--version']);
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test.each([
    [['bakup'], 'unknown command'],
    [['list', '--rot', '/x'], 'unknown option'],
    [['backup', '--tier', 'hourly'], 'hourly'],
    [['backup', '--service', ','], 'at least one service'],
    [['up', '--port', '99999'], '65535'],
    [['show'], 'missing required argument'],
    [['show', 'yesterday'], 'is not a set'],
    [['restore', '2024', '--yes'], 'is not a set'],
    [[], 'a command is missing'],
    [['config'], 'a command is missing'],
  ])('%j ends with 2 and says what is wrong', async (args, words) => {
    const { exitCode, stdout, stderr } = await place.cli(args);
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(`error: `);
    expect(stderr).toContain(words);
    expect(stderr).toContain('hint: ');
    expect(stderr).toContain('code: USAGE');
  });

  test('with --json a usage error is one JSON object too', async () => {
    const { exitCode, stdout, stderr } = await place.cli(['list', '--json', '--bad']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'USAGE', hint: expect.any(String) },
    });
  });
});

describe('configuration', () => {
  test('a missing file ends with 2', async () => {
    const { exitCode, stderr } = await place.cli(['-c', '/no/such/file', 'backup']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('code: CONFIG_NOT_FOUND');
  });

  test('all problems are told at once', async () => {
    await writeFile(config, 'version: 1\nstack: m l\nservices:\n  a: { after: [b] }\n');
    const { exitCode, stderr } = await place.cli(['config', 'check']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('stack');
    expect(stderr).toContain('services.a.after[0]');
    const { stdout } = await place.cli(['config', 'check', '--json']);
    const { error } = JSON.parse(stdout) as { error: { facts: { problems: string[] } } };
    expect(error.facts.problems.length).toBeGreaterThan(1);
  });

  test('a good one is summed up, with the order services start in', async () => {
    const { exitCode, stdout } = await place.cli(['config', 'check']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^OK {2}/);
    expect(stdout).toContain('pgdb → agent');
    expect(stdout).toContain('2 services, 2 sources');
    const { stdout: json } = await place.cli(['--json', 'config', 'check']);
    expect(JSON.parse(json)).toMatchObject({
      ok: true,
      stack: 'ml',
      root,
      order: [['pgdb'], ['agent']],
    });
  });

  test('the schema is JSON Schema', async () => {
    const { stdout } = await place.cli(['config', 'schema']);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'object', properties: expect.anything() });
  });
});

describe('list and show', () => {
  test('an empty store is no error, a missing one is', async () => {
    expect(await place.cli(['list'])).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse((await place.cli(['list', '--json'])).stdout)).toEqual({
      root,
      sets: [],
      diskBytes: 0,
      unreadable: [],
      oldSets: [],
      unknownFiles: [],
    });
    await rm(root, { recursive: true });
    expect(await place.cli(['list'])).toMatchObject({ exitCode: 2, stdout: '' });
  });

  test('list shows the newest set first, also without a configuration', async () => {
    await writeSet(root, { id: '20241211_010000', finishedAt: new Date(Date.now() - 9e7) });
    await writeSet(root, { id: '20241212_010000' });
    await rm(config);
    const { exitCode, stdout } = await place.cli(['list', '--root', root]);
    expect(exitCode).toBe(0);
    const [header, first, second] = stdout.split('\n');
    // Into a pipe all columns there are, and nothing cut.
    expect(header).toMatch(
      /^SET +TIER +STATUS +AGE +SERVICES +CONTENT +STORED +FREES +VERIFIED +DRILLED +PROBLEMS$/,
    );
    expect(first).toContain('pgdb, mlopsnew, agent, webbot');
    expect(first).toMatch(/^20241212_010000 +daily +success +3h /);
    expect(second).toMatch(/^20241211_010000 /);
  });

  test('list --json tells sizes as numbers and names the problems', async () => {
    const problem = { service: 'agent', source: 'data', code: 'INTEGRITY', message: 'changed' };
    await writeSet(root, { id: '20241212_010000', status: 'degraded', problems: [problem] });
    const { stdout } = await place.cli(['list', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      sets: [
        {
          id: '20241212_010000',
          tier: 'daily',
          status: 'degraded',
          contentBytes: expect.any(Number),
          storedBytes: expect.any(Number),
          services: ['pgdb', 'mlopsnew', 'agent', 'webbot'],
          problems: [problem],
        },
      ],
    });
  });

  test('a damaged set file is warned of, does not hide the others, and is not "fine"', async () => {
    await writeSet(root, { id: '20241212_010000' });
    await writeFile(path.join(root, 'sets', '20241213_010000-daily.json'), '{');
    const { exitCode, stdout, stderr } = await place.cli(['list']);
    expect(exitCode).toBe(3);
    expect(stdout).toContain('20241212_010000');
    expect(stderr).toContain('warning: sets/20241213_010000-daily.json cannot be read');
  });

  test('show names every artifact with its path, and the restore command', async () => {
    const set = await writeSet(root, { id: '20241212_010000' });
    const { exitCode, stdout } = await place.cli(['show', '20241212_010000']);
    expect(exitCode).toBe(0);
    // In one line with its source: what is cut or folded can't be searched for.
    for (const { service, source, path: place } of set.artifacts) {
      const line = stdout.split('\n').find((one) => one.includes(`${service}/${source} `));
      expect(line).toContain(place);
    }
    expect(stdout).toContain('holdfast restore 20241212_010000-daily');
    expect(stdout).toContain('decode 3h ago');
    expect(stdout).toContain('changed while read, as expected');
  });

  test('show --json is complete: the set’s fields, each artifact with its manifest', async () => {
    await writeSet(root, { id: '20241212_010000' });
    const { stdout } = await place.cli(['show', 'latest', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      id: '20241212_010000',
      restoreCommand: 'holdfast restore 20241212_010000-daily',
      artifacts: expect.arrayContaining([
        expect.objectContaining({
          source: 'pgdump',
          manifestState: 'ok',
          manifest: expect.objectContaining({ format: 'holdfast-artifact' }),
          lastVerification: expect.objectContaining({ level: 'decode', ok: true }),
        }),
      ]),
    });
  });

  test('a set whose manifest was altered or lost is not shown as whole', async () => {
    const set = await writeSet(root, { id: '20241212_010000', without: ['grafana'] });
    const dump = set.artifacts.find(({ source }) => source === 'pgdump');
    await writeFile(path.join(root, dump!.path, 'manifest.json'), '{}');
    const { exitCode, stdout } = await place.cli(['show', 'latest']);
    expect(exitCode).toBe(3);
    expect(stdout).toContain('manifest altered');
    expect(stdout).toContain('missing on disk');
  });

  test('an unknown set ends with 2 and names those near it', async () => {
    await writeSet(root, { id: '20241212_010000' });
    const { exitCode, stderr } = await place.cli(['show', '20241212_010001']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('20241212_010000-daily');
    expect(stderr).toContain('code: SET_NOT_FOUND');
  });

  test('a reader that goes away is no error', async () => {
    await writeSet(root, { id: '20241212_010000' });
    const child = startCommand(process.execPath, nodeArgs(cliMain, ['list']), {
      cwd: directory,
      env: { ...PLAIN_ENV, NODE_OPTIONS: '' },
    });
    child.stdout.destroy();
    await expect(child.done).resolves.toMatchObject({ exitCode: 0, stderr: '' });
  });
});
