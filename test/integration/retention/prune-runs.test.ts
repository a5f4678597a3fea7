/** `holdfast prune` as its user runs it: a real worker, a real run, and what is left on the disk. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { permitWorkflowId } from '../../../src/plan/shared/ids.js';
import type { BackupStackResult } from '../../../src/plan/shared/inputs.js';
import type {
  PruneBackupsResult,
  PruneDecisions,
} from '../../../src/plan/retention/prune-types.js';
import type { VerifyBackupsResult } from '../../../src/plan/verify/verify-types.js';
import { FilesHost } from '../../support/files-host.js';
import { recordHistories } from '../../support/record-histories.js';

let host: FilesHost;
/** Of the sets, the oldest first. */
let ids: string[];

async function finished<T>(type: string, input: unknown, id: string): Promise<T> {
  const workflowId = await host.start(type, input, id);
  return (await host.client()).workflow.getHandle(workflowId).result() as Promise<T>;
}

/** What is on the disk, of sets: their files, their artifacts, and what is on its way out. */
async function tree(): Promise<{ sets: string[]; artifacts: string[]; trash: string[] }> {
  const names = async (relative: string): Promise<string[]> =>
    (await readdir(path.join(host.backups, relative)).catch(() => [])).sort();
  return {
    sets: await names('sets'),
    artifacts: await names('app/daily/data'),
    trash: await names('.trash'),
  };
}

function treeOf(kept: readonly string[]): Awaited<ReturnType<typeof tree>> {
  return {
    sets: kept.map((id) => `${id}-daily.json`),
    artifacts: kept.map((id) => `data_${id}`),
    trash: [],
  };
}

async function prune(): Promise<{ exitCode: number; workflowId: string; removed: string[] }> {
  const { exitCode, stdout, stderr } = await host.holdfast(['prune', '--yes', '--json']);
  expect(stderr).toBe('');
  const last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
    workflowId: string;
    result: PruneBackupsResult;
  };
  return { exitCode, workflowId: last.workflowId, removed: [...last.result.removed] };
}

beforeAll(async () => {
  host = await FilesHost.create('tiers: { daily: { keep: 9 } }');
  await host.startWorker();
  ids = [];
  for (let made = 0; made < 4; made += 1) {
    await writeFile(path.join(host.home, 'a.txt'), `as of set ${made}`);
    const { setId } = await finished<BackupStackResult>(
      'backupStack',
      { tier: 'daily' },
      `backup-${made}`,
    );
    ids.push(setId);
  }
  // Somebody wants fewer sets from now on.
  await host.stopWorker();
  const text = await readFile(host.configFile, 'utf8');
  await writeFile(host.configFile, text.replace('keep: 9', 'keep: 2'));
  await host.startWorker();
}, 120_000);

afterAll(async () => {
  await host.remove();
});

test('what --dry-run shows is what --yes does, and a pinned set stays', async () => {
  const [pinned = '', old = '', ...newest] = ids;
  expect((await host.holdfast(['pin', pinned, '--note', 'as delivered'])).exitCode).toBe(0);
  const list = await host.holdfast(['list', '--json']);
  const { sets } = JSON.parse(list.stdout) as { sets: { id: string; pinned: unknown }[] };
  expect([list.exitCode, sets.map((set) => [set.id, set.pinned])]).toEqual([
    0,
    [
      ...[...newest].reverse().map((id) => [id, null]),
      [old, null],
      [pinned, { at: expect.stringMatching(/Z$/), note: 'as delivered' }],
    ],
  ]);

  const dry = await host.holdfast(['prune', '--dry-run', '--json']);
  const { decisions } = JSON.parse(dry.stdout) as PruneDecisions;
  expect(dry.exitCode).toBe(0);
  expect(decisions.map(({ set, action }) => [set, action]).sort()).toEqual([
    [`${pinned}-daily`, 'keep'],
    [`${old}-daily`, 'remove'],
    ...newest.map((id) => [`${id}-daily`, 'keep']),
  ]);
  expect(await tree()).toEqual(treeOf(ids));
  // Nobody is there to say yes.
  expect((await host.holdfast(['prune', '--json'])).exitCode).toBe(2);
  expect(await tree()).toEqual(treeOf(ids));

  const { exitCode, workflowId, removed } = await prune();
  expect([exitCode, removed]).toEqual([0, [`${old}-daily`]]);
  expect(await tree()).toEqual(treeOf([pinned, ...newest]));
  await recordHistories({
    'prune-backups': workflowId,
    'stack-permit': permitWorkflowId(host.stackName),
  });
}, 60_000);

test('a set that is unpinned goes like the others, and what stays is whole', async () => {
  const [pinned = '', , ...newest] = ids;
  expect((await host.holdfast(['unpin', pinned])).exitCode).toBe(0);
  const { exitCode, removed } = await prune();
  expect([exitCode, removed]).toEqual([0, [`${pinned}-daily`]]);
  expect(await tree()).toEqual(treeOf(newest));

  // Read to the last byte.
  const found = await finished<VerifyBackupsResult>('verifyBackups', { level: 'decode' }, 'verify');
  expect([found.sets.map(({ set }) => set).sort(), found.damaged]).toEqual([
    newest.map((id) => `${id}-daily`),
    [],
  ]);
  await recordHistories({ 'verify-backups': `${host.stackName}-verify` });
}, 60_000);
