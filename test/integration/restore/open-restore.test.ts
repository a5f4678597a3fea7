/**
 * A restore that died and can't be taken back: nothing is restored over it, backups say so, and what
 * a later restore made good stays. Real runs, a real worker, real files.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { copyFile, mkdir, readFile, readdir, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { RunView } from '../../../src/plan/shared/inputs.js';
import { FilesHost } from '../../support/files-host.js';

let host: FilesHost;
let good: string;
/** Id of the restore that died, and the file of its step. */
let dead: string;
let step: string;

const waitsForApproval = ({ phase }: RunView): boolean =>
  phase.startsWith('waiting for an approval');

const content = (): Promise<string> => readFile(path.join(host.home, 'a.txt'), 'utf8');
const record = (): string => path.join(host.backups, '.aside', dead, 'restore.json');

beforeAll(async () => {
  host = await FilesHost.create('');
  const second = path.join(host.directory, 'second');
  await mkdir(second);
  await writeFile(path.join(second, 'b.txt'), 'b');
  const config = await readFile(host.configFile, 'utf8');
  const later = `  second: { home: ${second}, after: [app], sources: { data: { kind: files } } }`;
  await writeFile(host.configFile, `${config}${later}\n`);
  await host.startWorker();
  await writeFile(path.join(host.home, 'a.txt'), 'as backed up');
  good = (await host.backUp()).setId;
  await writeFile(path.join(host.home, 'a.txt'), 'before the dead one');
  // Dies with the first service new and the second old; a damaged step keeps it from being taken back.
  const run = await host.start('restoreStack', { set: good, pauseBefore: 'second' }, 'fixed');
  await host.waitForView(run, waitsForApproval);
  [dead = ''] = await readdir(path.join(host.backups, '.aside'));
  step = path.join(host.backups, '.aside', dead, 'steps', 'app__data.json');
  await copyFile(step, path.join(host.directory, 'step'));
  await truncate(step, 20);
  await (await host.client()).workflow.getHandle(run).terminate('by a test');
}, 120_000);

afterAll(async () => {
  await host.remove();
});

test('it stops neither the worker nor backups, which are degraded and name it', async () => {
  await host.killWorker();
  await host.startWorker();
  // Its successor under the same id does not make it look alive.
  const run = await host.start('backupStack', {}, 'fixed');
  const result: unknown = await (await host.client()).workflow.getHandle(run).result();
  expect(result).toMatchObject({
    status: 'degraded',
    problems: [{ service: 'app', source: 'data', code: 'RESTORE_OPEN' }],
  });
  expect(JSON.stringify(result)).toContain(step);
  expect(await content()).toBe('as backed up');
}, 120_000);

test('it is shown by the check and by recover, with the file', async () => {
  const check = await host.holdfast(['check', '--json']);
  expect(check.exitCode).not.toBe(0);
  expect(check.stdout).toContain('restore-open');
  expect(check.stdout).toContain('restore-unreadable');
  const recover = await host.holdfast(['recover', '--json']);
  expect(recover.exitCode).toBe(1);
  expect(recover.stdout).toContain(step);
}, 60_000);

test('nothing is restored over it, and how to go on is said', async () => {
  const refused = await host.holdfast(['restore', good, '--service', 'app', '--yes', '--json']);
  expect(refused.exitCode).toBe(1);
  expect(refused.stdout).toContain(`restore ${dead}`);
  expect(refused.stdout).toContain(`holdfast recover --leave ${dead}`);
  // What it never touched may be restored.
  const other = await host.holdfast(['restore', good, '--service', 'second', '--yes', '--json']);
  expect([other.exitCode, other.stderr]).toEqual([0, '']);
}, 120_000);

test('left as it is, it is no barrier any more; what is restored then stays', async () => {
  const left = await host.holdfast(['recover', '--leave', dead, '--json']);
  expect([left.exitCode, left.stdout]).toEqual([1, expect.stringContaining('ended half way')]);
  await copyFile(path.join(host.directory, 'step'), step);
  await writeFile(path.join(host.home, 'a.txt'), 'half and half');
  const restored = await host.holdfast(['restore', good, '--service', 'app', '--yes', '--json']);
  expect([restored.exitCode, restored.stderr]).toEqual([0, '']);
  await writeFile(path.join(host.home, 'a.txt'), 'worked on since');

  // As an earlier version left it: open, and the later one restored over it.
  const written = JSON.parse(await readFile(record(), 'utf8')) as { superseded?: unknown };
  delete written.superseded;
  await writeFile(record(), JSON.stringify({ ...written, state: 'running' }));
  const result = await host.backUp();
  expect(result.status).toBe('success');
  expect(await content()).toBe('worked on since');
  const aside = `.app.holdfast-aside-${dead}`;
  expect(await host.readLog()).toContain(path.join(host.directory, aside));
  const kept = await readFile(path.join(host.directory, aside, 'a.txt'), 'utf8');
  expect(kept).toBe('before the dead one');
  expect((await host.holdfast(['check', '--json'])).stdout).toContain('restore-left');

  // One after the other, all the way back.
  expect((await host.holdfast(['undo', dead, '--yes'])).exitCode).toBe(1);
  expect((await host.holdfast(['undo', '--yes'])).exitCode).toBe(0);
  expect(await content()).toBe('half and half');
  expect((await host.holdfast(['undo', dead, '--yes'])).exitCode).toBe(0);
  expect(await content()).toBe('before the dead one');
}, 180_000);
