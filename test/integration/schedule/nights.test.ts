/**
 * A week and the rest of two months of nights through the real workflows, with a clock that is told the time. The
 * tree is each morning what the policy says; what it says is worked out here once more, by counting.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { CheckBackupsResult } from '../../../src/plan/check/check-types.js';
import { formatStamp } from '../../../src/plan/shared/ids.js';
import type { BackupStackResult } from '../../../src/plan/shared/inputs.js';
import type { PruneBackupsResult } from '../../../src/plan/retention/prune-types.js';
import type { VerifyBackupsResult } from '../../../src/plan/verify/verify-types.js';
import { readCatalogue } from '../../../src/store/catalogue/catalogue.js';
import { pinSet, unpinSet } from '../../../src/store/catalogue/pins.js';
import { SimulatedNights } from '../../support/simulated-nights.js';

const KEEP = { daily: 3, weekly: 2, monthly: 2 };
type Tier = keyof typeof KEEP;

let nights: SimulatedNights;
beforeAll(async () => {
  nights = await SimulatedNights.create(
    (directory) => `version: 1
stack: STACK
backups: { root: ${directory}/backups, minimumFree: 0, settle: 0s }
tiers:
  daily: { keep: 3, schedule: '0 1 * * *' }
  weekly: { keep: 2, schedule: '0 1 * * 0' }
  monthly: { keep: 2, schedule: '0 1 1 * *' }
check: { free: { warn: 0, critical: 0 } }
services:
  app:
    home: ${directory}
    sources:
      data: { kind: files, include: [data], base: ${directory}/app }
      model: { kind: files, base: ${directory}/model, large: true, keep: 2 }
`,
  );
  await nights.fill('app/data', 12);
  await nights.fill('model', 2);
});
afterAll(async () => nights.stop());

interface Kept {
  readonly id: string;
  readonly tier: Tier;
  readonly good: boolean;
  /** Does it still have its version of the model? One that failed has nothing else. */
  model: boolean;
}

/** The policy by counting: what is kept is a list, and every night adds to it and takes away. */
class Oracle {
  /** Newest first. */
  sets: Kept[] = [];
  pinned: string | undefined;

  add(id: string, tiers: readonly Tier[], good: boolean): void {
    for (const tier of tiers) this.sets.unshift({ id, tier, good, model: true });
  }

