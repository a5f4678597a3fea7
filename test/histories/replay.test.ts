/**
 * Recorded histories replay against today's workflow code: a run that is under way survives an
 * upgrade. A change that breaks one of these needs `patched()`, not a new recording.
 *
 * Recorded by test/integration/stack.test.ts with HOLDFAST_RECORD_HISTORIES=test/histories.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { workflowBundle } from '../../src/temporal/worker.js';

const directory = path.dirname(fileURLToPath(import.meta.url));
const histories = readdirSync(directory).filter((name) => name.endsWith('.json'));

beforeAll(() => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
});

describe('recorded histories', () => {
  test('cover a backup, a restore, a roll-back and a cancelled run', () => {
    expect(histories.length).toBeGreaterThanOrEqual(4);
  });

  test.each(histories)('%s replays without a difference', async (name) => {
    const json: unknown = JSON.parse(readFileSync(path.join(directory, name), 'utf8'));

    await Worker.runReplayHistory({ workflowBundle: workflowBundle() }, historyFromJSON(json));
  });

  test('a history that the code could not have made is refused', async () => {
    const [name = ''] = histories;
    const text = readFileSync(path.join(directory, name), 'utf8');
    // Another activity than the one the workflow calls first.
    const changed: unknown = JSON.parse(
      text
        .replaceAll('chooseRestoreSet', 'somethingElse')
        .replaceAll('beginBackup', 'somethingElse'),
    );

    await expect(
      Worker.runReplayHistory({ workflowBundle: workflowBundle() }, historyFromJSON(changed)),
    ).rejects.toThrow(/[Nn]ondetermin/);
  });
});
