/** Restores of less than everything, from more than one set, to other places, and from nothing. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import type { RestorePlan } from '../../../src/plan/restore/restore-types.js';
import { runCommand } from '../../../src/base/process/process.js';
import { recordHistories } from '../../support/record-histories.js';
import { SmallStack, type StackState } from '../../support/small-stack.js';

let stack: SmallStack;
let older: string;
let newer: string;
let state: { older: StackState; newer: StackState };

async function holdfast(...args: string[]): Promise<string> {
  const run = await stack.holdfast([...args, '--json']);
  if (run.exitCode !== 0) throw new Error(`${args.join(' ')}: ${run.stdout}${run.stderr}`);
  return run.stdout;
}

async function backup(): Promise<string> {
  return (await stack.backUp()).setId;
}

async function startedAt(service: 'db' | 'app'): Promise<string> {
  const { stdout } = await runCommand('docker', [
    ...['inspect', '-f', '{{.State.StartedAt}}', stack.container(service)],
  ]);
  return stdout.trim();
}

function planOf(output: string): RestorePlan {
  const line = output.split('\n').find((one) => one.startsWith('{"type":"plan"')) ?? '{}';
  return (JSON.parse(line) as { plan: RestorePlan }).plan;
}

beforeAll(async () => {
  stack = await SmallStack.create();
  await stack.sql('postgres', 'create database extra');
  await stack.sql('extra', "create table what (is_it text); insert into what values ('older')");
  await stack.change('older');
  await stack.startWorker();
  older = await backup();
  const saved = await stack.state();
  await stack.change('newer');
  await stack.sql('extra', "update what set is_it = 'newer'");
  newer = await backup();
  state = { older: saved, newer: await stack.state() };
}, 180_000);

afterAll(async () => {
  await stack.remove();
}, 60_000);

describe('a choice of what is restored', () => {
  beforeEach(async () => {
    // Each restore is undone again by its test, so that all begin with the newer state.
    expect(await stack.state()).toEqual(state.newer);
  });

  test('one source: the rest of its service stays as it is', async () => {
    await holdfast('restore', older, '--source', 'app/home', '--yes');
    expect(await stack.state()).toEqual({
      ...state.newer,
      file: 'older',
      // The compose file lies in the home: the container is made as it says.
      made: 'older',
    });
    const undone = await holdfast('undo', '--yes');
    const run = /"workflowId":"([^"]+)"/.exec(undone)?.[1];
    await recordHistories({ 'undo-restore': run });
  }, 120_000);

  test('each service from a set of its own, the dry run saying which', async () => {
    const args = ['restore', newer, '--service', 'app', '--service', `db=${older}`];
    const plan = planOf(await holdfast(...args, '--dry-run'));
    expect(plan.otherSets).toEqual({ db: `${older}-manual` });
    await holdfast(...args, '--yes');
    expect(await stack.state()).toEqual({ ...state.newer, rows: 'older' });
    await holdfast('undo', '--yes');
  }, 180_000);

  test('one database of a server that goes on serving the others', async () => {
    const began = await startedAt('db');
    await holdfast('restore', older, '--database', 'extra', '--yes');
    expect(await stack.sql('extra', 'select is_it from what')).toBe('older');
    expect(await stack.state()).toEqual(state.newer);
    expect(await startedAt('db')).toBe(began);
    await holdfast('undo', '--yes');
    expect(await stack.sql('extra', 'select is_it from what')).toBe('newer');
    const names = await stack.sql('postgres', 'select datname from pg_database order by 1');
    expect(names.split('\n')).toEqual(['extra', 'postgres', 'template0', 'template1']);
  }, 180_000);

  test('dependents left running, if that is wanted', async () => {
    const began = await startedAt('app');
    const plan = planOf(
      await holdfast('restore', older, '--source', 'db/configs', '--leave-dependents', '--yes'),
    );
    expect(plan.leftRunning).toEqual(['app']);
    expect(plan.warnings.join()).toContain('app keeps running');
    expect(await startedAt('app')).toBe(began);
    await holdfast('undo', '--yes');
  }, 120_000);

  test('a database, source, stage or mapping that is not there changes nothing', async () => {
    const refused: [string[], string][] = [
      [['--database', 'nowhere'], 'SOURCE_MISSING'],
      [['--source', 'app/nothing'], 'UNKNOWN_SOURCE'],
      [['--pause-before', '9'], 'INPUT_INVALID'],
      [['--map', 'nonsense'], 'USAGE'],
      [['--service', 'db=20010101_000000'], 'SET_NOT_FOUND'],
    ];
    for (const [options, code] of refused) {
      const run = await stack.holdfast(['restore', older, ...options, '--yes', '--json']);
      expect([options[1], run.exitCode === 0, run.stdout.includes(code)]).toEqual([
        options[1],
        false,
        true,
      ]);
    }
  }, 120_000);

  test('a stage that waits for a person goes on when somebody approves', async () => {
    const detached = await holdfast(
      ...['restore', older, '--source', 'app/data', '--pause-before', 'app', '--yes', '--detach'],
    );
    const run = /"workflowId":"([^"]+)"/.exec(detached)?.[1] ?? '';
    await stack.waitForView(run, ({ phase }) => phase.startsWith('waiting for an approval'));
    expect(await stack.state()).toEqual(state.newer);
    // The server's list of runs is a little behind the runs.
    for (let tries = 0; tries < 20; tries += 1) {
      const said = await stack.holdfast(['approve', '--by', 'anna', '--json']);
      if (said.stdout.includes('approved by anna')) break;
    }
    await (await stack.client()).workflow.getHandle(run).result();
    expect(await stack.state()).toEqual({ ...state.newer, volume: 'older' });
    const late = await stack.holdfast(['approve', run, '--json']);
    expect(late.exitCode).not.toBe(0);
    await holdfast('undo', '--yes');
  }, 180_000);
});

describe('a volume without content', () => {
  let volume: string;
  let config: string;
  const inVolume = async (command: string): Promise<string> => {
    const { stdout } = await runCommand('docker', [
      ...['run', '--rm', '--network=none', '--entrypoint=/bin/sh', '-v', `${volume}:/v`],
      ...['holdfast-sample-base:latest', '-c', command],
    ]);
    return stdout.trim();
  };

  beforeAll(async () => {
    volume = `${stack.volume}-fresh`;
    await runCommand('docker', ['volume', 'create', volume]);
    config = await readFile(stack.configFile, 'utf8');
    const source = `fresh: { kind: volume, volume: ${volume} }`;
    await writeFile(
      stack.configFile,
      config.replace('      home: { kind: files }', `$&\n      ${source}`),
    );
  });
  afterAll(async () => {
    await writeFile(stack.configFile, config);
    await runCommand('docker', ['volume', 'rm', '-f', volume]);
  });

  test('is saved and restored as that while it is new, and an alarm once it had some', async () => {
    const empty = await stack.backUp('--service', 'app');
    expect(empty).toMatchObject({ status: 'success' });
    await inVolume('echo content >/v/file');
    expect(await stack.backUp('--service', 'app')).toMatchObject({ status: 'success' });

    await holdfast('restore', empty.setId, '--source', 'app/fresh', '--yes');
    expect(await inVolume('ls -A /v')).toBe('');

    const emptied = await stack.holdfast(['backup', '--service', 'app', '--json']);
    expect(emptied.exitCode).toBe(3);
    expect(emptied.stdout).toContain('EMPTY_SOURCE');
    expect(emptied.stdout).toContain('app/fresh shrank from 8 B');
  }, 180_000);
});

describe('another machine', () => {
  test('with nothing but the configuration and the backups is brought up, without a Temporal', async () => {
    await stack.stopWorker();
    await stack.lose();
    const address = `127.0.0.1:${await freePort()}`;
    const bare = { TEMPORAL_ADDRESS: address, XDG_STATE_HOME: path.join(stack.directory, 'state') };
    const dry = await stack.holdfast(['restore', newer, '--dry-run', '--json'], undefined, bare);
    expect([dry.exitCode, dry.stderr]).toEqual([0, '']);
    expect(
      planOf(dry.stdout)
        .stages.flat()
        .map(({ service }) => service),
    ).toEqual(['db', 'app']);
    // To look is not to start anything, nor to leave a server's file behind.
    expect(existsSync(bare.XDG_STATE_HOME)).toBe(false);
    const run = await stack.holdfast(['restore', newer, '--yes'], undefined, bare);
    expect([run.exitCode, run.stderr]).toEqual([0, '']);
    expect(run.stdout).toContain('no Temporal answered');
    await stack.untilSql();
    expect(await stack.state()).toEqual(state.newer);
    const left = await runCommand('pgrep', ['-f', '--', address.replace('127.0.0.1:', '--port ')], {
      okExitCodes: [0, 1],
    });
    expect(left.stdout).toBe('');
  }, 240_000);

  test('with other paths gets the homes where they are mapped to', async () => {
    await stack.lose();
    await stack.startWorker();
    const elsewhere = path.join(stack.directory, 'elsewhere');
    await holdfast(
      ...['restore', older, '--yes'],
      ...['--map', `${stack.home('db')}=${elsewhere}/database`],
      ...['--map', `${stack.home('app')}=${elsewhere}/application`],
    );
    await stack.untilSql();
    expect(await readFile(path.join(elsewhere, 'application/note.txt'), 'utf8')).toBe('older');
    // state() reads the note where the configuration says: there it is not.
    await cp(path.join(elsewhere, 'application/note.txt'), path.join(stack.directory, 'note'));
    await runCommand('mkdir', [stack.home('app')]);
    await writeFile(path.join(stack.home('app'), 'note.txt'), 'older');
    expect(await stack.state()).toEqual(state.older);
    const { stdout } = await runCommand('docker', [
      ...['inspect', '-f', '{{range .Mounts}}{{.Source}} {{end}}', stack.container('db')],
    ]);
    expect(stdout).toContain(`${elsewhere}/database/data`);

    // Estimates come from what was measured by now.
    const plan = planOf(await holdfast('restore', older, '--dry-run'));
    expect(plan.estimateMs).toBeGreaterThan(1_000);
    expect(plan.space.length).toBeGreaterThan(0);
  }, 240_000);
});

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}
