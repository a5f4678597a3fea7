import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { planRetention as planWith, sourceKeeps } from '../../../src/plan/retention/retention.js';
import type { SetKnowledge } from '../../../src/format/set-knowledge.js';
import type {
  RetentionPlan,
  RetentionPolicy,
  SourceKeep,
} from '../../../src/plan/retention/retention.js';
import { newestFirst, setName } from '../../../src/format/set-order.js';
import type { SetArtifact, SetFile } from '../../../src/format/manifest.js';
import { artifact, service, setFile, source, stackOf } from './helpers.js';

const KEEP = { daily: 3, weekly: 2, monthly: 2 };
const NOW = new Date('2024-12-31T00:00:00Z');

/** The number alone decides, and nothing is known but the sets' files. */
function planRetention(
  sets: readonly SetFile[],
  keep: typeof KEEP,
  sources: readonly SourceKeep[],
  now: Date,
  knowledge: SetKnowledge = {},
  more: Partial<RetentionPolicy> = {},
): RetentionPlan {
  const { daily, weekly, monthly } = keep;
  const tiers = { daily: { keep: daily }, weekly: { keep: weekly }, monthly: { keep: monthly } };
  return planWith(sets, { tiers, sources, ...more }, knowledge, now);
}

function id(day: number): string {
  return `202412${String(day).padStart(2, '0')}_010000`;
}

/** As a run writes them: each tier has its own paths, large ones are shared by the tiers. */
function holding(day: number, tier: string, keys: readonly string[]): SetArtifact[] {
  return keys.map((key) => {
    const [service = '', source = ''] = key.split('/');
    const path = source.startsWith('large')
      ? `large_volumes/${source}_${id(day)}`
      : `${service}/${tier}/data/${source}_${id(day)}`;
    return artifact(service, source, { path });
  });
}

function made(
  day: number,
  extras: Partial<SetFile> = {},
  keys: readonly string[] = ['pgdb/dump', 'agent/data'],
): SetFile {
  const { tier = 'daily' } = extras;
  return setFile(id(day), { artifacts: holding(day, tier, keys), ...extras });
}

function removed(plan: RetentionPlan): string[] {
  return plan.remove.map(({ set }) => setName(set));
}

