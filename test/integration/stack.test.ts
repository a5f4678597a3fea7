/** Whole runs on a real stack: a real Temporal server, a worker process, real containers. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { clusterFacts, psql, quietTrees, tableDigests, treeDigest } from '../../demo/proof.js';
import { stackQueue } from '../../src/plan/shared/ids.js';
import type { BackupStackResult, RunView } from '../../src/plan/shared/inputs.js';
import type { RestoreStackResult } from '../../src/plan/restore/restore-types.js';
import { readArtifact } from '../../src/store/write/artifact.js';
import { runCommand } from '../../src/base/process/process.js';
import { findTemporalCli } from '../../src/temporal/temporal-cli.js';
import { recordHistories } from '../support/record-histories.js';
import { StackHost, temporalAddress } from '../support/stack-host.js';

let host: StackHost;
let first: BackupStackResult;
/** What the databases held when the first set was made. */
let saved: { tables: Record<string, string>; cluster: Record<string, string> };

/** Everything of the stack that must not change when a restore is refused or taken back. */
async function contents(): Promise<Record<string, unknown>> {
  const trees: Record<string, string> = {};
  for (const [name, directory] of Object.entries(quietTrees(host.stack))) {
    trees[name] = await treeDigest(directory);
  }
  return {
    trees,
    tables: await tableDigests(host.stack),
    cluster: await clusterFacts(host.stack),
    points: await (await fetch(`http://127.0.0.1:${host.stack.names.ports.qdrant}/digest`)).json(),
  };
}

async function incoming(): Promise<string[]> {
  return readdir(path.join(host.stack.backups, '.incoming')).catch(() => []);
}

async function sets(): Promise<string[]> {
  return (await readdir(path.join(host.stack.backups, 'sets')).catch(() => [])).sort();
}

function artifactDirectory(service: string, source: string): string {
  const found = first.artifacts.find((one) => one.service === service && one.source === source);
  if (found === undefined) throw new Error(`no artifact ${service}/${source}`);
  return path.join(host.stack.backups, found.path);
}

beforeAll(async () => {
  host = await StackHost.create({ up: true });
  await host.startWorker();
}, 300_000);

afterAll(async () => {
  const run = (id: string): string => `${host.stackName}-${id}`;
  await recordHistories({
    'backup-stack': run('by-cli'),
    'backup-service': run('by-cli/pgdb'),
    'backup-stack-cancelled': run('cancel-the-volumes'),
    'restore-stack': run('restore-json'),
    'restore-service': run('restore-json/pgdb'),
    'restore-stack-rolled-back': run('restore-cancel'),
  });
  await host.remove();
}, 120_000);

