/** Drills of the sample stack: real restores beside the running one, which must not notice. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tableDigests, quietTrees, treeDigest } from '../../demo/proof.js';
import type { DrillRestoreResult, DrillResult } from '../../src/plan/drill-types.js';
import type { BackupStackResult, RunView } from '../../src/plan/inputs.js';
import { readDrills } from '../../src/store/drills.js';
import { runCommand } from '../../src/system/process.js';
import { StackHost } from '../support/stack-host.js';

let host: StackHost;
let saved: BackupStackResult;

async function lines(command: string, args: string[]): Promise<string[]> {
  const { stdout } = await runCommand(command, args);
  return stdout.split('\n').filter((line) => line !== '');
}

/** Everything in Docker that carries a drill's label or name, and what is on disk. */
async function left(): Promise<string[]> {
  const root = `label=dev.holdfast.drill-root=${host.stack.backups}`;
  const name = (one: string): boolean =>
    one.startsWith('holdfast-drill-') && one.includes(host.stack.names.prefix);
  const records = await readdir(path.join(host.stack.backups, '.aside')).catch(() => []);
  return [
    ...(await lines('docker', ['ps', '-aq', '--filter', root])),
    ...(await lines('docker', ['volume', 'ls', '-q', '--filter', root])),
    ...(await lines('docker', ['network', 'ls', '-q', '--filter', root])),
    ...(await lines('docker', ['ps', '-a', '--format', '{{.Names}}'])).filter(name),
    ...(await lines('docker', ['volume', 'ls', '-q'])).filter(name),
    ...(await lines('docker', ['network', 'ls', '--format', '{{.Name}}'])).filter(name),
    ...(await readdir(path.join(host.stack.backups, '.drill')).catch(() => [])),
    ...records.filter((one) => one.startsWith('drill-')),
  ];
}

/** The real stack: what runs since when, and what it holds. */
async function undisturbed(): Promise<Record<string, unknown>> {
  const prefix = host.stack.names.prefix;
  const running = await lines('docker', ['ps', '--format', '{{.Names}}']);
  const startedAt: Record<string, string> = {};
  for (const one of running.filter((each) => each.startsWith(prefix)).sort()) {
    const format = '{{.State.StartedAt}} {{.RestartCount}} {{len .NetworkSettings.Networks}}';
    startedAt[one] = (await lines('docker', ['inspect', '-f', format, one])).join();
  }
  const trees: Record<string, string> = {};
  for (const [tree, directory] of Object.entries(quietTrees(host.stack))) {
    trees[tree] = await treeDigest(directory);
  }
  const points = await fetch(`http://127.0.0.1:${host.stack.names.ports.qdrant}/digest`);
  return {
    startedAt,
    trees,
    tables: await tableDigests(host.stack),
    points: await points.json(),
  };
}

function artifactOf(service: string, source: string): string {
  const found = saved.artifacts.find((one) => one.service === service && one.source === source);
  if (found === undefined) throw new Error(`no artifact ${service}/${source}`);
  return path.join(host.stack.backups, found.path);
}

async function newestDrill(): Promise<DrillResult> {
  const [newest] = (await readDrills(host.stack.backups)).get(`${saved.setId}-daily`) ?? [];
  if (newest === undefined) throw new Error('no drill was recorded');
  return newest;
}

/** Runs `drill` by the command and gives its last JSON line. */
async function drill(...args: string[]): Promise<{ exitCode: number; stderr: string; last: unknown }> {
  const { exitCode, stdout, stderr } = await host.holdfast(['--json', 'drill', ...args]);
  const last = stdout.trim().split('\n').at(-1) ?? '{}';
  return { exitCode, stderr, last: JSON.parse(last === '' ? '{}' : last) };
}

/** Changes a file for a while. */
async function withChanged<T>(
  file: string,
  change: (before: Buffer) => Buffer,
  work: () => Promise<T>,
): Promise<T> {
  const before = await readFile(file);
  const { mtime, atime } = await stat(file);
  await writeFile(file, change(before));
  try {
    return await work();
  } finally {
    await writeFile(file, before);
    await runCommand('touch', ['-d', mtime.toISOString(), file]);
    void atime;
  }
}

const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

beforeAll(async () => {
  host = await StackHost.create({ up: true });
  await host.startWorker();
  const { exitCode, stdout } = await host.holdfast(['--json', 'backup', '--tier', 'daily']);
  expect(exitCode).toBe(0);
  const last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { result: BackupStackResult };
  saved = last.result;
}, 240_000);

afterAll(async () => {
  await host.remove();
}, 120_000);

afterEach(async () => {
  expect(await left()).toEqual([]);
}, 60_000);

describe('a drill', () => {
  test('restores the whole stack beside the running one, which does not notice', async () => {
    const before = await undisturbed();

    const { exitCode, stderr, last } = await drill();

    expect([exitCode, stderr]).toEqual([0, '']);
    const { result } = last as { result: DrillRestoreResult };
    expect(result.drill).toMatchObject({
      status: 'passed',
      setId: saved.setId,
      whole: true,
      failures: [],
      notTried: [],
      warnings: expect.any(Array) as unknown,
    });
    expect(result.drill?.services.sort()).toEqual(
      ['agent', 'mlopsnew', 'pgdb', 'saiga', 'webbot', 'webbot2'].sort(),
    );
    expect(await undisturbed()).toEqual(before);
  }, 120_000);
});
