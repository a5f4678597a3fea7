import { expect, test } from '@jest/globals';
import { workerPresence, type Pollers } from '../../../src/plan/shared/worker-presence.js';

const NOW = Date.UTC(2024, 11, 12);
const now = { identity: 'one/host/17', lastSeenMs: NOW - 59_000 };
const before = { identity: 'one/host/16', lastSeenMs: NOW - 200_000 };
const ahead = { identity: 'one/far/1', lastSeenMs: NOW + 40_000 };

test.each<[string, Pollers, string]>([
  ['nobody ever asked', { workflows: [] }, 'none'],
  ['one waits for work', { workflows: [now] }, 'there'],
  ['the server remembers one that is gone', { workflows: [before] }, 'none'],
  ['it was started anew', { workflows: [before, now] }, 'there'],
  ["the server's clock is ahead", { workflows: [ahead] }, 'there'],
  ['another host takes the runs only', { workflows: [now], activities: [] }, 'not-on-host'],
  ['the host has been silent', { workflows: [now], activities: [before] }, 'not-on-host'],
  ['both are there', { workflows: [now], activities: [now] }, 'there'],
])('a worker is told from the traces of one: %s', (_, pollers, presence) => {
  expect(workerPresence(pollers, NOW, () => false)).toBe(presence);
});

test('a process that has ended is not waited for until the server forgets it', () => {
  const ended = (identity: string): boolean => identity === now.identity;
  expect(workerPresence({ workflows: [now] }, NOW, ended)).toBe('none');
  expect(workerPresence({ workflows: [now, ahead] }, NOW, ended)).toBe('there');
});
