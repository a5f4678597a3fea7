import { describe, expect, test } from '@jest/globals';
import { findShrinks, type AnomalyRule } from '../../../src/plan/backup/anomaly.js';
import type { AcceptedShrink } from '../../../src/format/set-knowledge.js';
import { judgeEmptiness, type Emptiness } from '../../../src/plan/backup/emptied.js';
import { planRetention } from '../../../src/plan/retention/retention.js';
import type { SetArtifact, SetFile } from '../../../src/format/manifest.js';
import { artifact, isoOf, setFile } from './helpers.js';

const RULE: AnomalyRule = { belowPercent: 50, ignoreUnderBytes: 1024 };
const NONE = { contentBytes: 0, entries: 1 };
const NEXT = '20241220_010000';

function dayOf(day: number): string {
  return `202412${String(day).padStart(2, '0')}_010000`;
}

function data(amount: Partial<SetArtifact>, source = 'data'): SetArtifact {
  return artifact('bot', source, { kind: 'volume', path: `${source}_x`, ...amount });
}

function sets(...amounts: readonly Partial<SetArtifact>[]): SetFile[] {
  return amounts.map((amount, index) =>
    setFile(dayOf(index + 1), { artifacts: [data(amount), data({ contentBytes: 9 }, 'other')] }),
  );
}

function judge(
  earlier: readonly SetFile[],
  rule: AnomalyRule | undefined = RULE,
  accepted: readonly AcceptedShrink[] = [],
): Emptiness {
  const next = { setId: NEXT, at: new Date(isoOf(NEXT)), artifact: data(NONE) };
  return judgeEmptiness(earlier, next, { rule, accepted });
}

const upTo = isoOf(dayOf(2));
const word: AcceptedShrink = { service: 'bot', source: 'data', upTo, contentBytes: 0, entries: 1 };

describe('an empty volume', () => {
  test.each<[string, readonly SetFile[]]>([
    ['without a set', []],
    ['that always was', sets(NONE, NONE)],
    ['of directories only, as ever', sets({ contentBytes: 0, entries: 1 })],
    ['under the name of a source of another kind', sets({ kind: 'files', contentBytes: 99 })],
    ['by a set of its own run', [setFile(NEXT, { artifacts: [data({ contentBytes: 99 })] })]],
  ])('%s is a state like any other', (_, earlier) => {
    expect(judge(earlier)).toEqual({ state: 'always' });
  });

  test('that had content is a shrink, night after night, until it is accepted', () => {
    const full = { contentBytes: 99, entries: 4 };
    expect(judge(sets(full))).toMatchObject({
      state: 'shrunk',
      shrink: { setId: NEXT, current: true, usualBytes: 99 },
    });
    expect(judge(sets(full, NONE))).toMatchObject({ state: 'shrunk' });
    expect(judge(sets(full, NONE), RULE, [word])).toEqual({ state: 'always' });
    expect(judge(sets(full, NONE, full), RULE, [word])).not.toEqual({ state: 'always' });
  });

  test.each<[string, readonly SetFile[], Partial<SetArtifact>]>([
    ['once between empty ones', sets(NONE, { contentBytes: 99, entries: 2 }), NONE],
    ['at last', sets(NONE, NONE, NONE, { contentBytes: 99 }), NONE],
    ['of links and files of no bytes', sets({ contentBytes: 0, entries: 3 }, NONE, NONE), NONE],
    [
      'in directories that are still there',
      sets({ contentBytes: 0, entries: 3 }, { contentBytes: 99, entries: 5 }),
      { contentBytes: 0, entries: 3 },
    ],
  ])('is a shrink whichever of the last backups had content: %s', (_, earlier, now) => {
    const next = { setId: NEXT, at: new Date(isoOf(NEXT)), artifact: data(now) };
    expect(judgeEmptiness(earlier, next, { rule: RULE, accepted: [] })).toMatchObject({
      state: 'shrunk',
      shrink: { setId: NEXT, current: true },
    });
  });

  test('names what was there, not the nothing that is the median', () => {
    expect(judge(sets(NONE, { contentBytes: 99, entries: 2 }))).toMatchObject({
      shrink: { usualBytes: 99, usualEntries: 2, contentBytes: 0, entries: 1 },
    });
  });

  test.each<[string, Partial<SetArtifact>, AnomalyRule]>([
    [
      'a volume that may be empty',
      { kind: 'volume' },
      { ...RULE, mayBeEmpty: new Set(['bot/data']) },
    ],
    ['files, which fail where they may not', { kind: 'files' }, RULE],
  ])('holds nothing of %s and mostly is', (_, kind, rule) => {
    const mostly = sets({ ...NONE, ...kind }, { contentBytes: 99, ...kind }, { ...NONE, ...kind });
    expect(findShrinks(mostly, rule, [])).toEqual([]);
  });

  test('that is a shrink is what holds the removal of sets', () => {
    const earlier = sets({ contentBytes: 99 }, { contentBytes: 99 });
    const next = setFile(NEXT, { status: 'degraded', artifacts: [data(NONE)] });
    const tiers = { daily: { keep: 1 }, weekly: { keep: 1 }, monthly: { keep: 1 } };
    const policy = { tiers, sources: [], anomaly: RULE };
    const plan = planRetention([...earlier, next], policy, {}, new Date(isoOf(NEXT)));
    expect(plan.held).toMatchObject([{ service: 'bot', source: 'data' }]);
    expect(plan.remove).toEqual([]);
  });

  test.each<[string, readonly SetFile[], AnomalyRule | undefined]>([
    ['the rule is off', sets({ contentBytes: 99 }), { belowPercent: 0, ignoreUnderBytes: 0 }],
    [
      'the set it was in failed',
      [setFile(dayOf(1), { status: 'failed', artifacts: [data({ contentBytes: 99 })] })],
      RULE,
    ],
  ])('that had content which no rule would keep is an error: %s', (_, earlier, rule) => {
    expect(judge(earlier, rule)).toMatchObject({ state: 'emptied' });
  });
});
