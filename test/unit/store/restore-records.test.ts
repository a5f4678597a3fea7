/** Records of restores: one that is damaged must not hide the others, nor two of them be one file. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stoppedFile, stoppedOf } from '../../../activities/shared/places.js';
import { pastRestores } from '../../../activities/rollback/past-restores.js';
import { setsInUse } from '../../../src/store/catalogue/in-use.js';
import type { RestoreRecord, RestoreStep } from '../../../src/store/records/restore-shapes.js';
import {
  isMarkedFinished,
  markFinished,
  openRestore,
  readAllSteps,
  readRestoreRecord,
  readRestores,
  readStep,
  readStepFiles,
  restoreDirectory,
  settleMark,
  unmarkFinished,
  writeRestoreRecord,
  writeStep,
} from '../../../src/store/records/restore-record.js';
import { joinNames, splitNames } from '../../../src/format/record-names.js';
import { runCommand } from '../../../src/base/process/process.js';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'holdfast-records-'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

function recordOf(restoreId: string, changes: Partial<RestoreRecord> = {}): RestoreRecord {
  return {
    format: 'holdfast-restore',
    version: 1,
    restoreId,
    setId: '20241212_010000',
    workflowId: 'w',
    runId: 'r',
    startedAt: '2024-12-13T01:00:00.000Z',
    state: 'finished',
    ...changes,
  };
}

function stepOf(service: string, source: string, changes: Partial<RestoreStep> = {}): RestoreStep {
  return {
    service,
    source,
    at: '2024-12-13T01:00:00.000Z',
    undo: { kind: 'volume', volume: `${service}-${source}`, stage: 'st', existed: true },
    state: 'done',
    ...changes,
  };
}

const fileOf = (id: string): string => path.join(restoreDirectory(root, id), 'restore.json');

describe('a record that can’t be read', () => {
  const damages: [string, (file: string) => Promise<void>][] = [
    ['cut to nothing', (file) => truncate(file, 0)],
    ['cut short', (file) => truncate(file, 40)],
    [
      'of a newer version',
      (file) => writeFile(file, JSON.stringify({ ...recordOf('b'), version: 2 })),
    ],
    [
      'in a state this version does not know',
      (file) => writeFile(file, JSON.stringify({ ...recordOf('b'), state: 'frozen' })),
    ],
    [
      'a directory',
      async (file) => {
        await rm(file);
        await mkdir(file);
      },
    ],
  ];
  test.each(damages)('%s is named, and the others are read', async (_what, damage) => {
    for (const id of ['a', 'b', 'c']) await writeRestoreRecord(root, recordOf(id));
    await damage(fileOf('b'));
    const { records, unreadable } = await readRestores(root);
    expect(records.map(({ restoreId }) => restoreId)).toEqual(['a', 'c']);
    expect(unreadable.map(({ restoreId, file }) => [restoreId, file])).toEqual([
      ['b', fileOf('b')],
    ]);
    expect((await pastRestores(root)).map(({ state }) => state)).toEqual([
      'finished',
      'unreadable',
      'finished',
    ]);
  });

  test('that is gone while its steps are there is not absent', async () => {
    await writeRestoreRecord(root, recordOf('a'));
    await writeStep(root, 'a', stepOf('app', 'home'));
    await rm(fileOf('a'));
    const [only] = await pastRestores(root);
    expect(only).toMatchObject({ restoreId: 'a', state: 'unreadable' });
    expect(only?.touched).toMatchObject([{ service: 'app', source: 'home' }]);
  });

  test('still keeps the set it names from being removed, unless it says that it is over', async () => {
    const newer = { ...recordOf('a', { setId: 'in-use', state: 'running' }), version: 2 };
    await writeRestoreRecord(root, recordOf('a'));
    await writeFile(fileOf('a'), JSON.stringify(newer));
    expect([...(await setsInUse(root))]).toEqual(['in-use']);
    await writeFile(fileOf('a'), JSON.stringify({ ...newer, state: 'finished' }));
    expect([...(await setsInUse(root))]).toEqual([]);
  });

  test('a directory of restores that can’t be listed is not an empty one', async () => {
    await mkdir(path.join(root, '.aside', 'a', 'steps'), { recursive: true });
    await runCommand('ln', ['-s', 'loop', path.join(root, 'loop')]);
    await expect(readRestores(path.join(root, 'loop'))).rejects.toThrow(/ELOOP/);
  });

  test('a step that can’t be read is named by its file; the others are read', async () => {
    await writeRestoreRecord(root, recordOf('a'));
    await writeStep(root, 'a', stepOf('app', 'home'));
    await writeStep(root, 'a', stepOf('db', 'dump'));
    const file = path.join(restoreDirectory(root, 'a'), 'steps', 'db__dump.json');
    await truncate(file, 10);
    const { steps, unreadable } = await readStepFiles(root, 'a');
    expect(steps.map(({ step }) => step.service)).toEqual(['app']);
    expect(unreadable).toMatchObject([{ file, service: 'db', source: 'dump' }]);
    await expect(readAllSteps(root, 'a')).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      facts: { path: file },
    });
    const [past] = await pastRestores(root);
    expect(past?.unreadable).toHaveLength(1);
    expect(past?.replaced).toMatchObject([{ service: 'app' }, { service: 'db', source: 'dump' }]);
  });
});

describe('names', () => {
  const odd: [string, string][] = [
    ['a__b', 'c'],
    ['a', 'b__c'],
    ['a_', 'b'],
    ['a', '_b'],
    ['a___', 'b'],
    ['a', 'b'],
    ['a--b', 'c'],
    ['a', 'b--c'],
    ['a-', 'b'],
    ['a', '-b'],
  ];
  test.each(['--', '__'] as const)('joined by %s are told apart, and read back', (separator) => {
    const joined = odd.map((names) => joinNames(separator, names));
    expect(new Set(joined).size).toBe(odd.length);
    expect(joined.map((text) => splitNames(separator, text))).toEqual(odd);
    expect(joinNames(separator, ['pg_db', 'my-data'])).toBe(`pg_db${separator}my-data`);
  });

  test('of two steps never make one file', async () => {
    await writeRestoreRecord(root, recordOf('a'));
    for (const [service, source] of odd) await writeStep(root, 'a', stepOf(service, source));
    expect(await readAllSteps(root, 'a')).toHaveLength(odd.length);
    for (const [service, source] of odd) {
      expect(await readStep(root, 'a', service, source)).toEqual(stepOf(service, source));
    }
  });

  test('of an earlier version’s file are what is in it, and it is not told twice', async () => {
    await writeRestoreRecord(root, recordOf('a'));
    const steps = path.join(restoreDirectory(root, 'a'), 'steps');
    const step = stepOf('a__b', 'c', { state: 'registered' });
    await writeFile(path.join(steps, 'a__b__c.json'), JSON.stringify(step));
    expect(await readStep(root, 'a', 'a__b', 'c')).toEqual(step);
    expect(await readStep(root, 'a', 'a', 'b__c')).toBeUndefined();
    await writeStep(root, 'a', { ...step, state: 'undone' });
    expect(await readAllSteps(root, 'a')).toEqual([{ ...step, state: 'undone' }]);
  });

  test('a record of stopped containers says whose it is, also an earlier version’s', () => {
    const isService = (name: string): boolean => ['a--b', 'web'].includes(name);
    const id = '20241212_010000';
    const parsed = (file: string): unknown => stoppedOf(file, isService);
    expect(parsed(stoppedFile(root, id, 'web'))).toEqual({ runId: id, service: 'web' });
    const held = { runId: id, service: 'a--b', source: 'c--d' };
    expect(parsed(stoppedFile(root, id, 'a--b', 'c--d'))).toEqual(held);
    expect(parsed(`/x/${id}--a--b--c--d.json`)).toEqual(held);
    expect(parsed(`/x/${id}--a--b.json`)).toEqual({ runId: id, service: 'a--b' });
    expect(parsed(`/x/${id}--gone--data.json`)).toEqual({
      ...{ runId: id, service: 'gone', source: 'data' },
    });
  });
});

describe('the id of a restore', () => {
  const wished = recordOf('20241231_235959', { state: 'running' });

  test('is claimed: as many as begin in one second all get their own', async () => {
    const runs = Array.from({ length: 6 }, (_, at) => ({ ...wished, runId: `r${at}` }));
    const ids = await Promise.all(runs.map((record) => openRestore(root, record)));
    expect([...ids].sort()).toEqual([
      '20241231_235959',
      ...[0, 1, 2, 3, 4].map((second) => `20250101_00000${second}`),
    ]);
    for (const [at, id] of ids.entries()) {
      expect(await readRestoreRecord(root, id)).toMatchObject({ restoreId: id, runId: `r${at}` });
    }
    expect(
      (await readdir(path.join(root, '.aside'))).filter((name) => name.startsWith('.')),
    ).toEqual([]);
  });

  test('is the same again for the same run, and not for its successor under the same workflow id', async () => {
    expect(await openRestore(root, wished)).toBe('20241231_235959');
    expect(await openRestore(root, wished)).toBe('20241231_235959');
    expect(await openRestore(root, { ...wished, runId: 'next' })).toBe('20250101_000000');
  });

  test('of a restore whose record can’t be read is taken all the same', async () => {
    await openRestore(root, wished);
    await truncate(fileOf('20241231_235959'), 0);
    expect(await openRestore(root, wished)).toBe('20250101_000000');
  });
});

describe('that a restore is finished', () => {
  const id = '20241231_235959';

  test('is true from its mark on, whatever its record still says', async () => {
    await openRestore(root, recordOf(id, { state: 'running' }));
    expect((await readRestoreRecord(root, id))?.state).toBe('running');
    await markFinished(root, id);
    await markFinished(root, id);
    expect((await readRestoreRecord(root, id))?.state).toBe('finished');
    // The mark goes only once the record says the same.
    await settleMark(root, id);
    expect(await isMarkedFinished(root, id)).toBe(true);
    await unmarkFinished(root, id);
    expect((await readRestoreRecord(root, id))?.state).toBe('running');
  });

  test('can be said of one that an earlier version began', async () => {
    await writeRestoreRecord(root, recordOf(id, { state: 'running' }));
    await markFinished(root, id);
    expect((await readRestoreRecord(root, id))?.state).toBe('finished');
    await writeRestoreRecord(root, recordOf(id));
    await settleMark(root, id);
    expect(await isMarkedFinished(root, id)).toBe(false);
  });
});
