/** `npm run test:random`: as many random stacks as scripts/random.sh was asked for. */
import { test } from '@jest/globals';
import { travel } from './journey.js';

const from = Number(process.env['RANDOM_FROM'] ?? '1');
const seeds = Number(process.env['RANDOM_SEEDS'] ?? '10');

test.each(Array.from({ length: seeds }, (_, index) => from + index))(
  'seed %i comes back as it was, and is undone',
  (seed) => travel(seed),
  900_000,
);
