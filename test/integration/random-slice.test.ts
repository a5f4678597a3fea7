/**
 * A slice of the random stacks (`npm run test:random` goes through as many as one likes): two that
 * between them have a server with many kinds of objects, databases and roles with odd names; services
 * that are scaled, stopped, paused, of a profile; a mount below a tree; a home that is lost.
 */
import { expect, test } from '@jest/globals';
import { travel } from '../random/journey.js';

// Side by side: most of their time is waiting.
test('random stacks come back as they were, and are undone', async () => {
  const ended = await Promise.allSettled([travel(9), travel(12)]);
  expect(ended.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []))).toEqual(
    [],
  );
}, 600_000);