describe('a backup', () => {
  test('started with plain JSON by the temporal command saves every source of the stack', async () => {
    const cli = await findTemporalCli();
    const { stdout } = await runCommand(cli, [
      'workflow',
      'execute',
      '--address',
      temporalAddress(),
      '--task-queue',
      stackQueue(host.stackName),
      '--type',
      'backupStack',
      '--workflow-id',
      `${host.stackName}-by-cli`,
      '--input',
      JSON.stringify({ stack: host.stackName, tier: 'daily' }),
      '--output',
      'json',
    ]);
    // The command prints an empty list as null.
    const { result } = JSON.parse(stdout) as {
      result: Omit<BackupStackResult, 'problems'> & {
        problems: BackupStackResult['problems'] | null;
      };
    };
    first = { ...result, problems: result.problems ?? [] };

    saved = { tables: await tableDigests(host.stack), cluster: await clusterFacts(host.stack) };

    expect([first.status, first.problems]).toEqual(['success', []]);
    expect(first.artifacts.map(({ service, source }) => `${service}/${source}`).sort()).toEqual([
      'agent/data',
      'agent/qdrant',
      'mlopsnew/configs',
      'mlopsnew/data',
      'mlopsnew/grafana',
      'mlopsnew/prometheus',
      'mlopsnew/qdrant',
      'pgdb/configs',
      'pgdb/pgdump',
      'saiga/model',
      'webbot/data',
      'webbot/volume',
      'webbot2/data',
      'webbot2/volume',
    ]);
    expect(await sets()).toEqual([`${first.setId}-daily.json`]);
    expect(await incoming()).toEqual([]);
  }, 240_000);

  test('lays the artifacts out as the guide does, with its owner and modes', async () => {
    const base = host.stack.backups;
    const expected = [
      `pgdb/daily/configs/configs_${first.setId}`,
      `pgdb/daily/data/pgdump_${first.setId}`,
      `mlopsnew/daily/configs/configs_${first.setId}`,
      `mlopsnew/daily/data/data_${first.setId}`,
      `large_volumes/saiga_model_${first.setId}`,
      `large_volumes/${host.stack.names.prefix}mlopsnew_qdrant_storage_new_${first.setId}`,
      `agent/daily/docker/${host.stack.names.prefix}agent_qdrant_storage_${first.setId}`,
    ];
    for (const relative of expected) {
      const directory = await stat(path.join(base, relative));
      const manifest = await stat(path.join(base, relative, 'manifest.json'));
      expect([relative, directory.uid, directory.gid, directory.mode & 0o7777]).toEqual([
        relative,
        4242,
        27,
        0o2775,
      ]);
      expect([manifest.uid, manifest.gid, manifest.mode & 0o7777]).toEqual([4242, 27, 0o2664]);
    }
  });

  test('leaves every container running that ran before, none paused', async () => {
    const running = await host.running();
    expect(Object.keys(running)).toHaveLength(9);
    expect(Object.values(running).filter((state) => state.endsWith('true'))).toEqual([]);
  });

  test('of chosen services by the CLI names a wrong service at once, with exit code 2', async () => {
    const run = await host.holdfast(['backup', '--service', 'pgbd', '--json']);
    expect(run.exitCode).toBe(2);
    expect(run.stdout).toContain('UNKNOWN_SERVICE');
    expect(run.stdout).toContain('pgbd');
  });

  test('refuses an input that is not what it takes, with a readable message', async () => {
    const workflowId = await host.start(
      'backupStack',
      { tier: 'hourly', servces: [] },
      'bad-input',
    );
    const handle = (await host.client()).workflow.getHandle(workflowId);
    const failure = await handle.result().then(
      () => undefined,
      (error: unknown) => (error as { cause: { type: string; message: string } }).cause,
    );
    expect(failure?.type).toBe('INPUT_INVALID');
    expect(failure?.message).toMatch(/tier/);
    expect(failure?.message).toMatch(/servces/);
  });
});

describe('the permit', () => {
  test('refuses a second run and says who holds it, or lets it wait', async () => {
    const holder = await host.start('backupStack', { services: ['saiga'] }, 'holder');
    await host.waitForView(holder, ({ phase }) => phase !== 'starting');
    const refused = await host.start(
      'backupStack',
      { services: ['saiga'], onBusy: 'refuse' },
      'refused',
    );
    const waiting = await host.start('backupStack', { services: ['saiga'] }, 'waiting');
    const client = await host.client();
    const failure = await client.workflow
      .getHandle(refused)
      .result()
      .then(
        () => undefined,
        (error: unknown) => (error as { cause: { type: string; message: string } }).cause,
      );
    const waited = (await client.workflow.getHandle(waiting).result()) as BackupStackResult;
    const held = (await client.workflow.getHandle(holder).result()) as BackupStackResult;

    expect(failure?.type).toBe('PERMIT_HELD');
    expect(failure?.message).toContain(holder);
    expect(held.status).toBe('success');
    expect(waited.status).toBe('success');
    expect(waited.setId > held.setId).toBe(true);
  }, 120_000);
});

