/**
 * What recovery does about restores whose run is dead, on real files: it never undoes what a later
 * restore made good, and no damaged record keeps anything else from being done.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  access,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { barriersTo, problemsOfBackup } from '../../../activities/rollback/barrier.js';
import { closeRestore } from '../../../activities/rollback/close-restore.js';
import { leaveRestore } from '../../../activities/rollback/dead-restores.js';
import {
  discardRestore,
  markDiscarded,
  pastRestores,
} from '../../../activities/rollback/past-restores.js';
import { bringBackStopped, type RecoveryReport } from '../../../activities/rollback/recovery.js';
import { stoppedFile } from '../../../activities/shared/places.js';
import { rollBackReplaced } from '../../../activities/rollback/take-back.js';
import { planSwap, swapIn } from '../../../src/tree/swap/replace.js';
import type { Config } from '../../../src/format/config/schema.js';
import { connectEngine } from '../../../src/docker/engine/engine.js';
import { RunLog } from '../../../src/observe/run-log.js';
import type { IsAlive } from '../../../src/format/run-identity.js';
import type { RestoreRecord } from '../../../src/store/records/restore-shapes.js';
import {
  markFinished,
  openRestore,
  readRestoreRecord,
  readStep,
  restoreDirectory,
  writeRestoreRecord,
  writeStep,
} from '../../../src/store/records/restore-record.js';
import { pathExists } from '../../../src/base/files/durable.js';
import { configOf } from '../config/helpers.js';

let directory: string;
let config: Config;

const dead: IsAlive = () => Promise.resolve(false);

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-dead-'));
  config = configOf(`version: 1
stack: test
backups: { root: ${directory}/backups }
services:
  app:
    sources: { home: { kind: files, base: ${directory}/app } }
  db:
    sources: { home: { kind: files, base: ${directory}/db } }
`);
  for (const name of ['app', 'db']) await put(name, 'original');
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

function dependencies(): Parameters<typeof bringBackStopped>[0] {
  // Nobody listens there: what needs an engine fails, and must not keep files from coming back.
  const engine = connectEngine({ socketPath: path.join(directory, 'no.sock') });
  return { config, engine, runLog: new RunLog(path.join(directory, 'run.log')) };
}

async function recover(isAlive: IsAlive = dead): Promise<RecoveryReport> {
  return bringBackStopped(dependencies(), isAlive);
}

async function put(name: string, text: string): Promise<void> {
  await mkdir(path.join(directory, name), { recursive: true });
  await writeFile(path.join(directory, name, 'file'), text);
}

function now(name: string): Promise<string> {
  return readFile(path.join(directory, name, 'file'), 'utf8');
}

let second = 0;

/** A restore of these services as it is on disk, in this state; what it brings is its id. */
async function restore(
  state: RestoreRecord['state'],
  services: readonly string[],
  changes: Partial<RestoreRecord> = {},
): Promise<string> {
  second += 1;
  const restoreId = `20250101_0000${String(second).padStart(2, '0')}`;
  await openRestore(config.backups.root, {
    ...{ format: 'holdfast-restore', version: 1, restoreId, setId: 'set', workflowId: 'w' },
    ...{ runId: restoreId, state: 'running', ...changes },
    startedAt: new Date(Date.now() - 3_600_000 + second * 1000).toISOString(),
  });
  for (const service of services) await replace(restoreId, service);
  const record = await readRestoreRecord(config.backups.root, restoreId);
  if (record !== undefined) await writeRestoreRecord(config.backups.root, { ...record, state });
  return restoreId;
}

async function replace(restoreId: string, service: string): Promise<void> {
  const base = path.join(directory, service);
  const stage = path.join(directory, `.${service}.holdfast-new-${restoreId}`);
  await mkdir(stage);
  await writeFile(path.join(stage, 'file'), restoreId);
  const plan = await planSwap({ base, include: ['**'], exclude: [] }, stage, restoreId);
  const undo = { ...plan, kind: 'tree' as const, oldUnits: [], newUnits: [], carried: [] };
  const at = new Date().toISOString();
  await swapIn(undo);
  await writeStep(config.backups.root, restoreId, {
    ...{ service, source: 'home', at, undo, state: 'done' },
  });
}

const stateOf = async (id: string): Promise<string | undefined> =>
  (await pastRestores(config.backups.root)).find(({ restoreId }) => restoreId === id)?.state;

function aside(service: string, id: string): string {
  return path.join(directory, `.${service}.holdfast-aside-${id}`);
}