describe('what retention removes', () => {
  test('good sets beyond the number of their tier, oldest first, tiers apart', () => {
    const sets = [1, 2, 3, 4, 5].map((day) => made(day));
    const weekly = [1, 2].map((day) => made(day, { tier: 'weekly' }));
    const plan = planRetention([...weekly, ...sets], KEEP, [], NOW);
    expect(removed(plan)).toEqual([`${id(2)}-daily`, `${id(1)}-daily`]);
    expect(plan.deletePaths).toEqual(
      [1, 2]
        .flatMap((day) => [`agent/daily/data/data_${id(day)}`, `pgdb/daily/data/dump_${id(day)}`])
        .sort(),
    );
    expect(plan.keep[0]?.reason).toBe('daily: success, 1 of 3');
  });

  test('a week of failures pushes no good set out, and does not fill the disk', () => {
    const good = [1, 2, 3].map((day) => made(day));
    const failed = [4, 5, 6, 7, 8].map((day) => made(day, { status: 'failed' }, ['pgdb/dump']));
    const plan = planRetention([...good, ...failed], KEEP, [], NOW);
    expect(removed(plan)).toEqual([`${id(5)}-daily`, `${id(4)}-daily`]);
  });

  test('degraded ones push failed ones out, not good ones', () => {
    const sets = [
      made(1),
      made(2, { status: 'failed' }),
      ...[3, 4, 5, 6].map((day) => made(day, { status: 'degraded' })),
    ];
    const plan = planRetention(sets, KEEP, [], NOW);
    expect(removed(plan)).toEqual([`${id(3)}-daily`, `${id(2)}-daily`]);
  });

  test('a backup of one service pushes no backup of the whole stack out', () => {
    const partial = [4, 5, 6, 7].map((day) => made(day, { scope: ['pgdb'] }, ['pgdb/dump']));
    const plan = planRetention([made(1), made(2), ...partial], KEEP, [], NOW);
    expect(removed(plan)).toEqual([`${id(4)}-daily`]);
  });

  test('the last good backup of a source stays, also one no longer in the configuration', () => {
    const old = made(1, {}, ['pgdb/dump', 'retired/data']);
    const plan = planRetention([old, ...[2, 3, 4, 5, 6].map((day) => made(day))], KEEP, [], NOW);
    expect(removed(plan)).toEqual([`${id(3)}-daily`, `${id(2)}-daily`]);
    expect(plan.keep.at(-1)).toMatchObject({ set: old, reason: 'last of retired/data' });
  });

  test('where no good set holds a source, the best there is stays', () => {
    const sets = [
      made(1, { status: 'failed' }, ['agent/data']),
      made(2, { status: 'degraded' }, ['agent/data']),
      made(3, { status: 'failed' }, ['agent/data']),
      ...[4, 5, 6].map((day) => made(day, {}, ['pgdb/dump'])),
    ];
    expect(removed(planRetention(sets, KEEP, [], NOW))).toEqual([
      `${id(3)}-daily`,
      `${id(1)}-daily`,
    ]);
  });

  test('nothing made by hand', () => {
    const manual = [1, 2, 3, 4, 5].map((day) => made(day, { tier: 'manual' }));
    expect(removed(planRetention(manual, KEEP, [], NOW))).toEqual([]);
  });

  test('a clock that was wrong once does not push out real backups', () => {
    const future = [1, 2, 3].map((n) =>
      made(n, { id: `2035010${n}_010000`, startedAt: `2035-01-0${n}T01:00:00.000Z` }),
    );
    const real = [1, 2, 3, 4].map((day) => made(day));
    const plan = planRetention([...future, ...real], KEEP, [], NOW);
    expect(removed(plan)).toEqual([`${id(1)}-daily`]);
    expect(plan.keep.filter(({ reason }) => reason === 'dated in the future')).toHaveLength(3);
  });

  test('an artifact two sets share goes with the last of them', () => {
    const keys = ['pgdb/dump', 'saiga/large'];
    const weekly = made(1, { tier: 'weekly' }, keys);
    const sets = [1, 2, 3, 4].map((day) => made(day, {}, keys));
    const plan = planRetention([weekly, ...sets], KEEP, [], NOW);
    expect(removed(plan)).toEqual([`${id(1)}-daily`]);
    expect(plan.deletePaths).toEqual([`pgdb/daily/data/dump_${id(1)}`]);
    const later = planRetention(sets, KEEP, [], NOW);
    expect(later.deletePaths).toContain(`large_volumes/large_${id(1)}`);
  });
});

