/**
 * Retention beside restic's on the same calendar: where the two mean the same they must keep the same,
 * and where they differ (docs/retention.md) they must differ as it is written there. Without restic
 * there is nothing to compare with.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { planRetention } from '../../../src/plan/retention/retention.js';
import { runCommand } from '../../../src/base/process/process.js';
import { setFile } from '../../unit/plan/helpers.js';

/** Days of December 2024 with a backup at 01:00; the 1st, 8th and 15th were Sundays. */
const DAYS = [1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];

let directory: string;
let hasRestic = true;

async function restic(...args: string[]): Promise<string> {
  const { stdout } = await runCommand('restic', ['--no-cache', '-q', ...args], {
    env: { RESTIC_REPOSITORY: path.join(directory, 'repo'), RESTIC_PASSWORD: 'x', TZ: 'UTC' },
    timeoutMs: 60_000,
  });
  return stdout;
}

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-restic-'));
  hasRestic = await runCommand('restic', ['version'], { timeoutMs: 10_000 }).then(
    () => true,
    () => false,
  );
  if (!hasRestic) return;
  await restic('init');
  const file = path.join(directory, 'file');
  await writeFile(file, 'x');
  for (const day of DAYS) {
    await restic('backup', '--time', `2024-12-${String(day).padStart(2, '0')} 01:00:00`, file);
  }
}, 300_000);
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Days that `restic forget` would keep. */
async function resticKeeps(...policy: string[]): Promise<number[]> {
  const answer = await restic('forget', '--dry-run', '--json', ...policy);
  const [group] = JSON.parse(answer) as { keep: { time: string }[] }[];
  return (group?.keep ?? []).map(({ time }) => new Date(time).getUTCDate()).sort((a, b) => a - b);
}

type Tier = 'daily' | 'weekly' | 'monthly';

/** Days of the sets that Holdfast would keep, by tier. */
function holdfastKeeps(keep: number, keepWithinDays = 0): Record<Tier, number[]> {
  const id = (day: number): string => `202412${String(day).padStart(2, '0')}_010000`;
  const of = (tier: Tier, days: readonly number[]) => days.map((day) => setFile(id(day), { tier }));
  const sets = [...of('daily', DAYS), ...of('weekly', [1, 8, 15]), ...of('monthly', [1])];
  const tier = { keep, keepWithinMs: keepWithinDays * 86_400_000 };
  const tiers = { daily: tier, weekly: { keep: 2 }, monthly: { keep: 2 } };
  const plan = planRetention(sets, { tiers, sources: [] }, {}, new Date('2024-12-18T02:00:00Z'));
  const days = (name: Tier): number[] =>
    plan.keep
      .filter(({ set }) => set.tier === name)
      .map(({ set }) => Number(set.id.slice(6, 8)))
      .sort((a, b) => a - b);
  return { daily: days('daily'), weekly: days('weekly'), monthly: days('monthly') };
}

test('a number of sets is restic’s --keep-last', async () => {
  if (!hasRestic) return;
  for (const keep of [1, 3, 7, 100]) {
    expect(holdfastKeeps(keep).daily).toEqual(await resticKeeps('--keep-last', String(keep)));
  }
}, 120_000);

test('with a time it is --keep-last with --keep-within, counted from the newest', async () => {
  if (!hasRestic) return;
  for (const [keep, days] of [
    [3, 7],
    [10, 2],
    [1, 5],
  ] as const) {
    expect(holdfastKeeps(keep, days).daily).toEqual(
      await resticKeeps('--keep-last', String(keep), '--keep-within', `${days}d`),
    );
  }
}, 120_000);

test('--keep-daily counts days that have a backup, as the number does with one a night', async () => {
  if (!hasRestic) return;
  expect(holdfastKeeps(7).daily).toEqual(await resticKeeps('--keep-daily', '7'));
}, 120_000);

test('weeks differ: restic takes the last of each week, Holdfast those made for the tier', async () => {
  if (!hasRestic) return;
  // Wednesday: this week's so far, and last Sunday's.
  expect(await resticKeeps('--keep-weekly', '2')).toEqual([15, 18]);
  expect(holdfastKeeps(3).weekly).toEqual([8, 15]);
  // The month so far; the 1st is gone.
  expect(await resticKeeps('--keep-monthly', '2')).toEqual([18]);
  expect(holdfastKeeps(3).monthly).toEqual([1]);
}, 120_000);
