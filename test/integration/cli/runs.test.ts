/** Backup and restore as their user starts them, with runs that move by the clock instead of a Temporal. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { startCommand } from '../../../src/base/process/process.js';
import { fakeMain, jsonLines, makePlace, PLAIN_ENV, type Place } from '../cli-support/place.js';
import { nodeArgs } from '../cli-support/run.js';

let place: Place;
let directory: string;

beforeEach(async () => {
  place = await makePlace();
  ({ directory } = place);
});
afterEach(async () => {
  await place.remove();
});

describe('backup', () => {
  test('starts the workflow with validated input and ends with 0', async () => {
    const calls = path.join(directory, 'calls');
    const { exitCode, stdout } = await place.fake(
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

  test('without a worker it starts nothing and says what to do', async () => {
    const calls = path.join(directory, 'calls');
    const { exitCode, stderr } = await place.fake(['backup'], {
      FAKE_CALLS: calls,
      FAKE_SCENARIO: 'nobody',
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('code: NO_WORKER');
    expect(stderr).toContain('holdfast up');
    expect(jsonLines(await readFile(calls, 'utf8'))).toEqual([{ call: 'close' }]);
  });

  test('an unknown service is refused before anything is started', async () => {
    const { exitCode, stderr } = await place.fake(['backup', '-s', 'pgbd']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('code: UNKNOWN_SERVICE');
  });

  test('degraded ends with 3 and names the problem; failed ends with 1', async () => {
    const degraded = await place.fake(['backup'], { FAKE_SCENARIO: 'degraded' });
    expect(degraded.exitCode).toBe(3);
    expect(degraded.stdout).toContain('mlopsnew/grafana: 2 files kept changing');
    const failed = await place.fake(['backup'], { FAKE_SCENARIO: 'failed' });
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain('code: BACKUP_FAILED');
  });

  test('--json is one event a line and ends with the result', async () => {
    const { exitCode, stdout } = await place.fake(['backup', '--json']);
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
    const { stdout } = await place.fake(['backup'], {
      FAKE_SCENARIO: 'busy',
      FAKE_LENGTH_MS: '3000',
    });
    expect(stdout).toContain('waiting for holdfast/ml/backup/20241212_010000 to finish');
  });

  test('--quiet prints nothing when all is well; --detach gives the id', async () => {
    expect(await place.fake(['backup', '--quiet'])).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: '',
    });
    const detached = await place.fake(['backup', '--detach', '--quiet']);
    expect(detached.stdout).toMatch(/^holdfast\/ml\/backup\/\d{8}_\d{6}\n$/);
    const told = await place.fake(['backup', '--detach']);
    expect(told.stdout).toContain('temporal workflow show -w holdfast/ml/backup/');
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s without a terminal cancels the run, waits, and ends with 130',
    async (signal) => {
      const calls = path.join(directory, 'calls');
      const child = startCommand(process.execPath, nodeArgs(fakeMain, ['backup']), {
        cwd: directory,
        env: { ...PLAIN_ENV, NODE_OPTIONS: '', FAKE_LENGTH_MS: '60000', FAKE_CALLS: calls },
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
    const { exitCode, stderr } = await place.fake(['restore'], { FAKE_CALLS: calls });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('code: CONFIRMATION_REQUIRED');
    await expect(readFile(calls)).rejects.toThrow('ENOENT');
  });

  test('--dry-run shows the plan of the workflow and changes nothing', async () => {
    const calls = path.join(directory, 'calls');
    const { exitCode, stdout } = await place.fake(['restore', '--dry-run'], { FAKE_CALLS: calls });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Restore of ml from set 20241212_010000-daily');
    expect(stdout).toContain('replaces all data of the server in ml_postgres');
    const starts = jsonLines(await readFile(calls, 'utf8')).filter(({ call }) => call === 'start');
    expect(starts).toHaveLength(1);
    expect(starts[0]).toMatchObject({ input: { set: 'latest', dryRun: true } });
  });

  test('--yes restores exactly the set that was planned, not a newer latest', async () => {
    const calls = path.join(directory, 'calls');
    const { exitCode, stdout } = await place.fake(['restore', '-s', 'pgdb', '--yes'], {
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
    const { stdout } = await place.fake(['restore', '--yes', '--json']);
    const events = jsonLines(stdout);
    expect(events[0]).toMatchObject({ type: 'plan', plan: { setId: '20241212_010000' } });
    expect(events.at(-1)).toMatchObject({ type: 'result', command: 'restore', exitCode: 0 });
  });
});
