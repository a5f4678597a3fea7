/**
 * Histories that were released are never recorded anew: they are the runs that somebody has under way.
 * A new one is added with its line: `sha256sum *.json > SHA256SUMS` changes no line that is there.
 */
import { describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

const DIRECTORY = new URL('../../histories/', import.meta.url);
const read = (name: string): Buffer => readFileSync(new URL(name, DIRECTORY));
const sums = new Map(
  read('SHA256SUMS')
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => [line.slice(66), line.slice(0, 64)]),
);

describe('released histories', () => {
  test('are all listed with their sums', () => {
    const there = readdirSync(DIRECTORY).filter((name) => name.endsWith('.json'));
    expect([...sums.keys()].sort()).toEqual(there.sort());
  });

  test.each([...sums])('%s is as it was recorded', (name, sum) => {
    expect(createHash('sha256').update(read(name)).digest('hex')).toBe(sum);
  });
});
