/** Nothing touches what a later run made good: what is put back of a dead restore, and what is not. */
import { describe, expect, test } from '@jest/globals';
import {
  chooseUndo,
  decideRollBack,
  mayBeOpen,
  openOver,
  type PastRestore,
  type ReplacedSource,
} from '../../../src/plan/rollback/undo-plan.js';

const home: ReplacedSource = { service: 'app', source: 'home', target: '/srv/app', aside: '/a' };
const data: ReplacedSource = { service: 'app', source: 'data', target: 'volume data' };
const dump: ReplacedSource = { service: 'db', source: 'dump', target: 'volume pg' };

function past(
  day: number,
  state: PastRestore['state'],
  ...replaced: ReplacedSource[]
): PastRestore {
  return {
    restoreId: `2025010${day}_000000`,
    setId: '20241212_010000',
    startedAt: `2025-01-0${day}T00:00:00.000Z`,
    state,
    replaced,
  };
}

describe('of a dead restore', () => {
  const dead = past(1, 'running', home, dump);

  test('all is put back where nothing came after it', () => {
    expect(decideRollBack([dead], dead)).toEqual({ kind: 'take-back', leave: [], by: [] });
  });

  test.each(['finished', 'discarding', 'discarded'] as const)(
    'what a later restore replaced that is %s is left, and the rest put back',
    (state) => {
      const later = past(2, state, home);
      expect(decideRollBack([dead, later], dead)).toEqual({
        ...{ kind: 'take-back', leave: [home], by: [later.restoreId] },
      });
    },
  );

  test('what a later one replaced and discarded counts by what it touched', () => {
    const later = { ...past(2, 'discarded'), touched: [home] };
    expect(decideRollBack([dead, later], dead)).toMatchObject({ leave: [home] });
  });

  test('a service is left as a whole: its containers are those of the later one', () => {
    const both = past(1, 'undoing', home, data, dump);
    const later = past(2, 'finished', data);
    expect(decideRollBack([both, later], both)).toMatchObject({ leave: [home, data] });
  });

  test.each([
    ['a directory around it', { ...home, service: 'x', source: 'y', target: '/srv' }],
    ['a directory in it', { ...home, service: 'x', source: 'y', target: '/srv/app/sub' }],
    ['the same source, as a volume by now', { ...home, target: 'volume v' }],
  ])('%s is the same thing', (_what, thing) => {
    expect(decideRollBack([dead, past(2, 'finished', thing)], dead)).toMatchObject({
      leave: [home],
    });
  });

  test.each(['rolled-back', 'undone'] as const)('a later one that is %s left nothing', (state) => {
    const later = { ...past(2, state), touched: [home, dump] };
    expect(decideRollBack([dead, later], dead)).toMatchObject({ leave: [] });
  });

  test('an earlier one does not matter', () => {
    const late = past(3, 'running', home);
    expect(decideRollBack([past(1, 'finished', home), late], late)).toMatchObject({ leave: [] });
  });

  test.each(['running', 'undoing'] as const)('it waits for a later one that is %s', (state) => {
    expect(decideRollBack([dead, past(2, state, home)], dead)).toMatchObject({ kind: 'wait' });
  });

  test('it waits for a later one whose record can’t be read, unless that touched other things', () => {
    const lost = { ...past(2, 'unreadable'), unreadable: ['/x/restore.json can’t be read'] };
    expect(decideRollBack([dead, lost], dead)).toMatchObject({
      kind: 'wait',
      reason: expect.stringContaining('/x/restore.json'),
    });
    const elsewhere = { ...lost, touched: [data] };
    const alone = past(1, 'running', dump);
    expect(decideRollBack([alone, elsewhere], alone)).toMatchObject({ kind: 'take-back' });
  });
});

describe('an undo', () => {
  test.each(['running', 'undoing', 'unreadable', 'discarded', 'discarding'] as const)(
    'is refused over what a later restore that is %s touched',
    (state) => {
      const earlier = past(1, 'finished', home);
      const later = { ...past(2, state), touched: [home], unreadable: ['f'] };
      expect(() => chooseUndo([earlier, later], earlier.restoreId)).toThrow(later.restoreId);
    },
  );

  test('of a restore with a step that can’t be read is refused with the file', () => {
    const lost = { ...past(1, 'finished', home), unreadable: ['/s/a__b.json can’t be read'] };
    expect(() => chooseUndo([lost], 'latest')).toThrow('/s/a__b.json');
  });

  test('of one whose record can’t be read is refused, and others go on', () => {
    const lost = { ...past(1, 'unreadable', dump), unreadable: ['/x/restore.json'] };
    expect(() => chooseUndo([lost], lost.restoreId)).toThrow('/x/restore.json');
    expect(chooseUndo([lost, past(2, 'finished', home)], 'latest').restoreId).toMatch(/^20250102/);
  });
});

test('an open restore is a barrier to what it holds, and to nothing else', () => {
  const stuck = past(1, 'running', home);
  const all = [stuck, past(2, 'finished', dump), past(3, 'rolled-back', dump)];
  expect(openOver(all, [{ service: 'app', source: 'home', target: 'x' }])).toEqual([stuck]);
  expect(openOver(all, [{ service: 'n', source: 'n', target: '/srv/app/in' }])).toEqual([stuck]);
  expect(openOver(all, [dump, data])).toEqual([]);
  // Under other names the same source is another thing.
  const elsewhere = { ...home, target: '/other' };
  expect(openOver(all, [elsewhere], { byName: false })).toEqual([]);
});

test('one whose record can’t be read may be open, unless it says that it is over', () => {
  expect(mayBeOpen(past(1, 'unreadable'))).toBe(true);
  expect(mayBeOpen({ ...past(1, 'unreadable'), legibleState: 'frozen' })).toBe(true);
  expect(mayBeOpen({ ...past(1, 'unreadable'), legibleState: 'undone' })).toBe(false);
  expect(mayBeOpen(past(1, 'finished'))).toBe(false);
});