describe('a later restore that finished', () => {
  test('is not undone by taking back a dead one before it', async () => {
    const first = await restore('running', ['app', 'db']);
    const good = await restore('finished', ['app']);
    const report = await recover();
    expect([await now('app'), await now('db')]).toEqual([good, 'original']);
    expect(report.takenBack).toEqual([]);
    expect(report.superseded).toEqual([expect.stringContaining(aside('app', first))]);
    expect(report.open).toEqual([]);
    const record = await readRestoreRecord(config.backups.root, first);
    expect(record).toMatchObject({ state: 'finished', superseded: { by: [good] } });
    expect(await readFile(path.join(aside('app', first), 'file'), 'utf8')).toBe('original');
    // And so it stays.
    expect((await recover()).superseded).toEqual([]);
    expect(await now('app')).toBe(good);
  });

  test('is not undone when its safety copies were discarded', async () => {
    await restore('running', ['app']);
    const good = await restore('finished', ['app']);
    await discardRestore(dependencies(), good);
    await recover();
    expect(await now('app')).toBe(good);
  });

  test('is not undone when its own closing was cut short', async () => {
    await restore('running', ['app']);
    const good = await restore('running', ['app']);
    await markFinished(config.backups.root, good);
    await recover();
    expect(await now('app')).toBe(good);
    expect(await stateOf(good)).toBe('finished');
  });

  test('does not matter once it was undone', async () => {
    const first = await restore('running', ['app']);
    const gone = await restore('undoing', ['app']);
    const report = await recover();
    expect(report.takenBack).toEqual([gone, first]);
    expect(await now('app')).toBe('original');
  });
});

test('of two dead restores the later is taken back first', async () => {
  await restore('running', ['app']);
  await restore('running', ['app']);
  await recover();
  expect(await now('app')).toBe('original');
});

test('a restore waits while a later one of the same things can’t be taken back', async () => {
  const first = await restore('running', ['app']);
  const later = await restore('running', ['app']);
  await truncate(stepFile(later), 3);
  const report = await recover();
  expect(await now('app')).toBe(later);
  expect(report.open.map(({ restoreId }) => restoreId)).toEqual([first, later]);
});

function stepFile(id: string, service = 'app'): string {
  return path.join(restoreDirectory(config.backups.root, id), 'steps', `${service}__home.json`);
}

test('a run that ends between two questions: nothing of it is touched', async () => {
  const id = await restore('undoing', ['app']);
  const file = stoppedFile(config.backups.root, id, 'app');
  await mkdir(path.dirname(file), { recursive: true });
  const stopped = {
    ...{ format: 'holdfast-running', version: 1, reason: 'r', workflowId: 'w', runId: id },
    ...{ at: new Date().toISOString(), containers: [] },
  };
  await writeFile(file, JSON.stringify(stopped));
  let asked = 0;
  await recover(() => Promise.resolve((asked += 1) === 1));
  expect([await now('app'), await stateOf(id), await pathExists(file)]).toEqual([
    ...[id, 'undoing', true],
  ]);
});

test('a terminated run is dead though its successor under the same id goes on', async () => {
  const id = await restore('running', ['app'], { workflowId: 'fixed', runId: 'first' });
  const isAlive: IsAlive = ({ workflowId, runId }) =>
    Promise.resolve(workflowId === 'fixed' && (runId === undefined || runId === 'second'));
  await recover(isAlive);
  expect([await now('app'), await stateOf(id)]).toEqual(['original', 'rolled-back']);
});

describe('a damaged record', () => {
  test('keeps nothing else from being taken back, and is named with its safety copies kept', async () => {
    const broken = await restore('finished', ['db']);
    await truncate(path.join(restoreDirectory(config.backups.root, broken), 'restore.json'), 0);
    const id = await restore('running', ['app']);
    const report = await recover();
    expect(await now('app')).toBe('original');
    expect(report.takenBack).toEqual([id]);
    expect(report.unreadable.map(({ restoreId }) => restoreId)).toEqual([broken]);
    expect(report.unreadable[0]?.unreadable?.[0]).toContain('restore.json');
    await access(aside('db', broken));
  });

  test('of a later restore of the same things: neither is touched, since that may be finished', async () => {
    await restore('running', ['app']);
    const broken = await restore('finished', ['app']);
    await truncate(path.join(restoreDirectory(config.backups.root, broken), 'restore.json'), 0);
    const report = await recover();
    expect(await now('app')).toBe(broken);
    expect(report.problems.join()).toContain(path.join(broken, 'restore.json'));
  });

  test('of an earlier restore does not keep a later one from being taken back', async () => {
    const broken = await restore('finished', ['app']);
    await truncate(path.join(restoreDirectory(config.backups.root, broken), 'restore.json'), 0);
    const steps = path.join(restoreDirectory(config.backups.root, broken), 'steps');
    await utimes(steps, new Date('2024-12-01'), new Date('2024-12-01'));
    await restore('running', ['app']);
    await recover();
    expect(await now('app')).toBe(broken);
  });

  test('of a step leaves its restore alone and names the file', async () => {
    const id = await restore('running', ['app', 'db']);
    await truncate(stepFile(id, 'db'), 0);
    const report = await recover();
    expect([await now('app'), await now('db')]).toEqual([id, id]);
    expect(report.problems.join()).toContain(stepFile(id, 'db'));
  });

  test('of stopped containers is named', async () => {
    const file = stoppedFile(config.backups.root, '20250101_000000', 'app', 'home');
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, '{');
    expect((await recover()).problems.join()).toContain(file);
  });
});

