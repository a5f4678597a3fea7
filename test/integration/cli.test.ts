/** The CLI as its user starts it: a process of its own, without a Temporal. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startCommand, type CommandResult } from '../../src/system/process.js';
import { cliMain, nodeArgs, runTypeScript } from './cli-support/run.js';
import { writeSet } from './cli-support/sets.js';

const fakeMain = fileURLToPath(new URL('./cli-support/fake-main.ts', import.meta.url));

let directory: string;
let root: string;
let config: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-cli-'));
  root = path.join(directory, 'backups');
  config = path.join(directory, 'holdfast.yaml');
  await mkdir(root);
  await writeFile(
    config,
    `version: 1
stack: ml
backups: { root: ${root} }
services:
  pgdb:
    sources:
      pgdump: { kind: postgres, container: ml_postgres }
  agent:
    home: /agent
    after: [pgdb]
    sources:
      data: { kind: files }
`,
  );
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const QUIET_ENV = { NO_COLOR: '1', HOLDFAST_CONFIG: '', HOLDFAST_DEBUG: '', LANG: 'C.UTF-8' };

function cli(args: readonly string[]): Promise<CommandResult> {
  return runTypeScript(cliMain, args, { cwd: directory, env: QUIET_ENV });
}

function fake(args: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> {
  const all = { ...QUIET_ENV, FAKE_LENGTH_MS: '1200', ...env };
  return runTypeScript(fakeMain, args, { cwd: directory, env: all });
}

function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('usage', () => {
  test('--help and --version succeed on standard output', async () => {
    const help = await cli(['--help']);
    expect(help).toMatchObject({ exitCode: 0, stderr: '' });
    expect(help.stdout).toContain('Examples:');
    expect(help.stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    const version = await cli(['--version']);
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test.each(['up', 'worker', 'backup', 'restore', 'list', 'show', 'config'])(
    '%s --help has examples and fits 80 columns',
    async (command) => {
      const { exitCode, stdout } = await cli([command, '--help']);
      expect(exitCode).toBe(0);
      expect(stdout).toContain('Examples:');
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    },
  );

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
    const { exitCode, stdout, stderr } = await cli(args);
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(`error: `);
    expect(stderr).toContain(words);
    expect(stderr).toContain('hint: ');
    expect(stderr).toContain('code: USAGE');
  });

  test('with --json a usage error is one JSON object too', async () => {
    const { exitCode, stdout, stderr } = await cli(['list', '--json', '--bad']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'USAGE', hint: expect.any(String) },
    });
  });
});

describe('configuration', () => {
  test('a missing file ends with 2', async () => {
    const { exitCode, stderr } = await cli(['-c', '/no/such/file', 'backup']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('code: CONFIG_NOT_FOUND');
  });

  test('all problems are told at once', async () => {
    await writeFile(config, 'version: 1\nstack: m l\nservices:\n  a: { after: [b] }\n');
    const { exitCode, stderr } = await cli(['config', 'check']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('stack');
    expect(stderr).toContain('services.a.after[0]');
    const { stdout } = await cli(['config', 'check', '--json']);
    const { error } = JSON.parse(stdout) as { error: { facts: { problems: string[] } } };
    expect(error.facts.problems.length).toBeGreaterThan(1);
  });

  test('a good one is summed up, with the order services start in', async () => {
    const { exitCode, stdout } = await cli(['config', 'check']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^OK {2}/);
    expect(stdout).toContain('pgdb → agent');
    expect(stdout).toContain('2 services, 2 sources');
    const { stdout: json } = await cli(['--json', 'config', 'check']);
    expect(JSON.parse(json)).toMatchObject({
      ok: true,
      stack: 'ml',
      root,
      order: [['pgdb'], ['agent']],
    });
  });

  test('the schema is JSON Schema', async () => {
    const { stdout } = await cli(['config', 'schema']);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'object', properties: expect.anything() });
  });
});

describe('list and show', () => {
  test('an empty store is no error, a missing one is', async () => {
    expect(await cli(['list'])).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse((await cli(['list', '--json'])).stdout)).toEqual({
      root,
      sets: [],
      unreadable: [],
    });
    await rm(root, { recursive: true });
    expect(await cli(['list'])).toMatchObject({ exitCode: 2, stdout: '' });
  });

  test('list shows the newest set first, also without a configuration', async () => {
    await writeSet(root, { id: '20241211_010000', finishedAt: new Date(Date.now() - 9e7) });
    await writeSet(root, { id: '20241212_010000' });
    await rm(config);
    const { exitCode, stdout } = await cli(['list', '--root', root]);
    expect(exitCode).toBe(0);
    const [header, first, second] = stdout.split('\n');
    expect(header).toMatch(/^SET +TIER +STATUS +AGE +SERVICES +CONTENT +STORED +PROBLEMS$/);
    expect(first).toMatch(/^20241212_010000 +daily +success +3h /);
    expect(second).toMatch(/^20241211_010000 /);
  });

  test('list --json tells sizes as numbers and names the problems', async () => {
    const problem = { service: 'agent', source: 'data', code: 'INTEGRITY', message: 'changed' };
    await writeSet(root, { id: '20241212_010000', status: 'degraded', problems: [problem] });
    const { stdout } = await cli(['list', '--json']);
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
    const { exitCode, stdout, stderr } = await cli(['list']);
    expect(exitCode).toBe(3);
    expect(stdout).toContain('20241212_010000');
    expect(stderr).toContain('warning: sets/20241213_010000-daily.json cannot be read');
  });

  test('show names every artifact with its path, and the restore command', async () => {
    const set = await writeSet(root, { id: '20241212_010000' });
    const { exitCode, stdout } = await cli(['show', '20241212_010000']);
    expect(exitCode).toBe(0);
    for (const artifact of set.artifacts) expect(stdout).toContain(artifact.path);
    expect(stdout).toContain('holdfast restore 20241212_010000-daily');
    expect(stdout).toContain('decode 3h ago');
    expect(stdout).toContain('changed while read, as expected');
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test('show --json is complete: the set’s fields, each artifact with its manifest', async () => {
    await writeSet(root, { id: '20241212_010000' });
    const { stdout } = await cli(['show', 'latest', '--json']);
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
    const { exitCode, stdout } = await cli(['show', 'latest']);
    expect(exitCode).toBe(3);
    expect(stdout).toContain('manifest altered');
    expect(stdout).toContain('missing on disk');
  });

  test('an unknown set ends with 2 and names those near it', async () => {
    await writeSet(root, { id: '20241212_010000' });
    const { exitCode, stderr } = await cli(['show', '20241212_010001']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('20241212_010000-daily');
    expect(stderr).toContain('code: SET_NOT_FOUND');
  });

  test('a reader that goes away is no error', async () => {
    await writeSet(root, { id: '20241212_010000' });
    const child = startCommand(process.execPath, nodeArgs(cliMain, ['list']), {
      cwd: directory,
      env: { ...QUIET_ENV, NODE_OPTIONS: '' },
    });
    child.stdout.destroy();
    await expect(child.done).resolves.toMatchObject({ exitCode: 0, stderr: '' });
  });
});

describe('backup', () => {
  test('starts the workflow with validated input and ends with 0', async () => {
    const calls = path.join(directory, 'calls');
    const { exitCode, stdout } = await fake(
      ['backup', '--tier', 'daily', '-s', 'pgdb', '-s', 'agent,pgdb', '--refuse-if-busy'],
      { FAKE_CALLS: calls },
    );
    expect(exitCode).toBe(0);
    expect(stdout).toContain('backup success');
    const [start, ...others] = jsonLines(await readFile(calls, 'utf8'));
    expect(start).toMatchObject({
      call: 'start',
      type: 'backupStack',
      workflowId: expect.stringMatching(/^holdfast\/ml\/backup\/\d{8}_\d{6}$/),
      input: { stack: 'ml', tier: 'daily', services: ['pgdb', 'agent'], onBusy: 'refuse' },
    });
    expect(others).toEqual([{ call: 'close' }]);
  });

  test('an unknown service is refused before anything is started', async () => {
    const { exitCode, stderr } = await fake(['backup', '-s', 'pgbd']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('code: UNKNOWN_SERVICE');
  });

  test('degraded ends with 3 and names the problem; failed ends with 1', async () => {
    const degraded = await fake(['backup'], { FAKE_SCENARIO: 'degraded' });
    expect(degraded.exitCode).toBe(3);
    expect(degraded.stdout).toContain('mlopsnew/grafana: 2 files kept changing');
    const failed = await fake(['backup'], { FAKE_SCENARIO: 'failed' });
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain('code: BACKUP_FAILED');
  });

  test('--json is one event a line and ends with the result', async () => {
    const { exitCode, stdout } = await fake(['backup', '--json']);
    expect(exitCode).toBe(0);
    const events = jsonLines(stdout);
    expect(events[0]).toMatchObject({ type: 'started' });
    expect(events.at(-1)).toMatchObject({
      type: 'result',
      command: 'backup',
      exitCode: 0,
      result: { setId: '20241213_010000', status: 'success' },
    });
    const types = new Set(events.map(({ type }) => type));
    expect(types).toEqual(new Set(['started', 'phase', 'step', 'progress', 'result']));
  });

  test('a piped run says whom it waits for', async () => {
    const { stdout } = await fake(['backup'], { FAKE_SCENARIO: 'busy', FAKE_LENGTH_MS: '3000' });
    expect(stdout).toContain('waiting for holdfast/ml/backup/20241212_010000 to finish');
  });

  test('--quiet prints nothing when all is well; --detach gives the id', async () => {
    expect(await fake(['backup', '--quiet'])).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: '',
    });
    const detached = await fake(['backup', '--detach', '--quiet']);
    expect(detached.stdout).toMatch(/^holdfast\/ml\/backup\/\d{8}_\d{6}\n$/);
    const told = await fake(['backup', '--detach']);
    expect(told.stdout).toContain('temporal workflow show -w holdfast/ml/backup/');
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s without a terminal cancels the run, waits, and ends with 130',
    async (signal) => {
      const calls = path.join(directory, 'calls');
      const child = startCommand(process.execPath, nodeArgs(fakeMain, ['backup']), {
        cwd: directory,
        env: { ...QUIET_ENV, NODE_OPTIONS: '', FAKE_LENGTH_MS: '60000', FAKE_CALLS: calls },
        okExitCodes: [130],
      });
      let output = '';
      await new Promise<void>((resolve) => {
        child.stdout.on('data', (chunk: Buffer) => {
          output += chunk.toString();
          if (output.includes('phase: reading')) resolve();
        });
      });
      process.kill(child.pid, signal);
      const { stderr } = await child.done;
      expect(stderr).toContain('code: CANCELLED');
      expect(jsonLines(await readFile(calls, 'utf8')).map(({ call }) => call)).toEqual([
        'start',
        'cancel',
        'close',
      ]);
    },
  );
});

describe('restore', () => {
  test('without a terminal needs --yes, and starts nothing without it', async () => {
    const calls = path.join(directory, 'calls');
    const { exitCode, stderr } = await fake(['restore'], { FAKE_CALLS: calls });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('code: CONFIRMATION_REQUIRED');
    await expect(readFile(calls)).rejects.toThrow('ENOENT');
  });

  test('--dry-run shows the plan of the workflow and changes nothing', async () => {
    const calls = path.join(directory, 'calls');
    const { exitCode, stdout } = await fake(['restore', '--dry-run'], { FAKE_CALLS: calls });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Restore of ml from set 20241212_010000-daily');
    expect(stdout).toContain('replaces all data of the server in ml_postgres');
    const starts = jsonLines(await readFile(calls, 'utf8')).filter(({ call }) => call === 'start');
    expect(starts).toHaveLength(1);
    expect(starts[0]).toMatchObject({ input: { set: 'latest', dryRun: true } });
  });

  test('--yes restores exactly the set that was planned, not a newer latest', async () => {
    const calls = path.join(directory, 'calls');
    const { exitCode, stdout } = await fake(['restore', '-s', 'pgdb', '--yes'], {
      FAKE_CALLS: calls,
    });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('restore done');
    const starts = jsonLines(await readFile(calls, 'utf8')).filter(({ call }) => call === 'start');
    expect(starts[1]).toMatchObject({
      type: 'restoreStack',
      workflowId: expect.stringMatching(/^holdfast\/ml\/restore\/\d{8}_\d{6}$/),
      input: { stack: 'ml', services: ['pgdb'], set: '20241212_010000-daily', onBusy: 'wait' },
    });
    expect(starts[1]).not.toHaveProperty('input.dryRun');
  });

  test('--json has the plan, and the result last', async () => {
    const { stdout } = await fake(['restore', '--yes', '--json']);
    const events = jsonLines(stdout);
    expect(events[0]).toMatchObject({ type: 'plan', plan: { setId: '20241212_010000' } });
    expect(events.at(-1)).toMatchObject({ type: 'result', command: 'restore', exitCode: 0 });
  });
});
