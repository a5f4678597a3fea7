/**
 * The way from the old cron script to scheduled backups, as the documentation tells it: the host of
 * somebody who has nothing but the script's backups, and follows docs/old-backups.md and the README.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../../src/temporal/dev-server.js';
import { runCommand } from '../../../src/base/process/process.js';
import { WorkerHost, type CliRun } from '../../support/worker-host.js';

const STAMPS = ['20241211_010000', '20241212_010000'];
let directory: string;
let host: WorkerHost;
let port: string;

const at = (...names: string[]): string => path.join(directory, ...names);

const holdfast = (...args: string[]): Promise<CliRun> => host.holdfast(args);

async function listed(): Promise<{ sets: { id: string; tier: string }[]; oldSets: unknown[] }> {
  return JSON.parse((await holdfast('list', '--json')).stdout) as Awaited<
    ReturnType<typeof listed>
  >;
}

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-moving-'));
  const stack = `moving-${randomBytes(3).toString('hex')}`;
  await mkdir(at('agent/app'), { recursive: true });
  await mkdir(at('backups/agent/daily/data'), { recursive: true });
  // The script's own line, on two nights.
  for (const stamp of STAMPS) {
    await writeFile(at('agent/app/state.txt'), `as on ${stamp}`);
    await runCommand('bash', [
      '-c',
      `tar czf ${at(`backups/agent/daily/data/data_${stamp}.tar.gz`)} ${at('agent')} 2>/dev/null`,
    ]);
  }
  await writeFile(at('agent/app/state.txt'), 'today');
  await writeFile(
    at('holdfast.yaml'),
    `version: 1
stack: ${stack}
backups: { root: ${at('backups')}, minimumFree: 0 }
log: { file: ${at('backup.log')} }
tiers:
  daily: { keep: 3, schedule: '0 1 * * *' }
  weekly: { keep: 2, schedule: '0 1 * * 0' }
schedules: { timezone: UTC, check: '30 1 * * *' }
check: { free: { warn: 0, critical: 0 } }
services:
  agent:
    home: ${at('agent')}
    sources: { data: { kind: files } }
`,
  );
  port = String(await freePort());
  host = new WorkerHost(at('holdfast.yaml'), stack, {
    TEMPORAL_ADDRESS: `127.0.0.1:${port}`,
    XDG_STATE_HOME: at('state'),
  });
}, 60_000);

afterAll(async () => {
  await host.close();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

test('the configuration is right, and the script’s backups are seen before anything is started', async () => {
  expect((await holdfast('config', 'check', '--host')).exitCode).toBe(0);
  const { sets, oldSets } = await listed();
  expect([sets, oldSets.length]).toEqual([[], 2]);
  const tried = await holdfast('import', '--all', '--dry-run');
  expect([tried.exitCode, tried.stderr]).toEqual([0, '']);
  expect((await listed()).oldSets).toHaveLength(2);
}, 60_000);

test('`holdfast up` is all it takes to have schedules', async () => {
  const uiPort = String(await freePort());
  await host.startWorker({ command: ['up', '--port', port, '--ui-port', uiPort] });
  let schedules = '';
  for (let tries = 0; tries < 60 && !/backup[\s\S]*check/.test(schedules); tries += 1) {
    schedules = (await holdfast('schedules', 'list')).stdout;
    await delay(500);
  }
  expect(schedules).toMatch(/backup/);
  expect(schedules).toMatch(/check/);
}, 120_000);

test('the first backup is made and restored before the script is switched off', async () => {
  const made = await holdfast('backup', '--tier', 'daily', '--json');
  expect([made.exitCode, made.stderr]).toEqual([0, '']);
  await writeFile(at('agent/app/state.txt'), 'lost');
  expect((await holdfast('restore', 'latest', '--yes')).exitCode).toBe(0);
  expect(await readFile(at('agent/app/state.txt'), 'utf8')).toBe('today');
}, 120_000);

test('the script’s backups become sets like the others, and each of them can be restored', async () => {
  const imported = await holdfast('import', '--all', '--json');
  expect([imported.exitCode, imported.stderr]).toEqual([0, '']);
  const { sets, oldSets } = await listed();
  expect(oldSets).toEqual([]);
  expect(sets.map(({ tier }) => tier)).toEqual(['daily', 'daily', 'daily']);
  expect(await readdir(at('backups/agent/daily/data'))).toEqual(
    expect.not.arrayContaining([expect.stringMatching(/tar\.gz$/)]),
  );
  expect((await holdfast('verify')).exitCode).toBe(0);
  expect((await holdfast('restore', `${STAMPS[0]}-daily`, '--yes')).exitCode).toBe(0);
  expect(await readFile(at('agent/app/state.txt'), 'utf8')).toBe(`as on ${STAMPS[0]}`);
  expect((await holdfast('undo', '--yes')).exitCode).toBe(0);
  expect(await readFile(at('agent/app/state.txt'), 'utf8')).toBe('today');
}, 180_000);

test('from then on the schedule makes the sets, the policy removes them, and the check looks', async () => {
  const before = (await listed()).sets.map(({ id }) => id);
  const triggered = await holdfast('schedules', 'trigger', 'backup', '--json');
  expect([triggered.exitCode, triggered.stderr]).toEqual([0, '']);
  let after = before;
  for (let tries = 0; tries < 90 && after.includes(STAMPS[0] ?? ''); tries += 1) {
    await delay(500);
    after = (await listed()).sets.map(({ id }) => id);
  }
  // Three daily ones are kept: the oldest of the script's went for the one of the schedule.
  expect(after).toHaveLength(3);
  expect(after).toEqual(expect.arrayContaining(before.filter((id) => id !== STAMPS[0])));
  expect((await holdfast('prune', '--dry-run')).exitCode).toBe(0);
  const checked = await holdfast('check', '--json');
  const { findings } = JSON.parse(checked.stdout) as { findings: { severity: string }[] };
  expect(findings.filter(({ severity }) => severity === 'critical')).toEqual([]);
}, 120_000);
