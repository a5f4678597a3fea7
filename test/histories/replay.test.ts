/**
 * Recorded histories replay against today's workflow code: a run that is under way survives an
 * upgrade. A change that breaks one of these needs `patched()`, not a new recording.
 *
 * Recorded by the tests that call `recordHistories`, with HOLDFAST_RECORD_HISTORIES=test/histories.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { z } from 'zod';
import { workflowBundle } from '../../src/temporal/worker.js';
import * as workflows from '../../workflows/index.js';

const directory = path.dirname(fileURLToPath(import.meta.url));
const histories = readdirSync(directory).filter((name) => name.endsWith('.json'));

/** Ids of children hang below the workflow's own, so a replay needs the id that was recorded. */
const startedSchema = z.object({
  events: z
    .array(
      z.object({
        workflowExecutionStartedEventAttributes: z
          .object({ workflowId: z.string(), workflowType: z.object({ name: z.string() }) })
          .optional(),
      }),
    )
    .min(1),
});

function startOf(json: unknown): { readonly workflowId: string; readonly type: string } {
  const started = startedSchema.parse(json).events[0]?.workflowExecutionStartedEventAttributes;
  if (started === undefined) throw new Error('a history begins with its start');
  return { workflowId: started.workflowId, type: started.workflowType.name };
}

async function replay(text: string): Promise<void> {
  const json: unknown = JSON.parse(text);
  await Worker.runReplayHistory(
    { workflowBundle: workflowBundle() },
    historyFromJSON(json),
    startOf(json).workflowId,
  );
}

function read(name: string): string {
  return readFileSync(path.join(directory, name), 'utf8');
}

beforeAll(() => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
});

describe('recorded histories', () => {
  test('are there of every workflow that a worker registers', () => {
    const recorded = new Set(histories.map((name) => startOf(JSON.parse(read(name))).type));
    expect([...recorded].sort()).toEqual(Object.keys(workflows).sort());
  });

  test('cover what goes wrong and is cancelled, too', () => {
    // Paths through the code that a run which goes well does not take.
    expect(histories).toEqual(
      expect.arrayContaining([
        'backup-stack-cancelled.json',
        'check-backups-critical.json',
        'drill-restore-cancelled.json',
        'restore-stack-rolled-back.json',
        'verify-backups-damaged.json',
      ]),
    );
  });

  test.each(histories)('%s replays without a difference', async (name) => {
    await replay(read(name));
  });

  test('a history that the code could not have made is refused', async () => {
    const text = read('restore-stack.json');

    // Another activity than the one the workflow calls.
    await expect(replay(text.replaceAll('chooseRestoreSet', 'somethingElse'))).rejects.toThrow(
      /nondetermin/i,
    );
  });
});
