/** `npm run test:random`: as many random stacks as scripts/random.sh was asked for, two at a time. */
import { appendFile } from 'node:fs/promises';
import { test } from '@jest/globals';
import { travel } from './journey.js';

const from = Number(process.env['RANDOM_FROM'] ?? '1');
const seeds = Number(process.env['RANDOM_SEEDS'] ?? '10');
const list = process.env['RANDOM_LIST'] ?? '';

// On real parts most of the time is waiting: two stacks at a time fill two cores (--maxConcurrency).
test.concurrent.each(Array.from({ length: seeds }, (_, index) => from + index))(
  'seed %i comes back as it was, and is undone',
  async (seed) => {
    const start = Date.now();
    const note = async (outcome: string): Promise<void> => {
      const seconds = Math.round((Date.now() - start) / 1000);
      if (list !== '') await appendFile(list, `${seed}\t${outcome}\t${seconds}\n`);
    };
    try {
      await travel(seed);
    } catch (error) {
      await note('failed');
      // At once: jest tells of it when all others have ended.
      if (list !== '') await appendFile(`${list}.failures`, `${String(error)}\n\n`);
      throw error;
    }
    await note('passed');
  },
  900_000,
);
