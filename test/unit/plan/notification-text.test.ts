import { describe, expect, test } from '@jest/globals';
import {
  notificationText,
  runKindOf,
  type KnownSets,
  type RunEnd,
} from '../../../src/plan/notify/notification-text.js';

const now = new Date('2024-12-14T03:00:00Z');
const end: RunEnd = {
  status: 'failed',
  message: 'Backup of ml failed: pgdb/pgdump: the disk is full',
  hint: 'free some space',
  run: 'backup',
  stack: 'ml',
  host: 'host1',
  workflowId: 'holdfast/ml/backup/20241214_010000',
};

function set(id: string, extra: Partial<KnownSets[number]> = {}): KnownSets[number] {
  const startedAt = `${id.slice(0, 4)}-${id.slice(4, 6)}-${id.slice(6, 8)}T${id.slice(9, 11)}:00:00Z`;
  return { id, tier: 'daily', stack: 'ml', status: 'success', startedAt, scope: 'all', ...extra };
}

function told(run: Partial<RunEnd>, sets: KnownSets | undefined, timezone = 'UTC'): string {
  return notificationText({ ...end, ...run }, sets, now, timezone).message;
}

describe('the message of a failed backup', () => {
  test('says what failed, what is still good and since when, and what to do', () => {
    const { title, message } = notificationText(
      end,
      [set('20241211_010000'), set('20241212_010000')],
      now,
      'UTC',
    );
    expect(title).toBe('ml on host1: backup failed');
    expect(message.split('\n')).toEqual([
      'Backup of ml failed: pgdb/pgdump: the disk is full',
      'Still good: set 20241212_010000 (daily), from 2024-12-12 01:00 UTC (2 days ago).',
      'Nothing newer is whole since then.',
      'What to do: free some space; holdfast backup tries again; ' +
        'temporal workflow show -w holdfast/ml/backup/20241214_010000 has every step',
    ]);
  });

  test('never calls good what is of another stack, of some services, or failed', () => {
    const sets = [
      set('20241213_010000', { status: 'failed' }),
      set('20241213_020000', { status: 'failed' }),
      set('20241213_030000', { scope: ['pgdb'] }),
      set('20241213_040000', { stack: 'other' }),
    ];
    expect(told({}, sets)).toContain('There is NO good backup of the whole stack ml.');
    const withOne = told({}, [set('20241210_010000', { status: 'degraded' }), ...sets]);
    expect(withOne).toContain('set 20241210_010000 (daily, degraded)');
    expect(withOne).toContain('since then: 2 incomplete sets');
  });

  test('does not guess when the store could not be read', () => {
    expect(told({}, undefined)).toContain('what is still good is not known');
  });

  test('has its times in the zone of the set ids', () => {
    expect(told({}, [set('20241212_010000')], 'Europe/Moscow')).toContain('2024-12-12 04:00 (2 ');
  });

  test('that is very long keeps its end, which helps', () => {
    const message = told({ message: 'x'.repeat(9_000) }, [set('20241212_010000')]);
    expect(message.length).toBeLessThan(1_900);
    expect(message).toContain('Still good');
    expect(message).toContain('What to do');
  });
});

test('a degraded backup is measured against the last without problems, not against itself', () => {
  const sets = [set('20241212_010000'), set('20241214_010000', { status: 'degraded' })];
  expect(told({ status: 'degraded' }, sets)).toContain(
    'Last without problems: set 20241212_010000',
  );
});

test('a success is told in its own words', () => {
  expect(told({ status: 'success', message: 'Backup done' }, [])).toBe('Backup done');
});

test('a failed restore says from what the next one can start', () => {
  const message = told({ run: 'restore', hint: undefined }, [set('20241212_010000')]);
  expect(message).toContain('Still good: set 20241212_010000');
  expect(message).toContain('What to do: holdfast restore --dry-run');
  expect(message).not.toContain('Nothing newer');
});

test('runs are known by their workflow', () => {
  const kinds = ['backupStack', 'restoreStack', 'drillRestore', 'checkBackups'].map(runKindOf);
  expect(kinds).toEqual(['backup', 'restore', 'drill', 'check']);
});
