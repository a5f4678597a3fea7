/** Drills of the sample stack: real restores beside the running one, which must not notice. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tableDigests, quietTrees, treeDigest } from '../../../demo/proof.js';
import type { DrillResult } from '../../../src/format/drill-result.js';
import type { DrillRestoreResult } from '../../../src/plan/drill/drill-types.js';
import type { BackupStackResult } from '../../../src/plan/shared/inputs.js';
import { newestDrillOf } from '../../support/newest-drill.js';
import { runCommand } from '../../../src/base/process/process.js';
import { recordHistories } from '../../support/record-histories.js';
import { StackHost } from '../../support/stack-host.js';

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

const newestDrill = (): Promise<DrillResult> => newestDrillOf(host.stack.backups, saved.setId);

/** Runs `drill` by the command and gives its last JSON line. */
async function drill(
  ...args: string[]
): Promise<{ exitCode: number; stderr: string; last: unknown }> {
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
  const { mtime } = await stat(file);
  await writeFile(file, change(before));
  try {
    return await work();
  } finally {
    await writeFile(file, before);
    await runCommand('touch', ['-d', mtime.toISOString(), file]);
  }
}

const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

/** The stack without its order: one service can be drilled alone, and quickly. */
function alone(text: string): string {
  return text.replaceAll(/^( {4}after:)(\n {6}- \w+)+$/gm, '$1 []');
}

/** Starts a drill of one service and gives the handle of its run. */
async function started(id: string, services: string[]): Promise<string> {
  return host.start('drillRestore', { set: saved.setId, services }, id);
}

/** Waits until the drill has containers that run. */
async function drillRuns(): Promise<string[]> {
  const root = `label=dev.holdfast.drill-root=${host.stack.backups}`;
  for (let tries = 0; tries < 1200; tries += 1) {
    const found = await lines('docker', ['ps', '-q', '--filter', root]);
    if (found.length > 0) return found;
    await delay(100);
  }
  throw new Error('no container of the drill was started');
}

beforeAll(async () => {
  host = await StackHost.create({ up: true });
  await host.startWorker();
  saved = await host.backUp('--tier', 'daily');
}, 600_000);

afterAll(async () => {
  await host.remove();
}, 300_000);

afterEach(async () => {
  expect(await left()).toEqual([]);
}, 60_000);

describe('a drill', () => {
  test('restores the whole stack beside the running one, which does not notice', async () => {
    const before = await undisturbed();
    const run = drill();
    // While it runs: what is on its networks, and what of it the host can see.
    const [first = ''] = await drillRuns();
    const facts = await lines('docker', [
      'inspect',
      '-f',
      '{{len .HostConfig.PortBindings}} {{.HostConfig.RestartPolicy.Name}} {{json .Mounts}}',
      first,
    ]);
    const { exitCode, stderr, last } = await run;

    expect([exitCode, stderr]).toEqual([0, '']);
    expect(facts.join()).toMatch(/^0 no /);
    expect(facts.join()).not.toContain(`"Source":"${host.stack.root}/pgdb`);
    const { workflowId, result } = last as { workflowId: string; result: DrillRestoreResult };
    await recordHistories({ 'drill-restore': workflowId });
    const { drill: passed } = result;
    expect(passed).toMatchObject({
      status: 'passed',
      setId: saved.setId,
      whole: true,
      failures: [],
      notTried: [],
    });
    expect(passed?.tables?.byContent).toBeGreaterThan(0);
    expect(passed?.tables?.byCount).toBe(0);
    expect([...(passed?.services ?? [])].sort()).toEqual(
      ['agent', 'mlopsnew', 'pgdb', 'saiga', 'webbot', 'webbot2'].sort(),
    );
    const gates = passed?.steps.filter(({ step }) => step === 'gate') ?? [];
    expect(gates.map(({ service, detail }) => `${service} ${detail ?? ''}`).join('\n')).toContain(
      'HTTP 200',
    );
    expect(passed?.restoreMs).toBeGreaterThan(0);
    expect(passed?.restoreMs).toBeLessThanOrEqual(passed?.durationMs ?? 0);
    expect(await newestDrill()).toEqual(passed);
    expect(await undisturbed()).toEqual(before);
  }, 600_000);

  test('is told by list and show, for people and as JSON', async () => {
    const list = await host.holdfast(['list', '--json']);
    const { sets } = JSON.parse(list.stdout) as { sets: { drill: { status: string } | null }[] };
    expect(sets.map((set) => set.drill?.status)).toEqual(['passed']);
    const show = await host.holdfast(['show', 'latest']);
    expect(show.stdout).toMatch(/Last drill\n {2}passed .* a restore takes /);
  }, 30_000);

  test('names a damaged artifact before anything is unpacked', async () => {
    const directory = artifactOf('webbot', 'volume');
    const part = (await readdir(directory)).find((name) => name.startsWith('part-')) ?? '';
    const flip = (bytes: Buffer): Buffer => {
      const changed = Buffer.from(bytes);
      const at = Math.floor(changed.length / 2);
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      return changed;
    };
    await withChanged(path.join(directory, part), flip, async () => {
      const { exitCode, stderr, stdout } = await host.holdfast(['drill', saved.setId]);
      expect(exitCode).toBe(1);
      expect(stderr + stdout).toMatch(/webbot\/volume: check: .*part-/);
    });
    const { status, failures, steps } = await newestDrill();
    expect(status).toBe('failed');
    expect(failures).toMatchObject([
      { service: 'webbot', source: 'volume', step: 'check', code: 'INTEGRITY' },
    ]);
    expect([...new Set(steps.map(({ step }) => step))]).toEqual(['check']);
  }, 300_000);

  test('fails when the database does not hold as many rows as were recorded', async () => {
    // The recorded number is changed everywhere it is vouched for, so that only the load can tell.
    const directory = artifactOf('pgdb', 'pgdump');
    const manifest = path.join(directory, 'manifest.json');
    const set = path.join(host.stack.backups, 'sets', `${saved.setId}-daily.json`);
    const before = sha256(await readFile(manifest));
    const oneMore = (bytes: Buffer): Buffer =>
      Buffer.from(
        bytes
          .toString()
          .replace(/("table": "documents",[^}]*?"rows": )(\d+)/, (_, head: string, rows: string) =>
            [head, Number(rows) + 1].join(''),
          ),
      );
    const after = sha256(oneMore(await readFile(manifest)));
    expect(after).not.toBe(before);
    const vouch = (bytes: Buffer): Buffer =>
      Buffer.from(bytes.toString().replaceAll(before, after));
    await withChanged(manifest, oneMore, () =>
      withChanged(set, vouch, () =>
        withChanged(path.join(directory, 'SHA256SUMS'), vouch, async () => {
          const { exitCode, stderr } = await host.holdfast(['drill', '-s', 'pgdb']);
          expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/pgdb\/pgdump: load: /)]);
        }),
      ),
    );
    const { failures, status } = await newestDrill();
    expect(status).toBe('failed');
    expect(failures).toMatchObject([
      { service: 'pgdb', source: 'pgdump', step: 'load', code: 'RESTORE_MISMATCH' },
    ]);
    expect(failures[0]?.reason).toMatch(/documents: row count: expected 60001, found 60000$/);
    expect(failures[0]?.output).toContain('postgres');
  }, 300_000);
});