describe('a backup after another', () => {
  test('links what is at rest, however much it is, with the same events in its history', async () => {
    const client = await host.client();
    const backup = async (id: string): Promise<{ result: BackupStackResult; events: number[] }> => {
      const handle = client.workflow.getHandle(
        await host.start('backupStack', { services: ['saiga'] }, id),
      );
      const result = (await handle.result()) as BackupStackResult;
      const { events } = await handle.fetchHistory();
      // How often the workflow is woken (5 to 9), and whether it sees the permit's child end (32),
      // depends on the moment; what it does must not.
      const types = (events ?? []).map(({ eventType }) => Number(eventType));
      const done = types.filter((type) => (type < 5 || type > 9) && type !== 32);
      return { result, events: done.sort() };
    };
    const small = await backup('small');
    const { tree } = await readArtifact(artifactDirectory('saiga', 'model'));
    const directory = path.join(tree?.root ?? '', 'snapshots');
    // The last of all names: a large file is a part of its own, and what lies before it ends there.
    const model = path.join(directory, 'zzz-grown.bin');
    const reference = path.join(host.stack.root, 'reference');
    await runCommand('touch', ['-r', directory, reference]);
    await writeFile(model, randomBytes(64 * 1024 * 1024));
    const grown = await backup('grown');
    await rm(model);
    await runCommand('touch', ['-r', reference, directory]);
    await rm(reference);

    expect(grown.result.contentBytes - small.result.contentBytes).toBe(64 * 1024 * 1024);
    expect(grown.result.linkedBytes).toBeGreaterThan(small.result.storedBytes * 0.9);
    expect(grown.events).toEqual(small.events);
  }, 120_000);

  test('that is due in two tiers is read once and lies in both', async () => {
    const id = await host.start(
      'backupStack',
      { services: ['saiga'], tier: 'weekly', alsoTiers: ['monthly', 'weekly'] },
      'two-tiers',
    );
    const result = (await (
      await host.client()
    ).workflow
      .getHandle(id)
      .result()) as BackupStackResult;

    expect(result.alsoTiers).toEqual(['monthly']);
    const names = await sets();
    expect(names).toContain(`${result.setId}-weekly.json`);
    expect(names).toContain(`${result.setId}-monthly.json`);
    const verified = await host.holdfast(['verify', `${result.setId}-monthly`]);
    expect(verified.exitCode).toBe(0);
  }, 120_000);
});

describe('cancelling a backup', () => {
  type Step = RunView['steps'][number];
  const done = (steps: readonly Step[], of: (service: string) => boolean): boolean =>
    steps.filter(({ service }) => of(service)).every(({ state }) => state === 'done');
  const phases: [string, (steps: readonly Step[]) => boolean, number][] = [
    ['the dump', (steps) => steps.some(({ service }) => service === 'pgdb'), 500],
    ['the volumes', (steps) => done(steps, (service) => service === 'pgdb'), 2_000],
    ['the last services', (steps) => done(steps, (service) => !/^webbot/.test(service)), 200],
  ];
  test.each(phases)(
    'during %s leaves no set, nothing in .incoming, and everything running',
    async (name, when, delayMs) => {
      const before = await sets();
      const workflowId = await host.start('backupStack', {}, `cancel-${name.replaceAll(' ', '-')}`);
      await host.waitForView(
        workflowId,
        ({ phase, steps }) => phase === 'reading' && steps.length > 0 && when(steps),
      );
      await delay(delayMs);
      const handle = (await host.client()).workflow.getHandle(workflowId);
      await handle.cancel();
      await handle.result().catch(() => undefined);
      const { status } = await handle.describe();

      expect(status.name).toBe('CANCELLED');
      expect(await sets()).toEqual(before);
      expect(await incoming()).toEqual([]);
      const running = await host.running();
      expect(Object.keys(running)).toHaveLength(9);
      expect(Object.values(running).filter((state) => state.endsWith('true'))).toEqual([]);
    },
    120_000,
  );
});

