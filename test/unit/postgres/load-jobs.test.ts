import { expect, test } from '@jest/globals';
import { defaultLoadJobs } from '../../../src/postgres/load/load-archive.js';

test.each([
  [1, 1],
  [2, 1],
  [3, 3],
  [4, 4],
  [64, 4],
])('on %d cores a large database is loaded by %d jobs', (cores, jobs) => {
  expect(defaultLoadJobs(cores)).toBe(jobs);
});