describe('a drill of one service', () => {
  let sick: string;

  beforeAll(async () => {
    sick = await host.variant('sick', (text) =>
      alone(text).replace(
        /(url: http:\/\/127\.0\.0\.1:\d+\/api\/health\n {8}timeout: )90s/,
        '$15s\n        contains: never answered',
      ),
    );
    expect(await readFile(sick, 'utf8')).toContain('never answered');
  });

  async function withWorker(configFile: string): Promise<void> {
    await host.stopWorker();
    await host.startWorker({ configFile });
  }

  test('that does not become healthy fails and says what it saw last', async () => {
    await withWorker(sick);
    const { exitCode, stderr } = await host.holdfast(['drill', '-s', 'mlopsnew'], sick);
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/mlopsnew: gate: .*never answered/),
    ]);
    const { failures } = await newestDrill();
    expect(failures).toMatchObject([
      { service: 'mlopsnew', step: 'gate', code: 'HEALTH_GATE_FAILED' },
    ]);
    expect(failures[0]?.output).toMatch(/grafana: /);
  }, 300_000);

  test('that is cancelled takes down what is up by then', async () => {
    const id = await started('drill-cancel', ['mlopsnew']);
    await drillRuns();
    const handle = (await host.client()).workflow.getHandle(id);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    expect((await handle.describe()).status.name).toBe('CANCELLED');
    await recordHistories({ 'drill-restore-cancelled': id });
  }, 300_000);

  test('that is terminated is reaped by the next worker', async () => {
    const id = await started('drill-terminate', ['mlopsnew']);
    await drillRuns();
    await (await host.client()).workflow.getHandle(id).terminate();
    expect(await left()).not.toEqual([]);
    await host.killWorker();
    await host.startWorker({ configFile: sick });
    // Reaping ends before the worker says that it is ready.
  }, 300_000);

  test('that was left up stays until it is reaped', async () => {
    const { exitCode } = await host.holdfast(['drill', '-s', 'saiga', '--keep'], sick);
    expect(exitCode).toBe(0);
    expect(await left()).not.toEqual([]);
    await host.stopWorker();
    await host.startWorker({ configFile: sick });
    expect(await left()).not.toEqual([]);
    const reap = await host.holdfast(['drill', '--reap'], sick);
    expect([reap.exitCode, reap.stdout]).toEqual([
      0,
      expect.stringContaining('removed what drill-'),
    ]);
  }, 300_000);
});
