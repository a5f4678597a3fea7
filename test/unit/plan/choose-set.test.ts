import { describe, expect, test } from '@jest/globals';
import { chooseSet } from '../../../src/plan/restore/choose-set.js';
import { newestFirst, setName } from '../../../src/format/set-order.js';
import { artifact, setFile } from './helpers.js';

const monday = setFile('20241209_010000');
const tuesday = setFile('20241210_010000');

function chosen(...parameters: Parameters<typeof chooseSet>): string {
  return setName(chooseSet(...parameters).set);
}

describe('the latest set', () => {
  test('is the newest good one, whatever order the catalogue gives', () => {
    expect(chosen([tuesday, monday], 'latest')).toBe('20241210_010000-daily');
    expect(chosen([monday, tuesday], 'latest')).toBe('20241210_010000-daily');
  });

  test('is never a failed one, and that a newer one failed is said', () => {
    const failed = setFile('20241211_010000', { status: 'failed' });
    const { set, warnings } = chooseSet([failed, tuesday], 'latest');
    expect(setName(set)).toBe('20241210_010000-daily');
    expect(warnings).toEqual([
      'newer than 20241210_010000-daily, but failed: 20241211_010000-daily',
    ]);
    const older = setFile('20241208_010000', { status: 'failed' });
    expect(chooseSet([older, tuesday], 'latest').warnings).toEqual([]);
  });

  test('that it is degraded is said', () => {
    const degraded = setFile('20241211_010000', { status: 'degraded' });
    expect(chooseSet([degraded, tuesday], 'latest').warnings).toEqual([
      'the newest set, 20241211_010000-daily, is degraded',
    ]);
  });

  test('of the whole stack is not a backup of one service by hand', () => {
    const byHand = setFile('20241211_010000', {
      tier: 'manual',
      scope: ['pgdb'],
      artifacts: [artifact('pgdb', 'dump')],
    });
    expect(chosen([byHand, tuesday], 'latest')).toBe('20241210_010000-daily');
    expect(chosen([byHand, tuesday], 'latest', ['pgdb'])).toBe('20241211_010000-manual');
    expect(chosen([byHand, tuesday], 'latest', ['pgdb', 'agent'])).toBe('20241210_010000-daily');
    expect(() => chooseSet([byHand], 'latest')).toThrow('no good set of the whole stack');
  });

  test('a failed run of another service is no news', () => {
    const failed = setFile('20241211_010000', {
      status: 'failed',
      scope: ['agent'],
      artifacts: [],
    });
    expect(chooseSet([failed, tuesday], 'latest', ['pgdb']).warnings).toEqual([]);
    expect(chooseSet([failed, tuesday], 'latest', ['agent']).warnings).toHaveLength(1);
  });

  test('where only failed ones hold the services, the error says how to have them', () => {
    const failed = setFile('20241211_010000', { status: 'failed' });
    expect(() => chooseSet([failed], 'latest', ['pgdb'])).toThrow('can be chosen by their id');
  });
});

describe('clocks that were or are wrong', () => {
  const ahead = setFile('20301211_010000');
  const now = new Date('2024-12-11T08:00:00Z');

  test('a set of the future is not the latest, and is named', () => {
    const { set, warnings } = chooseSet([monday, ahead, tuesday], 'latest', undefined, { now });
    expect(setName(set)).toBe('20241210_010000-daily');
    expect(warnings).toEqual([
      'dated after now, and so not the latest: 20301211_010000-daily; they can be chosen by their id',
    ]);
    expect(chooseSet([monday, ahead], '20301211_010000', undefined, { now }).set).toBe(ahead);
  });

  test('a host whose clock is behind all sets can still be restored', () => {
    const { set, warnings } = chooseSet([monday, tuesday], 'latest', undefined, {
      now: new Date('1970-01-01T00:00:05Z'),
    });
    expect(setName(set)).toBe('20241210_010000-daily');
    expect(warnings.join()).toContain('is the clock of this host right?');
  });

  test('a clock that is put right by minutes makes no set of the future', () => {
    const soon = setFile('20241211_080500');
    expect(chooseSet([tuesday, soon], 'latest', undefined, { now }).set).toBe(soon);
  });
});

describe('a set by its id', () => {
  const weekly = setFile('20241210_010000', { tier: 'weekly' });

  test('the tier chooses among several, without it the daily one that read the data', () => {
    expect(chosen([weekly, tuesday], '20241210_010000')).toBe('20241210_010000-daily');
    expect(chosen([tuesday, weekly], '20241210_010000-weekly')).toBe('20241210_010000-weekly');
  });

  test('one that holds the services is preferred', () => {
    const partial = setFile('20241210_010000', { artifacts: [artifact('agent', 'data')] });
    expect(chosen([partial, weekly], '20241210_010000', ['pgdb'])).toBe('20241210_010000-weekly');
    expect(chosen([partial], '20241210_010000', ['pgdb'])).toBe('20241210_010000-daily');
  });

  test('an unknown id is answered with the nearest ones', () => {
    const sets = [monday, tuesday, setFile('20241110_010000'), setFile('20231210_010000')];
    expect(() => chooseSet(sets, '20241210_020000')).toThrow(
      expect.objectContaining({
        code: 'SET_NOT_FOUND',
        hint: expect.stringMatching(/^There are: 20241210_010000-daily, 20241209_010000-daily/),
      }),
    );
    expect(() => chooseSet([], '20241210_020000')).toThrow(
      expect.objectContaining({ hint: 'There are no sets in the catalogue.' }),
    );
  });

  test('a failed one is given to who asks for it by name', () => {
    const failed = setFile('20241211_010000', { status: 'failed' });
    expect(chosen([failed, tuesday], '20241211_010000')).toBe('20241211_010000-daily');
  });
});

describe('which set is newer', () => {
  test('the hour that comes twice in autumn does not turn the order', () => {
    const first = setFile('20241027_023000', { startedAt: '2024-10-27T00:30:00.000Z' });
    const second = setFile('20241027_021000', { startedAt: '2024-10-27T01:10:00.000Z' });
    expect(newestFirst([first, second])).toEqual([second, first]);
  });

  test('sets of one id are one moment, whenever the linked one was written', () => {
    const daily = setFile('20241201_010000', { startedAt: '2024-12-01T01:00:00.000Z' });
    const monthly = setFile('20241201_010000', {
      tier: 'monthly',
      startedAt: '2024-12-01T03:00:00.000Z',
    });
    const between = setFile('20241201_020000');
    expect(newestFirst([between, monthly, daily])).toEqual([daily, monthly, between]);
  });
});
