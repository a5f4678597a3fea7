/** Pinning, pruning and checking a store as its user does, without a Temporal. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdirSync, writeFileSync } from 'node:fs';
import { chmod, readdir } from 'node:fs/promises';
import path from 'node:path';
import { writeSet } from '../cli-support/sets.js';
import { jsonLines, makePlace, PLAIN_ENV, type Place } from '../cli-support/place.js';
import { runCommand } from '../../../src/base/process/process.js';
import { PROGRAM } from '../../support/worker-host.js';
import { cliMain, runTypeScript } from '../cli-support/run.js';

const DAY_MS = 86_400_000;

let place: Place;
beforeEach(async () => {
  place = await makePlace();
});
afterEach(() => place.remove());

/** Sets of the last nights, the newest some hours old. @returns ids, newest first */
async function nightly(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let ago = 0; ago < count; ago += 1) {
    const finishedAt = new Date(Date.now() - ago * DAY_MS - 3_600_000);
    const id = finishedAt.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '_');
    await writeSet(place.root, { id, finishedAt });
    ids.push(id);
  }
  return ids;
}

test('a dry run says of each set why, and touches nothing', async () => {
  const ids = await nightly(6);
  const pinned = `${ids[5] ?? ''}-daily`;
  const pin = await place.cli(['pin', pinned, '--note', 'before the move']);
  expect(pin.stdout).toBe(`${pinned} is pinned\n`);
  expect((await place.cli(['list'])).stdout).toMatch(/ daily\* [\s\S]*\n\* pinned: stays/);
  expect((await place.cli(['show', pinned])).stdout).toMatch(/^ {2}pinned .*: before the move$/m);
  const { exitCode, stdout } = await place.cli(['prune', '--dry-run']);
  expect(exitCode).toBe(0);
  const lines = stdout.trim().split('\n');
  expect(lines[1]).toMatch(/ success +stays +daily: success, 1 of 3$/);
  expect(lines[4]).toMatch(/ goes +daily: success, 3 newer ones as good$/);
  expect(lines[6]).toMatch(/ stays +pinned: before the move$/);
  const json = JSON.parse((await place.cli(['prune', '--dry-run', '--json'])).stdout) as {
    decisions: { set: string; action: string }[];
  };
  expect(json.decisions.filter(({ action }) => action === 'remove').map(({ set }) => set)).toEqual([
    `${ids[3] ?? ''}-daily`,
    `${ids[4] ?? ''}-daily`,
  ]);
  expect(await readdir(path.join(place.root, 'sets'))).toHaveLength(6);
  expect((await place.cli(['unpin', pinned])).stdout).toContain('no longer pinned');
  expect((await place.cli(['pin'])).stdout).toBe('no set is pinned\n');
}, 120_000);

test('nothing goes without a yes', async () => {
  await nightly(5);
  const { exitCode, stderr } = await place.fake(['prune']);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('add --yes');
  expect(await readdir(path.join(place.root, 'sets'))).toHaveLength(5);
}, 120_000);

test('a pin that can not be read still pins', async () => {
  const ids = await nightly(5);
  const directory = path.join(place.root, '.holdfast/pins');
  mkdirSync(directory, { recursive: true });
  writeFileSync(path.join(directory, `${ids[4] ?? ''}-daily.json`), '{');
  const { stdout } = await place.cli(['prune', '--dry-run']);
  expect(stdout).toMatch(/stays +pinned: its record is damaged/);
}, 120_000);

test('a check without Temporal tells what is wrong on the disk, with an exit code', async () => {
  // Nobody listens on that port.
  const env = { ...PLAIN_ENV, TEMPORAL_ADDRESS: '127.0.0.1:1' };
  const check = (...args: string[]) =>
    runTypeScript(cliMain, ['check', ...args], { cwd: place.directory, env });
  const none = await check();
  expect(none.exitCode).toBe(1);
  expect(none.stdout).toMatch(/^CRITICAL {2}sets: there are no backups of this stack$/m);
  expect(none.stdout).toMatch(/schedules could not be looked at: no Temporal server answers/);
  await nightly(3);
  const [found] = jsonLines((await check('--json')).stdout);
  const findings = found?.['findings'] as { code: string; severity: string; subject: string }[];
  expect(findings.filter(({ subject }) => subject !== 'disk')).toEqual([
    // The sets hold a dump; the configuration has files, too.
    expect.objectContaining({ code: 'never-saved', severity: 'warning', subject: 'agent/data' }),
    expect.objectContaining({ code: 'schedules-unknown', severity: 'warning' }),
    expect.objectContaining({ code: 'fresh', severity: 'ok', subject: 'daily' }),
    expect.objectContaining({ code: 'whole', severity: 'ok' }),
  ]);
}, 120_000);

test('who may not read the store is told so, by whatever command, and it is no bug', async () => {
  await nightly(1);
  await chmod(place.directory, 0o755);
  await chmod(path.join(place.root, 'sets'), 0o700);
  const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath];
  const commands = [['list'], ['show', 'latest'], ['check'], ['verify'], ['prune', '--dry-run']];
  await Promise.all(
    commands.map(async (args) => {
      const run = await runCommand('setpriv', [...asNobody, PROGRAM, ...args], {
        okExitCodes: [0, 1, 2, 3, 130],
        cwd: place.directory,
        env: { ...PLAIN_ENV, NODE_OPTIONS: '', HOME: place.directory },
      });
      const said = run.stdout + run.stderr;
      expect([args[0], run.exitCode, said]).toEqual([
        args[0],
        1,
        expect.stringMatching(/no permission for .*sets|permission denied.*sets/),
      ]);
      expect(said).not.toContain('bug');
    }),
  );
}, 120_000);