  prune(tiers: readonly Tier[]): void {
    for (const tier of tiers) {
      let good = 0;
      let any = 0;
      for (const set of this.sets.filter((one) => one.tier === tier && !this.#isPinned(one))) {
        const stays = set.good ? good < KEEP[tier] : any < KEEP[tier];
        any += 1;
        if (set.good) good += 1;
        if (!stays) this.sets = this.sets.filter((one) => one !== set);
      }
    }
    const versions = new Set<string>();
    for (const set of this.sets.filter((one) => one.model && !this.#isPinned(one))) {
      const isOld = versions.size >= 2 && !versions.has(set.id);
      if (!isOld && set.good) versions.add(set.id);
      if (!isOld) continue;
      if (set.good) set.model = false;
      else if (tiers.includes(set.tier)) this.sets = this.sets.filter((one) => one !== set);
    }
  }

  /** The moments of the model that are on disk. */
  get versions(): string[] {
    return [...new Set(this.sets.filter(({ model }) => model).map(({ id }) => id))].sort();
  }

  #isPinned({ id, tier }: Kept): boolean {
    return this.pinned === `${id}-${tier}`;
  }
}

const oracle = new Oracle();
const tookMs: number[] = [];

function tiersOf(day: Date): Tier[] {
  return [
    'daily',
    ...(day.getDay() === 0 ? (['weekly'] as const) : []),
    ...(day.getDate() === 1 ? (['monthly'] as const) : []),
  ];
}

/** Sets, artifacts and versions on disk are those of the oracle, and nothing else is there. */
async function expectTree(morning: string): Promise<void> {
  const sets = (await nights.names('sets')).map((name) => name.replace('.json', ''));
  const wanted = oracle.sets.map(({ id, tier }) => `${id}-${tier}`).sort();
  expect({ morning, sets }).toEqual({ morning, sets: wanted });
  for (const tier of ['daily', 'weekly', 'monthly'] as const) {
    const artifacts = await nights.names(`app/${tier}/data`);
    // A set whose data could not be read has no artifact of it.
    const good = oracle.sets.filter((set) => set.tier === tier && set.good).map(({ id }) => id);
    expect({ morning, artifacts }).toEqual({
      morning,
      artifacts: good.map((id) => `data_${id}`).sort(),
    });
  }
  const versions = await nights.names('large_volumes');
  expect({ morning, versions }).toEqual({
    morning,
    versions: oracle.versions.map((id) => `model_${id}`),
  });
  expect(await nights.names('.incoming')).toEqual([]);
  expect(await nights.names('.trash')).toEqual([]);
  const { missing, damaged } = await readCatalogue(nights.root);
  expect({ missing, damaged }).toEqual({ missing: [], damaged: [] });
}

async function night(day: Date, how: 'good' | 'failed' | 'held' = 'good'): Promise<void> {
  nights.now = day;
  const [tier, ...alsoTiers] = tiersOf(day);
  const startedMs = Date.now();
  const { result, failure } = await nights.run<BackupStackResult>('backupStack', {
    tier,
    alsoTiers,
  });
  expect({ day, failed: failure !== undefined }).toEqual({ day, failed: how === 'failed' });
  expect(result?.pruneHeld !== undefined).toBe(how === 'held');
  const tiers = tiersOf(day);
  oracle.add(formatStamp(day), tiers, how !== 'failed');
  if (how === 'good') oracle.prune(tiers);
  tookMs.push(Date.now() - startedMs);
  await expectTree(day.toISOString());
}

function day(month: number, date: number): Date {
  return new Date(2024, month, date, 1, 0, 0);
}

async function check(at: Date): Promise<string[]> {
  nights.now = at;
  const { result, failure } = await nights.run<CheckBackupsResult>('checkBackups', {});
  const message = failure?.cause?.message ?? '';
  const codes = (result?.findings ?? []).filter(({ severity }) => severity !== 'ok');
  return failure === undefined ? codes.map(({ code }) => code) : [message];
}

test('a week', async () => {
  for (let date = 1; date <= 7; date += 1) await night(day(11, date));
  // Nothing is wrong but that this server has no schedules of the stack.
  expect(await check(new Date(2024, 11, 7, 8))).toEqual(['schedules-missing']);
}, 300_000);

test('the rest of two months, with a week of failures, a host that was off, a pin and a shrink', async () => {
  for (let n = 8; n <= 62; n += 1) {
    const now = day(11, n);
    const date = `${now.getMonth() + 1}/${now.getDate()}`;
    if (date === '12/10') {
      await night(now);
      const id = formatStamp(now);
      oracle.pinned = `${id}-daily`;
      await pinSet(nights.root, { id, tier: 'daily' }, 'before the move', now);
      continue;
    }
    if (date === '12/15') await nights.fill('app/data', 0);
    if (date === '12/20') await nights.fill('app/data', 12);
    if (date === '1/15') await nights.fill('app/data', 2);
    if (date === '1/25') {
      await unpinSet(nights.root, { id: formatStamp(day(11, 10)), tier: 'daily' });
      oracle.pinned = undefined;
    }
    const isOff = ['1/3', '1/4', '1/5'].includes(date);
    const isFailed = now >= day(11, 15) && now < day(11, 20);
    const isHeld = now >= day(11, 46) && now < day(11, 50);
    if (!isOff) await night(now, isFailed ? 'failed' : isHeld ? 'held' : 'good');
    if (date === '12/18') {
      expect((await check(new Date(2024, 11, 18, 8))).join()).toMatch(
        /critical: the newest good daily set is 20241214.* runs made none .* app\/data/,
      );
    }
    if (date === '1/5') {
      expect((await check(new Date(2025, 0, 5, 8))).join()).toMatch(
        /critical: the newest good daily set is 20250102.*; 3 runs made none since/,
      );
    }
    if (date === '1/18') {
      expect(await check(new Date(2025, 0, 18, 8))).toContain('size-dropped');
      const { result } = await nights.run<PruneBackupsResult>('pruneBackups', {
        acceptShrink: true,
      });
      expect(result?.accepted).toHaveLength(1);
      oracle.prune(['daily', 'weekly', 'monthly']);
      await expectTree('after the shrink was accepted');
    }
  }
}, 900_000);

test('a damaged file fails the verification, counts for nothing, and is written anew', async () => {
  const newest = oracle.sets[0]?.id ?? '';
  const artifact = path.join(nights.root, 'app/daily/data', `data_${newest}`);
  const part = path.join(artifact, 'part-00001.tar.zst');
  const bytes = await readFile(part);
  bytes.writeUInt8(bytes.readUInt8(60) ^ 1, 60);
  await writeFile(part, bytes);
  nights.now = new Date(2025, 0, 31, 3);
  const { failure } = await nights.run<VerifyBackupsResult>('verifyBackups', { level: 'decode' });
  expect(failure?.cause?.message).toContain(`data_${newest}/part-00001.tar.zst`);
  expect((await check(new Date(2025, 0, 31, 8))).join()).toMatch(/1 damaged file/);

  // All of them linked the damaged part, so the next backup reads its source anew: that one is sound,
  // and the damaged ones push out neither it nor each other's last sound model.
  for (let n = 63; n <= 64; n += 1) {
    nights.now = day(11, n);
    await nights.run('backupStack', { tier: 'daily' });
  }
  const dailies = (await nights.names('sets')).filter((name) => name.endsWith('-daily.json'));
  expect(dailies).toHaveLength(3);
  const found = await nights.run<VerifyBackupsResult>('verifyBackups', {});
  const named = found.failure?.cause?.message;
  expect(named).toContain(`data_${newest}/part-00001.tar.zst`);
  expect(named).not.toContain(`data_${formatStamp(day(11, 64))}`);
  const again = await nights.run<VerifyBackupsResult>('verifyBackups', { budgetMs: 1 });
  // One set at least, however little time there is.
  expect(again.result?.sets ?? [null]).toHaveLength(1);
}, 300_000);
