import { describe, expect, it } from '@jest/globals';
import { permitLookMs } from '../../../src/plan/shared/permit-wait.js';

/** What a look costs in a run's history: measured by test/integration/permit.test.ts. */
const EVENTS_A_LOOK = 17;
/** The server ends a run with more. */
const MOST_EVENTS = 51_200;

describe('waiting for the permit', () => {
  it('looks often at first, and fits into a history for all of twelve hours', () => {
    let waitedMs = 0;
    let looks = 0;
    for (; waitedMs < 12 * 3_600_000; looks += 1) waitedMs += permitLookMs(looks, 'begin');
    expect(looks * EVENTS_A_LOOK).toBeLessThan(MOST_EVENTS / 5);
    expect(permitLookMs(0, 'begin')).toBe(5_000);
  });

  it('tries again at once after the word, which comes a moment before the permit is free', () => {
    const first = [0, 1, 2].map((looks) => permitLookMs(looks, 'word'));
    expect(first).toEqual([500, 1_000, 2_000]);
  });

  it('never waits longer than a holder that was terminated may stay unnoticed', () => {
    expect(permitLookMs(1_000_000, 'begin')).toBe(120_000);
    expect(permitLookMs(1_000_000, 'word')).toBe(120_000);
  });
});