describe('a source with a number of its own', () => {
  const keys = ['pgdb/dump', 'saiga/large'];
  const two: readonly SourceKeep[] = [{ service: 'saiga', source: 'large', keep: 2 }];
  const trimmed = (plan: RetentionPlan): string[] =>
    plan.trimArtifacts.flatMap(({ set, artifacts }) =>
      artifacts.map((each) => `${setName(set)} ${each.source}`),
    );

  test('is found in the stack', () => {
    const stack = stackOf([
      service('pgdb', [], [source('dump', 'postgres')]),
      service('saiga', [], [source('large', 'files', { keep: 2 })]),
    ]);
    expect(sourceKeeps(stack)).toEqual(two);
  });

  test('keeps that many versions across tiers; those of one moment are one', () => {
    const sets = [
      made(1, { tier: 'monthly' }, keys),
      made(8, { tier: 'weekly' }, keys),
      made(8, {}, keys),
      made(9, {}, keys),
    ];
    const plan = planRetention(sets, KEEP, two, NOW);
    expect(removed(plan)).toEqual([]);
    expect(trimmed(plan)).toEqual([`${id(1)}-monthly large`]);
    expect(plan.deletePaths).toEqual([`large_volumes/large_${id(1)}`]);
  });

  test('only good versions count: the last good ones are not lost to bad ones', () => {
    const sets = [
      made(1, {}, keys),
      made(2, {}, keys),
      made(3, { status: 'degraded' }, keys),
      made(4, { status: 'failed' }, keys),
    ];
    expect(trimmed(planRetention(sets, KEEP, two, NOW))).toEqual([]);
    const three = [...sets, made(5, {}, keys)];
    expect(trimmed(planRetention(three, KEEP, two, NOW))).toEqual([`${id(1)}-daily large`]);
  });

  test('a version that retention removes anyway is none of those that stay', () => {
    const sets = [1, 2, 3].map((day) => made(day, {}, keys));
    const plan = planRetention(sets, { ...KEEP, daily: 1 }, two, NOW);
    expect(removed(plan)).toEqual([`${id(2)}-daily`, `${id(1)}-daily`]);
    expect(trimmed(plan)).toEqual([]);
  });

  test('sets made by hand lose nothing and count for nothing', () => {
    const sets = [
      made(1, { tier: 'manual' }, keys),
      made(2, {}, keys),
      made(3, {}, keys),
      made(4, { tier: 'manual' }, keys),
    ];
    expect(trimmed(planRetention(sets, KEEP, two, NOW))).toEqual([]);
  });

  test('a set that would be left empty goes as a whole', () => {
    const sets = [1, 2, 3].map((day) => made(day, { scope: ['saiga'] }, ['saiga/large']));
    const plan = planRetention(sets, KEEP, two, NOW);
    expect(removed(plan)).toEqual([`${id(1)}-daily`]);
    expect(trimmed(plan)).toEqual([]);
    expect(plan.deletePaths).toEqual([`large_volumes/large_${id(1)}`]);
  });

  test('a set trimmed before is not in the way', () => {
    const sets = [made(1, {}, ['pgdb/dump']), made(2, {}, keys), made(3, {}, keys)];
    expect(trimmed(planRetention(sets, KEEP, two, NOW))).toEqual([]);
  });
});

const KEYS = ['pgdb/dump', 'agent/data', 'agent/vol', 'saiga/large'];
const anySet = fc
  .record({
    day: fc.integer({ min: 1, max: 28 }),
    tier: fc.constantFrom('daily', 'weekly', 'monthly', 'manual'),
    status: fc.constantFrom('success', 'success', 'degraded', 'failed'),
    scope: fc.constantFrom<'all' | string[]>('all', 'all', 'all', ['pgdb'], ['pgdb', 'agent']),
    keys: fc.subarray(KEYS, { minLength: 1 }),
  })
  .map(({ day, tier, status, scope, keys }) => {
    // A run of the whole stack that saved nothing of the database would be no good one.
    const all = scope === 'all' ? [...new Set(['pgdb/dump', ...keys])] : keys;
    return made(day, { tier, status, scope }, all);
  });
const anySets = fc
  .array(anySet, { maxLength: 40 })
  .map((sets) => [...new Map(sets.map((set) => [setName(set), set])).values()]);
const anyKeep = fc.record({
  daily: fc.integer({ min: 1, max: 5 }),
  weekly: fc.integer({ min: 1, max: 3 }),
  monthly: fc.integer({ min: 1, max: 3 }),
});
const anySourceKeep: fc.Arbitrary<SourceKeep[]> = fc
  .option(fc.integer({ min: 1, max: 3 }))
  .map((keep) => (keep === null ? [] : [{ service: 'saiga', source: 'large', keep }]));
const anyNow = fc.integer({ min: 1, max: 30 }).map((day) => new Date(Date.UTC(2024, 11, day, 12)));

/** The catalogue after the plan has been carried out. */
function after(plan: RetentionPlan): SetFile[] {
  const lost = new Map(plan.trimArtifacts.map(({ set, artifacts }) => [set, artifacts]));
  return plan.keep.map(({ set }) => ({
    ...set,
    artifacts: set.artifacts.filter((each) => !(lost.get(set) ?? []).includes(each)),
  }));
}

