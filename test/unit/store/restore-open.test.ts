/** A step that comes late must not touch what has been taken back meanwhile. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { requireOpen } from '../../../activities/restore/restore-context.js';
import { planSwap, swapBack, swapIn } from '../../../src/tree/swap/replace.js';
import type { RestoreRecord } from '../../../src/store/records/restore-shapes.js';
import { writeRestoreRecord, writeStep } from '../../../src/store/records/restore-record.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-open-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function recordIn(restoreId: string, state: RestoreRecord['state']): Promise<void> {
  await writeRestoreRecord(directory, {
    format: 'holdfast-restore',
    version: 1,
    restoreId,
    setId: '20241212_010000',
    workflowId: 'w',
    startedAt: '2024-12-12T01:00:00.000Z',
    state,
  });
}

describe('a step of a restore', () => {
  test('goes on while the restore is running', async () => {
    await recordIn('a', 'running');
    await expect(
      requireOpen(directory, { restoreId: 'a', service: 's', source: 'x' }),
    ).resolves.toBeUndefined();
  });

  test.each(['finished', 'rolled-back', 'undoing', 'undone', 'discarded'] as const)(
    'is refused once the restore is %s',
    async (state) => {
      await recordIn('b', state);
      await expect(requireOpen(directory, { restoreId: 'b', service: 's' })).rejects.toMatchObject({
        code: 'RESTORE_FAILED',
      });
    },
  );

  test('is refused where it has been taken back itself, or nothing is known of its restore', async () => {
    await recordIn('c', 'running');
    await writeStep(directory, 'c', {
      service: 's',
      source: 'x',
      at: '2024-12-12T01:00:00.000Z',
      undo: { kind: 'volume', volume: 'v', stage: 'st', existed: true },
      state: 'undone',
    });
    const step = { restoreId: 'c', service: 's', source: 'x' };
    await expect(requireOpen(directory, step)).rejects.toThrow('is over');
    await expect(requireOpen(directory, { ...step, restoreId: 'none' })).rejects.toThrow('is over');
  });
});

test('a swap whose stage is gone leaves what is in place where it is', async () => {
  const base = path.join(directory, 'home');
  const stage = path.join(directory, '.home.holdfast-new-r');
  await mkdir(base);
  await writeFile(path.join(base, 'file'), 'live');
  await mkdir(stage);
  const swap = await planSwap({ base, include: ['**'], exclude: [] }, stage, 'r');
  await swapIn(swap);
  await swapBack(swap);
  // The same step once more, late: there is nothing to put in.
  await expect(swapIn(swap)).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
  expect(await readdir(base)).toEqual(['file']);
});
