/** Drills compare what is in the tables, not only how many rows there are. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { DrillResult } from '../../../src/format/drill-result.js';
import type { BackupStackResult } from '../../../src/plan/shared/inputs.js';
import { newestDrillOf } from '../../support/newest-drill.js';
import { SmallStack } from '../../support/small-stack.js';

let stack: SmallStack;
let saved: BackupStackResult;

beforeAll(async () => {
  stack = await SmallStack.create();
  const config = await readFile(stack.configFile, 'utf8');
  await writeFile(
    stack.configFile,
    config.replace('{ kind: postgres,', '{ kind: postgres, digestTablesUpTo: 64KiB,'),
  );
  await stack.sql(
    'postgres',
    `create table large as select i, repeat('x', 200) as text from generate_series(1, 1000) i`,
  );
  await stack.startWorker();
  saved = await stack.backUp('--tier', 'daily');
}, 300_000);

afterAll(async () => {
  await stack.remove();
}, 120_000);

const newestDrill = (): Promise<DrillResult> => newestDrillOf(stack.backups, saved.setId);

/** Changes what the dump's manifest records, and everything that vouches for it. */
async function recordOtherwise(change: (manifest: string) => string): Promise<void> {
  const dump = saved.artifacts.find(({ source }) => source === 'dump');
  const directory = path.join(stack.backups, dump?.path ?? 'no dump');
  const manifest = path.join(directory, 'manifest.json');
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  const before = await readFile(manifest, 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  await writeFile(manifest, after);
  const set = path.join(stack.backups, 'sets', `${saved.setId}-daily.json`);
  for (const file of [set, path.join(directory, 'SHA256SUMS')]) {
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replaceAll(sha256(before), sha256(after)));
  }
}

test('a drill says of how many tables it compared the content', async () => {
  const { exitCode, stderr, stdout } = await stack.holdfast(['drill', '-s', 'db']);
  expect([exitCode, stderr]).toEqual([0, '']);
  const told = 'databases: 1 table compared by content, 1 by number of rows only';
  expect(stdout).toContain(told);
  const { tables, steps } = await newestDrill();
  expect(tables).toEqual({ byContent: 1, byCount: 1 });
  expect(steps.map(({ source, step, detail }) => [source, step, detail])).toContainEqual([
    'dump',
    'compare',
    '1 table compared by content, 1 by number of rows only',
  ]);
  expect((await stack.holdfast(['show', 'latest'])).stdout).toContain(told);
}, 300_000);

test('a drill fails where a table has as many rows, but others', async () => {
  await recordOtherwise((manifest) =>
    manifest.replace(
      /("table": "facts",\s+"rows": 1,\s+"digest": "-?\d+)/,
      (recorded) => `${recorded}1`,
    ),
  );
  const { exitCode, stderr } = await stack.holdfast(['drill', '-s', 'db']);
  const reason = 'postgres: public.facts: the rows are as many, but their content differs';
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(reason)]);
  const { status, failures } = await newestDrill();
  expect(status).toBe('failed');
  expect(failures).toMatchObject([
    { service: 'db', source: 'dump', step: 'compare', code: 'RESTORE_MISMATCH' },
  ]);
  expect(failures[0]?.reason).toContain(reason);

  // A real restore counts only: nobody waits for hashes while a stack is down.
  const restored = await stack.holdfast(['restore', 'latest', '-s', 'db', '--yes']);
  expect([restored.exitCode, restored.stderr]).toEqual([0, '']);
}, 300_000);