function best(sets: readonly SetFile[], key: string): SetFile | undefined {
  const able = newestFirst(sets).filter((set) =>
    set.artifacts.some((each) => `${each.service}/${each.source}` === key),
  );
  return (
    able.find((set) => set.status === 'success') ??
    able.find((set) => set.status === 'degraded') ??
    able[0]
  );
}

describe('whatever there is in the catalogue', () => {
  const check = (
    property: (
      plan: RetentionPlan,
      sets: readonly SetFile[],
      keep: typeof KEEP,
      now: Date,
      sourceKeep: readonly SourceKeep[],
    ) => void,
  ): void => {
    fc.assert(
      fc.property(anySets, anyKeep, anySourceKeep, anyNow, (sets, keep, sourceKeep, now) => {
        property(planRetention(sets, keep, sourceKeep, now), sets, keep, now, sourceKeep);
      }),
      { numRuns: 200 },
    );
  };

  test('every set is kept or removed, once', () => {
    check((plan, sets) => {
      const told = [...plan.keep, ...plan.remove].map(({ set }) => set);
      expect(told.map(setName).sort()).toEqual(sets.map(setName).sort());
    });
  });

  test('the last good backup of every source stays, and its files with it', () => {
    check((plan, sets, _keep, now) => {
      const left = after(plan);
      for (const key of KEYS) {
        const present = sets.filter((set) => Date.parse(set.startedAt) <= now.getTime());
        const last = best(present, key);
        if (last === undefined) continue;
        expect(left.map(setName)).toContain(setName(last));
        const kept = left.find((set) => setName(set) === setName(last));
        const held = kept?.artifacts.find((each) => `${each.service}/${each.source}` === key);
        expect(held).toBeDefined();
        expect(plan.deletePaths).not.toContain(held?.path);
      }
    });
  });

  test('exactly `keep` good sets of the whole stack count in each tier, the newest ones', () => {
    check((plan, sets, keep, now) => {
      for (const tier of ['daily', 'weekly', 'monthly'] as const) {
        const good = newestFirst(sets).filter(
          (set) =>
            set.tier === tier &&
            set.status === 'success' &&
            set.scope === 'all' &&
            Date.parse(set.startedAt) <= now.getTime(),
        );
        const counted = plan.keep.filter(
          ({ set, reason }) => good.includes(set) && !reason.startsWith('last of'),
        );
        expect(counted.map(({ set }) => set)).toEqual(good.slice(0, keep[tier]));
      }
    });
  });

  test('nothing that a kept set names is deleted, and nothing that no removed one named', () => {
    check((plan, sets) => {
      const named = new Set(after(plan).flatMap((set) => set.artifacts.map(({ path }) => path)));
      const known = new Set(sets.flatMap((set) => set.artifacts.map(({ path }) => path)));
      for (const path of plan.deletePaths) {
        expect(named.has(path)).toBe(false);
        expect(known.has(path)).toBe(true);
      }
      // And nothing is left behind without a set that names it.
      for (const path of known) {
        expect(named.has(path) || plan.deletePaths.includes(path)).toBe(true);
      }
    });
  });

  test('what stays of each tier and status is bounded, but for the last backups', () => {
    check((plan, _sets, keep) => {
      for (const tier of ['daily', 'weekly', 'monthly'] as const) {
        for (const status of ['success', 'degraded', 'failed'] as const) {
          const counted = plan.keep.filter(
            ({ set, reason }) =>
              set.tier === tier &&
              set.status === status &&
              set.scope === 'all' &&
              reason.startsWith(`${tier}:`),
          );
          expect(counted.length).toBeLessThanOrEqual(keep[tier]);
        }
      }
    });
  });

  test('nothing made by hand and nothing of the future is touched', () => {
    check((plan, _sets, _keep, now) => {
      const touched = [...plan.remove, ...plan.trimArtifacts].map(({ set }) => set);
      for (const set of touched) {
        expect(set.tier).not.toBe('manual');
        expect(Date.parse(set.startedAt)).toBeLessThanOrEqual(now.getTime());
      }
    });
  });

  test('a second run finds nothing to do', () => {
    check((plan, _sets, keep, now, sourceKeep) => {
      const again = planRetention(after(plan), keep, sourceKeep, now);
      expect(again.remove).toEqual([]);
      expect(again.trimArtifacts).toEqual([]);
      expect(again.deletePaths).toEqual([]);
    });
  });

  test('a new good run never makes an older good one of another tier go', () => {
    check((plan, sets, keep, now, sourceKeep) => {
      const fresh = made(28, { tier: 'daily', id: '20241228_230000' }, KEYS);
      const late = new Date(Date.UTC(2024, 11, 30));
      if (now > late) return;
      const before = planRetention(sets, keep, sourceKeep, late);
      const with_ = planRetention([...sets, fresh], keep, sourceKeep, late);
      const good = (each: RetentionPlan): string[] =>
        each.keep
          // Sets of one service may have held nothing but a version the new one makes superfluous.
          .filter(
            ({ set, reason }) => set.scope === 'all' && /^(weekly|monthly): success/.test(reason),
          )
          .map(({ set }) => setName(set));
      expect(good(with_)).toEqual(good(before));
    });
  });
});