describe('a restore', () => {
  test('of a set or a service that is not there changes nothing and exits with 2', async () => {
    const before = await host.running();
    const wrongSet = await host.holdfast(['restore', '20010101_000000', '--yes', '--json']);
    const wrongService = await host.holdfast([
      'restore',
      'latest',
      '--service',
      'agnet',
      '--yes',
      '--json',
    ]);
    const unconfirmed = await host.holdfast(['restore', first.setId]);

    expect([wrongSet.exitCode, wrongService.exitCode, unconfirmed.exitCode]).toEqual([2, 2, 2]);
    expect(wrongSet.stdout).toContain('SET_NOT_FOUND');
    expect(wrongService.stdout).toContain('UNKNOWN_SERVICE');
    expect(unconfirmed.stderr).toContain('--yes');
    expect(await host.running()).toEqual(before);
  }, 120_000);

  test('from a damaged artifact is refused before anything is touched, naming the file', async () => {
    const part = path.join(artifactDirectory('agent', 'qdrant'), 'part-00001.tar.zst');
    const dump = path.join(artifactDirectory('pgdb', 'pgdump'), 'mlops.dump.zst');
    const [intact, whole] = [await readFile(part), await readFile(dump)];
    const before = { running: await host.running(), contents: await contents() };
    const handle = await open(part, 'r+');
    await handle.write(Buffer.from([(intact[1000] ?? 0) ^ 1]), 0, 1, 1000);
    await handle.close();
    const flipped = await host.holdfast(['restore', first.setId, '--yes', '--json']);
    await writeFile(part, intact);
    await writeFile(dump, whole.subarray(0, whole.length - 1000));
    const truncated = await host.holdfast(['restore', first.setId, '--yes', '--json']);
    await writeFile(dump, whole);

    expect([flipped.exitCode, truncated.exitCode]).toEqual([1, 1]);
    expect(flipped.stdout).toContain('INTEGRITY');
    expect(flipped.stdout).toContain('part-00001.tar.zst');
    expect(truncated.stdout).toContain('INTEGRITY');
    expect(truncated.stdout).toContain('mlops.dump.zst');
    expect({ running: await host.running(), contents: await contents() }).toEqual(before);
  }, 240_000);

  test('with plain JSON brings changed and lost data back, in order, and nothing twice', async () => {
    const before = await contents();
    await psql(
      host.stack,
      'agent',
      'drop table if exists documents cascade; create table rubbish (i int); insert into rubbish values (1)',
    );
    await psql(host.stack, 'postgres', 'drop database analytics');
    await rm(path.join(host.stack.home('mlopsnew'), 'config'), { recursive: true });
    await writeFile(path.join(host.stack.home('agent'), 'stale.txt'), 'must not survive');
    await rm(path.join(host.stack.model, 'blobs'), { recursive: true });

    const workflowId = await host.start('restoreStack', { set: first.setId }, 'restore-json');
    const result = (await (
      await host.client()
    ).workflow
      .getHandle(workflowId)
      .result()) as RestoreStackResult;

    expect(result.services.map(({ service }) => service)).toEqual([
      'pgdb',
      'saiga',
      'mlopsnew',
      'agent',
      'webbot',
      'webbot2',
    ]);
    expect(await contents()).toEqual(before);
    expect(Object.keys(await host.running())).toHaveLength(9);
  }, 300_000);

  test('that is cancelled in the middle puts the old state back and starts it again', async () => {
    await writeFile(path.join(host.stack.home('agent'), 'made-since.txt'), 'belongs to now');
    await psql(
      host.stack,
      'mlops',
      'create table made_since (i int); insert into made_since select generate_series(1, 10)',
    );
    const before = await contents();
    const workflowId = await host.start('restoreStack', { set: first.setId }, 'restore-cancel');
    await host.waitForView(workflowId, ({ steps }) =>
      steps.some(
        (one) => one.service === 'mlopsnew' && one.step === 'restore' && one.state === 'running',
      ),
    );
    await delay(1_000);
    const handle = (await host.client()).workflow.getHandle(workflowId);
    await handle.cancel();
    await handle.result().catch(() => undefined);
    const { status } = await handle.describe();

    expect(status.name).toBe('CANCELLED');
    // Also what nobody looks at from outside: nothing was left half taken back.
    expect(await host.log()).toContain('the state from before is back');
    const { stdout: staged } = await runCommand('docker', [
      'volume',
      'ls',
      '-q',
      '--filter',
      `name=${host.stack.names.prefix}`,
    ]);
    expect(staged.split('\n').filter((name) => name.includes('.holdfast-staging-'))).toEqual([]);
    expect(
      (await readdir(host.stack.root)).filter((name) => name.includes('holdfast-new')),
    ).toEqual([]);
    expect(await contents()).toEqual(before);
    expect(Object.keys(await host.running())).toHaveLength(9);
  }, 300_000);

  test('whose workflow is terminated is taken back by the next worker, before anything starts', async () => {
    const before = await contents();
    const workflowId = await host.start('restoreStack', { set: first.setId }, 'restore-terminate');
    await host.waitForView(workflowId, ({ steps }) =>
      steps.some(
        (one) => one.service === 'pgdb' && one.step === 'restore' && one.state === 'running',
      ),
    );
    await delay(4_000);
    const handle = (await host.client()).workflow.getHandle(workflowId);
    await handle.terminate('by a test');
    await host.stopWorker();
    await host.startWorker();

    const running = Object.keys(await host.running());
    // The log says why, should something not run.
    expect([running.length, running.length === 9 ? '' : await host.log()]).toEqual([9, '']);
    let after = await contents().catch(() => undefined);
    for (let tries = 0; tries < 20 && after === undefined; tries += 1) {
      await delay(500);
      after = await contents().catch(() => undefined);
    }
    expect(after).toEqual(before);
  }, 300_000);

  test('whose service never becomes healthy is rolled back, and says so', async () => {
    const before = await contents();
    // What is restored is fine; the gate asks for something that is not.
    const configFile = await host.variant('bad-gate', (text) =>
      text
        .replace(/(webbot2:[\s\S]*?url: http:\/\/127\.0\.0\.1:\d+)\/health/, '$1/nothing-here')
        .replaceAll('timeout: 90s', 'timeout: 20s'),
    );
    await host.stopWorker();
    await host.startWorker({ configFile });
    const run = await host.holdfast(
      ['restore', first.setId, '--service', 'webbot2', '--yes', '--json'],
      configFile,
    );
    await host.stopWorker();
    await host.startWorker();

    expect(run.exitCode).toBe(1);
    expect(run.stdout).toContain('HEALTH_GATE_FAILED');
    expect(await contents()).toEqual(before);
    expect(Object.keys(await host.running())).toHaveLength(9);
    const log = await readFile(path.join(host.stack.root, 'var/log/system-backup.log'), 'utf8');
    expect(log).toContain('the state from before is back');
  }, 300_000);
});