test('records that can’t be listed at all are a barrier, and degrade a backup', async () => {
  await mkdir(config.backups.root, { recursive: true });
  await symlink('.aside', path.join(config.backups.root, '.aside'));
  const report = await recover();
  expect(report.unknown).toMatch(/ELOOP/);
  expect(barriersTo([], report, { mapped: false })).toHaveLength(1);
  expect(problemsOfBackup(report, 'all')).toMatchObject([{ code: 'RESTORE_UNREADABLE' }]);
});

describe('an open restore', () => {
  test('is a barrier to restores, degrades backups, and says how to go on', async () => {
    const id = await restore('running', ['app']);
    await truncate(stepFile(id), 0);
    const { open, unreadable } = await recover();
    const things = [{ service: 'app', source: 'home', target: path.join(directory, 'app') }];
    const [barrier, ...others] = barriersTo(things, { open }, { mapped: false });
    expect(others).toEqual([]);
    expect(barrier?.message).toContain(`restore ${id}`);
    expect(barrier?.hint).toContain(`holdfast recover --leave ${id}`);
    const elsewhere = [{ service: 'db', source: 'home', target: path.join(directory, 'db') }];
    expect(barriersTo(elsewhere, { open }, { mapped: false })).toEqual([]);
    expect(problemsOfBackup({ open, unreadable }, 'all')).toMatchObject([
      { service: 'app', source: 'home', code: 'RESTORE_OPEN' },
    ]);
    expect(problemsOfBackup({ open, unreadable }, ['db'])).toEqual([]);
  });

  test('of a dead run can be left as it is, and undone later', async () => {
    const id = await restore('running', ['app']);
    await expect(leaveRestore(dependencies(), id, () => Promise.resolve(true))).rejects.toThrow(
      'is still going on',
    );
    expect(await leaveRestore(dependencies(), id, dead)).toContain(aside('app', id));
    expect((await recover()).open).toEqual([]);
    expect([await now('app'), await stateOf(id)]).toEqual([id, 'finished']);
  });
});

describe('a finished restore', () => {
  test('stays finished when nobody came to write its record', async () => {
    const id = await restore('running', ['app']);
    await markFinished(config.backups.root, id);
    const report = await recover();
    expect([await now('app'), report.takenBack]).toEqual([id, []]);
    const file = path.join(restoreDirectory(config.backups.root, id), 'restore.json');
    expect(await readFile(file, 'utf8')).toContain('"state": "finished"');
  });

  test('is not finished by a late word once something of it was taken back', async () => {
    const id = await restore('running', ['app', 'db']);
    await markFinished(config.backups.root, id);
    const work = { signal: new AbortController().signal, report: () => undefined };
    await rollBackReplaced(dependencies(), id, 'app', work);
    await expect(closeRestore(dependencies(), id, 'finished')).rejects.toThrow('was taken back');
    await recover();
    expect([await now('app'), await now('db')]).toEqual(['original', 'original']);
  });
});

describe('a discard', () => {
  test('that was broken off is gone on with, also one of an earlier version', async () => {
    const id = await restore('discarded', ['app', 'db']);
    await rm(aside('db', id), { recursive: true });
    expect(await stateOf(id)).toBe('discarding');
    await recover();
    expect(await stateOf(id)).toBe('discarded');
    expect(await pathExists(aside('app', id))).toBe(false);
    expect(await now('app')).toBe(id);
  });

  test('of several that was killed after its first word is finished by the next run', async () => {
    const ids = [await restore('finished', ['app']), await restore('finished', ['db'])];
    await markDiscarded(dependencies(), ids);
    await recover();
    expect(await Promise.all(ids.map(stateOf))).toEqual(['discarded', 'discarded']);
    expect(await pathExists(aside('app', ids[0] ?? ''))).toBe(false);
  });

  test('goes on past what can’t be removed, says what, and is tried again', async () => {
    const id = await restore('finished', ['app', 'db']);
    const step = await readStep(config.backups.root, id, 'app', 'home');
    if (step?.undo.kind !== 'tree') throw new Error('no step');
    const tampered = { ...step, undo: { ...step.undo, aside: '/etc' } };
    await writeStep(config.backups.root, id, tampered);
    await expect(discardRestore(dependencies(), id)).rejects.toMatchObject({
      ...{ code: 'STORE_UNSAFE', facts: { path: '/etc' } },
    });
    expect(await pathExists(aside('db', id))).toBe(false);
    expect(await stateOf(id)).toBe('discarding');
    expect((await recover()).problems.join()).toContain('/etc is not a safety copy');
    await writeStep(config.backups.root, id, step);
    await recover();
    expect(await stateOf(id)).toBe('discarded');
  });

  test('of what was taken back changes nothing; of what is open it is refused', async () => {
    const back = await restore('rolled-back', []);
    await discardRestore(dependencies(), back);
    expect(await stateOf(back)).toBe('rolled-back');
    const open = await restore('running', ['app']);
    await expect(discardRestore(dependencies(), open)).rejects.toThrow('is not finished');
  });

  test('is refused where a step can’t be read: nothing else may name its safety copy', async () => {
    const id = await restore('finished', ['app', 'db']);
    await truncate(stepFile(id), 0);
    await expect(discardRestore(dependencies(), id)).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
    });
    await access(aside('db', id));
    expect(await stateOf(id)).toBe('finished');
  });
});