/** What is known to be wrong with some sets: `2` of their artifacts, by name. */
function unsound(...names: readonly (readonly [string, SetFile, string])[]): SetKnowledge {
  return {
    unsound: new Map(
      names.map(([reason, set, key]) => [
        setName(set),
        {
          reason,
          artifacts: new Set(
            set.artifacts
              .filter((each) => `${each.service}/${each.source}` === key)
              .map(({ path }) => path),
          ),
        },
      ]),
    ),
  };
}

/** Sets that are as usual, then some of which `agent/data` is small. */
function withShrink(days: readonly number[], small: readonly number[]): SetFile[] {
  const amount = (day: number): Partial<SetArtifact> =>
    small.includes(day) ? { contentBytes: 0, entries: 1 } : { contentBytes: 80e9, entries: 1_000 };
  return days.map((day) => ({
    ...made(day),
    artifacts: holding(day, 'daily', ['pgdb/dump', 'agent/data']).map((each) =>
      each.source === 'data' ? { ...each, ...amount(day) } : each,
    ),
  }));
}

const ANOMALY = { anomaly: { belowPercent: 50, ignoreUnderBytes: 1024 ** 2 } };

describe('how backups were lost elsewhere, and are not here', () => {
  test('copies that are damaged push out no good ones', () => {
    const sets = [1, 2, 3, 4, 5].map((day) => made(day));
    const [, , , four, five] = sets;
    const known = unsound(
      ['1 damaged file', four!, 'pgdb/dump'],
      ['1 damaged file', five!, 'pgdb/dump'],
    );
    const plan = planRetention(sets, KEEP, [], NOW, known);
    expect(removed(plan)).toEqual([]);
    expect(plan.keep[0]?.reason).toBe('daily: counts for nothing (1 damaged file), 1 of 3');
    // They go once there are enough of their like or better ones.
    const later = planRetention(
      [...sets, ...[6, 7, 8].map((day) => made(day))],
      KEEP,
      [],
      NOW,
      known,
    );
    expect(removed(later)).toEqual([5, 4, 3, 2, 1].map((day) => `${id(day)}-daily`));
  });

  test('sets of which half has gone from the disk push out no whole ones', () => {
    const sets = [1, 2, 3, 4, 5, 6].map((day) => made(day));
    const known = unsound(
      ...sets.slice(3).map((set) => ['1 of 2 artifacts missing', set, 'agent/data'] as const),
    );
    expect(removed(planRetention(sets, KEEP, [], NOW, known))).toEqual([]);
  });

  test('the last sound copy of a source stays, though newer sets of it are there', () => {
    const old = made(1, {}, ['pgdb/dump', 'agent/data']);
    const newer = [2, 3, 4, 5, 6].map((day) => made(day));
    const known = unsound(...newer.map((set) => ['damaged', set, 'agent/data'] as const));
    const plan = planRetention([old, ...newer], { ...KEEP, daily: 1 }, [], NOW, known);
    expect(plan.keep.map(({ set }) => set)).toContain(old);
    // What is sound in them counts: the newest dump is that of the newest set.
    expect(plan.keep.map(({ set }) => set.id)).toContain(id(6));
  });

  test('a source that was given up keeps its last sound copy, not a newer damaged one', () => {
    const keys = ['pgdb/dump', 'retired/data'];
    const damaged = made(2, {}, keys);
    const sets = [made(1, {}, keys), damaged, ...[3, 4, 5, 6].map((day) => made(day))];
    const known = unsound(['damaged', damaged, 'retired/data']);
    const plan = planRetention(sets, KEEP, [], NOW, known);
    expect(removed(plan)).toEqual([`${id(3)}-daily`, `${id(2)}-daily`]);
    expect(plan.keep.at(-1)?.reason).toBe('last of retired/data');
  });

  test('a damaged newest version is none of those that stay of a large source', () => {
    const keys = ['pgdb/dump', 'saiga/large'];
    const sets = [1, 2, 3].map((day) => made(day, {}, keys));
    const two = [{ service: 'saiga', source: 'large', keep: 1 }];
    const known = unsound(['damaged', sets[2]!, 'saiga/large']);
    const plan = planRetention(sets, KEEP, two, NOW, known);
    expect(plan.trimArtifacts.map(({ set }) => set.id)).toEqual([id(1)]);
  });

  test('backups of an empty mount push out nothing, and hold everything until they are accepted', () => {
    const sets = withShrink([1, 2, 3, 4, 5, 6, 7, 8, 9], [7, 8, 9]);
    const plan = planRetention(sets, KEEP, [], NOW, {}, ANOMALY);
    expect(plan.remove).toEqual([]);
    expect(plan.deletePaths).toEqual([]);
    expect(plan.held).toMatchObject(
      [{ source: 'data', setId: id(7) }, {}, { current: true }].slice(2),
    );
    expect(plan.later.map(({ reason }) => reason).join()).toContain(
      'held: agent/data shrank from 74.5 GiB in 1000 entries to 0 B in 1 entry',
    );
    const [, , shrink] = [7, 8, 9].map((day) => ({
      service: 'agent',
      source: 'data',
      upTo: made(day).startedAt,
      contentBytes: 0,
      entries: 1,
    }));
    const accepted = planRetention(sets, KEEP, [], NOW, { accepted: [shrink!] }, ANOMALY);
    expect(accepted.held).toEqual([]);
    expect(removed(accepted)).toEqual([6, 5, 4, 3, 2, 1].map((day) => `${id(day)}-daily`));
    // And the nights after it are measured by what was accepted, whatever else is still there.
    const after = withShrink([1, 10, 11], [10, 11]);
    expect(planRetention(after, KEEP, [], NOW, { accepted: [shrink!] }, ANOMALY).held).toEqual([]);
    expect(planRetention(after, KEEP, [], NOW, {}, ANOMALY).held).toHaveLength(1);
  });

  test('what was accepted is what is usual from then on: less than that is a shrink again', () => {
    const half = { service: 'agent', source: 'data', contentBytes: 40e9, entries: 500 };
    const accepted = [{ ...half, upTo: made(2).startedAt }];
    const next = withShrink([1, 2, 3], [3]);
    expect(planRetention(next, KEEP, [], NOW, { accepted }, ANOMALY).held).toMatchObject([
      { usualBytes: 40e9, usualEntries: 500 },
    ]);
  });

  test('a month of empty backups does not become what is usual', () => {
    const days = Array.from({ length: 28 }, (_, index) => index + 1);
    const sets = withShrink(days, days.slice(2));
    expect(planRetention(sets, KEEP, [], NOW, {}, ANOMALY).held).toHaveLength(1);
  });

  test('an empty night between good ones counts for nothing, and holds nothing', () => {
    const plan = planRetention(withShrink([1, 2, 3, 4, 5], [4]), KEEP, [], NOW, {}, ANOMALY);
    expect(plan.held).toEqual([]);
    expect(removed(plan)).toEqual([`${id(1)}-daily`]);
  });

  test('a wrong policy or a long hold costs a few sets a run, not all', () => {
    const sets = Array.from({ length: 20 }, (_, index) => made(index + 1));
    const plan = planRetention(sets, KEEP, [], NOW, {}, { limit: 4 });
    expect(removed(plan)).toEqual([4, 3, 2, 1].map((day) => `${id(day)}-daily`));
    expect(plan.later).toHaveLength(13);
    expect(plan.later[0]?.reason).toMatch(/over the limit of 4 a run$/);
    // Nothing that is only put off loses its files.
    expect(plan.deletePaths).toHaveLength(8);
  });

  test('a pinned set stays, loses nothing and counts for nothing', () => {
    const keys = ['pgdb/dump', 'saiga/large'];
    const sets = [1, 2, 3, 4, 5].map((day) => made(day, {}, keys));
    const pins = new Map([
      [`${id(1)}-daily`, 'before the move'],
      [`${id(5)}-daily`, ''],
    ]);
    const large = [{ service: 'saiga', source: 'large', keep: 1 }];
    const plan = planRetention(sets, { ...KEEP, daily: 2 }, large, NOW, { pins });
    expect(removed(plan)).toEqual([`${id(2)}-daily`]);
    expect(plan.keep.at(-1)?.reason).toBe('pinned: before the move');
    expect(plan.trimArtifacts.map(({ set }) => set.id)).toEqual([id(3)]);
  });

  test('what is within the time stays besides the number, and does not go because time passes', () => {
    const sets = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((day) => made(day));
    const tiers = { ...KEEP };
    const within = (days: number) =>
      removed(
        planRetention(
          sets,
          tiers,
          [],
          NOW,
          {},
          {
            tiers: {
              daily: { keep: 3, keepWithinMs: days * 86_400_000 },
              weekly: { keep: 2 },
              monthly: { keep: 2 },
            },
          },
        ),
      ).map((name) => Number(name.slice(6, 8)));
    // NOW is weeks later: counted from the newest set, a week's are 4 to 10.
    expect(within(7)).toEqual([3, 2, 1]);
    expect(within(1)).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect(within(100)).toEqual([]);
  });

  test('failed sets do not stay because they are young', () => {
    const failed = [2, 3, 4, 5, 6].map((day) => made(day, { status: 'failed' }));
    const plan = planRetention(
      [made(1), ...failed, made(7)],
      KEEP,
      [],
      NOW,
      {},
      {
        tiers: {
          daily: { keep: 3, keepWithinMs: 30 * 86_400_000 },
          weekly: { keep: 2 },
          monthly: { keep: 2 },
        },
      },
    );
    expect(removed(plan)).toEqual([4, 3, 2].map((day) => `${id(day)}-daily`));
  });

  test('every set is told why it stays or goes', () => {
    const plan = planRetention(
      [1, 2, 3, 4].map((day) => made(day)),
      KEEP,
      [],
      NOW,
    );
    expect(plan.remove[0]?.reason).toBe('daily: success, 3 newer ones as good');
    expect(plan.keep.every(({ reason }) => reason !== '')).toBe(true);
  });
});

