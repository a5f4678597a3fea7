/** Which files a sample takes: by chance, but the same ones for the same seed, and never too many. */
import { describe, expect, test } from '@jest/globals';
import {
  SampleChoice,
  type SampledFile,
  type SampleSize,
} from '../../../src/tree/unpack/sample.js';

const ENOUGH: SampleSize = { sampleBytes: 1_000, mostBytes: 5_000 };

const files = (count: number, sizeBytes: number): SampledFile[] =>
  Array.from({ length: count }, (_, index) => ({
    path: `dir-${index % 7}/file-${index}`,
    sizeBytes,
    part: `part-${index % 3}`,
  }));

function choose(
  seed: string,
  offered: readonly SampledFile[],
  size = ENOUGH,
  mostFiles?: number,
): readonly SampledFile[] {
  const choice = new SampleChoice(seed, size, mostFiles);
  for (const file of offered) choice.offer(file);
  return choice.taken();
}

const names = (taken: readonly SampledFile[]): string[] => taken.map(({ path }) => path);
const sum = (taken: readonly SampledFile[]): number =>
  taken.reduce((total, { sizeBytes }) => total + sizeBytes, 0);

describe('a sample', () => {
  const many = files(5_000, 90);

  test('is the same for the same seed, in whatever order the files come', () => {
    expect(choose('drill-a', [...many].reverse())).toEqual(choose('drill-a', many));
  });

  test('is another one in the next drill', () => {
    const first = new Set(names(choose('drill-a', many)));
    const again = names(choose('drill-b', many)).filter((name) => first.has(name));
    expect(again.length).toBeLessThan(first.size / 2);
  });

  test('over many drills leaves no file out', () => {
    const few = files(30, 90);
    const seen = new Set(
      Array.from({ length: 60 }, (_, index) => names(choose(`drill-${index}`, few))).flat(),
    );
    expect(seen.size).toBe(30);
  });

  test('ends with the file that makes it large enough', () => {
    expect(sum(choose('drill-a', many))).toBe(1_080);
  });

  test('holds no more files in memory than it will take', () => {
    const choice = new SampleChoice('drill-a', ENOUGH);
    for (const file of many) {
      choice.offer(file);
      expect(choice.held).toBeLessThanOrEqual(12);
    }
  });

  test('of files without content ends by their number', () => {
    const empty = files(500, 0);
    const choice = new SampleChoice('drill-a', ENOUGH, 20);
    for (const file of empty) choice.offer(file);
    expect(choice.held).toBe(20);
    expect(names(choice.taken())).toEqual(
      names(choose('drill-a', empty, ENOUGH, 500)).slice(0, 20),
    );
  });

  test('has at least one file, though that is larger than the sample', () => {
    expect(sum(choose('drill-a', files(3, 4_000)))).toBe(4_000);
    expect(choose('drill-a', files(3, 4_000), { sampleBytes: 0, mostBytes: 5_000 })).toHaveLength(
      1,
    );
  });

  test('never takes more than there is room for', () => {
    const mixed = [
      ...files(400, 30),
      ...files(10, 4_500).map((one) => ({ ...one, path: one.path + 'L' })),
    ];
    const sizes = Array.from({ length: 200 }, (_, index) => {
      const taken = choose(`drill-${index}`, mixed);
      expect(sum(taken)).toBeLessThanOrEqual(5_000);
      return Math.max(...taken.map(({ sizeBytes }) => sizeBytes));
    });
    // Neither only small files nor only large ones.
    expect(new Set(sizes)).toEqual(new Set([30, 4_500]));
  });

  test('keeps the large file where something must go to make room', () => {
    const offered = [...files(9, 100), { path: 'large', sizeBytes: 950, part: 'p' }];
    const size = { sampleBytes: 1_000, mostBytes: 1_000 };
    const sums = Array.from({ length: 50 }, (_, index) => {
      const taken = choose(`drill-${index}`, offered, size);
      return sum(taken);
    });
    expect(new Set(sums)).toEqual(new Set([950]));
  });

  test('is empty where nothing fits', () => {
    expect(choose('drill-a', files(3, 6_000))).toEqual([]);
    expect(choose('drill-a', [])).toEqual([]);
  });
});