describe('by hand, with the lines of RESTORE.md alone', () => {
  /** The commands a person would copy, in order. */
  async function commands(directory: string): Promise<string[]> {
    const text = await readFile(path.join(directory, 'RESTORE.md'), 'utf8');
    return [...text.matchAll(/```bash\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
  }

  async function follow(directory: string, blocks: readonly string[]): Promise<void> {
    await runCommand('bash', ['-euo', 'pipefail', '-c', blocks.join('\n')], { cwd: directory });
  }

  test('a dump brings every database, role and setting back', async () => {
    const directory = artifactDirectory('pgdb', 'pgdump');
    await follow(directory, await commands(directory));
    const restored = {
      tables: await tableDigests(host.stack),
      cluster: await clusterFacts(host.stack),
    };

    expect(restored).toEqual(saved);
  }, 180_000);

  test('a volume comes back, and its containers run with it', async () => {
    const directory = artifactDirectory('webbot', 'volume');
    const url = `http://127.0.0.1:${host.stack.names.ports.webbot}`;
    const before: unknown = await (await fetch(`${url}/digest`)).json();
    await fetch(`${url}/messages`, { method: 'POST', body: JSON.stringify({ text: 'later' }) });
    const changed: unknown = await (await fetch(`${url}/digest`)).json();
    const blocks = await commands(directory);
    await follow(directory, [
      ...blocks.slice(0, 4),
      `docker start ${host.stack.container('webbot')}`,
    ]);
    let after: unknown;
    for (let tries = 0; tries < 60 && after === undefined; tries += 1) {
      await delay(500);
      after = await fetch(`${url}/digest`).then(
        (response) => response.json(),
        () => undefined,
      );
    }

    expect(changed).not.toEqual(before);
    expect(after).toEqual(before);
  }, 120_000);
});

describe('faults', () => {
  test('a killed worker: the next one finishes the backup, each source whole', async () => {
    const workflowId = await host.start('backupStack', {}, 'killed');
    await host.waitForView(workflowId, ({ steps }) =>
      steps.some(
        (one) => one.service === 'pgdb' && one.step === 'configs' && one.state === 'pending',
      ),
    );
    await delay(2_000);
    await host.killWorker();
    await delay(1_000);
    await host.startWorker();
    const result = (await (
      await host.client()
    ).workflow
      .getHandle(workflowId)
      .result()) as BackupStackResult;

    expect(result.status).toBe('success');
    expect(result.artifacts).toHaveLength(14);
    expect(await incoming()).toEqual([]);
    expect(Object.keys(await host.running())).toHaveLength(9);
  }, 400_000);

  test('a full disk ends the backup with one message; no set, nothing left behind', async () => {
    const small = path.join(host.directory, 'small');
    await mkdir(small);
    await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small]);
    try {
      const configFile = await host.variant('small', (text) =>
        text.replace(/root: .*\/backups/, `root: ${small}/backups`),
      );
      await host.stopWorker();
      await host.startWorker({ configFile });
      const run = await host.holdfast(['backup', '--service', 'saiga', '--json'], configFile);
      const left = await readdir(path.join(small, 'backups/.incoming')).catch(() => []);
      const published = await readdir(path.join(small, 'backups/sets')).catch(() => []);

      expect(run.exitCode).toBe(1);
      expect(run.stdout).toMatch(/no space left/);
      expect([left, published]).toEqual([[], []]);
    } finally {
      await host.stopWorker();
      await runCommand('umount', [small]);
      await host.startWorker();
    }
  }, 120_000);
});