describe('whatever else is known of the sets', () => {
  const anyKnowledge = (sets: readonly SetFile[]): fc.Arbitrary<SetKnowledge> =>
    fc
      .record({
        bad: fc.subarray([...sets]),
        pinned: fc.subarray([...sets]),
        all: fc.boolean(),
      })
      .map(({ bad, pinned, all }) => ({
        unsound: new Map(
          bad.map((set) => [
            setName(set),
            {
              reason: 'damaged',
              artifacts: new Set(
                set.artifacts.slice(0, all ? undefined : 1).map(({ path }) => path),
              ),
            },
          ]),
        ),
        pins: new Map(pinned.map((set) => [setName(set), ''])),
      }));
  const check = (
    property: (
      plan: RetentionPlan,
      sets: readonly SetFile[],
      knowledge: SetKnowledge,
      now: Date,
      limit: number,
    ) => void,
  ): void => {
    const world = anySets.chain((sets) =>
      fc.record({
        sets: fc.constant(sets),
        knowledge: anyKnowledge(sets),
        keep: anyKeep,
        sourceKeep: anySourceKeep,
        now: anyNow,
        limit: fc.integer({ min: 1, max: 5 }),
        withinDays: fc.integer({ min: 0, max: 10 }),
      }),
    );
    fc.assert(
      fc.property(world, ({ sets, knowledge, keep, sourceKeep, now, limit, withinDays }) => {
        const tier = (number: number) => ({ keep: number, keepWithinMs: withinDays * 86_400_000 });
        const tiers = {
          daily: tier(keep.daily),
          weekly: tier(keep.weekly),
          monthly: tier(keep.monthly),
        };
        const plan = planRetention(sets, keep, sourceKeep, now, knowledge, { limit, tiers });
        property(plan, sets, knowledge, now, limit);
      }),
      { numRuns: 300 },
    );
  };
  const left = (plan: RetentionPlan): SetFile[] => [
    ...after(plan),
    ...plan.later.map(({ set }) => set),
  ];
  const isSound = (knowledge: SetKnowledge, set: SetFile, { path }: SetArtifact): boolean =>
    knowledge.unsound?.get(setName(set))?.artifacts.has(path) !== true;

  test('the best sound copy of every source stays, with its files', () => {
    check((plan, sets, knowledge, now) => {
      for (const key of KEYS) {
        const copies = newestFirst(sets)
          .filter((set) => Date.parse(set.startedAt) <= now.getTime())
          .flatMap((set) =>
            set.artifacts
              .filter((each) => `${each.service}/${each.source}` === key)
              .filter((each) => isSound(knowledge, set, each))
              .map((each) => ({ set, path: each.path })),
          );
        for (const status of ['success', 'degraded', 'failed'] as const) {
          const best = copies.find(({ set }) => set.status === status);
          if (best === undefined) continue;
          const kept = left(plan).find((set) => setName(set) === setName(best.set));
          expect(kept?.artifacts.map(({ path }) => path)).toContain(best.path);
          expect(plan.deletePaths).not.toContain(best.path);
          break;
        }
      }
    });
  });

  test('pinned sets are whole afterwards', () => {
    check((plan, sets, knowledge) => {
      for (const set of sets.filter((one) => knowledge.pins?.has(setName(one)))) {
        expect(left(plan)).toContainEqual(set);
        for (const { path } of set.artifacts) expect(plan.deletePaths).not.toContain(path);
      }
    });
  });

  test('no run removes more than the limit of a tier, and each set has one fate', () => {
    check((plan, sets, _knowledge, _now, limit) => {
      for (const tier of ['daily', 'weekly', 'monthly'] as const) {
        const gone = plan.remove.filter(({ set }) => set.tier === tier);
        expect(gone.length).toBeLessThanOrEqual(limit);
        // The oldest go first.
        const waits = plan.later.filter(({ set }) => set.tier === tier);
        for (const { set } of gone) {
          for (const { set: other } of waits) expect(set.id <= other.id).toBe(true);
        }
      }
      const told = [...plan.keep, ...plan.remove, ...plan.later].map(({ set }) => setName(set));
      expect(told.sort()).toEqual(sets.map(setName).sort());
    });
  });

  test('nothing that is not in the catalogue is deleted, nothing that a set still names', () => {
    check((plan, sets) => {
      const known = new Set(sets.flatMap((set) => set.artifacts.map(({ path }) => path)));
      const named = new Set(left(plan).flatMap((set) => set.artifacts.map(({ path }) => path)));
      for (const path of plan.deletePaths) {
        expect(known.has(path)).toBe(true);
        expect(named.has(path)).toBe(false);
      }
    });
  });
});
