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
import { z } from 'zod';
import { workflowBundle } from '../../src/temporal/worker.js';

const directory = path.dirname(fileURLToPath(import.meta.url));
const histories = readdirSync(directory).filter((name) => name.endsWith('.json'));

/** Ids of children hang below the workflow's own, so a replay needs the id that was recorded. */
const startedSchema = z.object({
  events: z
    .array(
      z.object({
        workflowExecutionStartedEventAttributes: z.object({ workflowId: z.string() }).optional(),
      }),
    )
    .min(1),
});

async function replay(text: string): Promise<void> {
  const json: unknown = JSON.parse(text);
  const started = startedSchema.parse(json).events[0]?.workflowExecutionStartedEventAttributes;
  await Worker.runReplayHistory(
    { workflowBundle: workflowBundle() },
    historyFromJSON(json),
    started?.workflowId,
  );
}

beforeAll(() => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
});

describe('recorded histories', () => {
  test('cover a backup, a restore, a roll-back and a cancelled run', () => {
    expect(histories.length).toBeGreaterThanOrEqual(4);
  });

  test.each(histories)('%s replays without a difference', async (name) => {
    await replay(readFileSync(path.join(directory, name), 'utf8'));
  });

  test('a history that the code could not have made is refused', async () => {
    const text = readFileSync(path.join(directory, 'restore-stack.json'), 'utf8');

    // Another activity than the one the workflow calls.
    await expect(replay(text.replaceAll('chooseRestoreSet', 'somethingElse'))).rejects.toThrow(
      /nondetermin/i,
    );
  });
});
