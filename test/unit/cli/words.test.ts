import { describe, expect, test } from '@jest/globals';
import { RateEstimator } from '../../../src/cli/progress/rate.js';
import {
  formatAge,
  formatClock,
  formatCount,
  formatPercent,
  formatRate,
  formatTime,
} from '../../../src/cli/render/words.js';
import { formatBytes, formatDuration } from '../../../src/base/words.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test.each([
  [-5_000, '0s'],
  [0, '0s'],
  [59_999, '59s'],
  [MINUTE, '1m'],
  [HOUR - 1, '59m'],
  [47 * HOUR, '47h'],
  [2 * DAY, '2d'],
  [400 * DAY, '400d'],
])('an age of %i ms is %s', (ms, text) => expect(formatAge(ms)).toBe(text));

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [100 * 1024, '100 KiB'],
  [5 * 1024 ** 4, '5.0 TiB'],
])('%i bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test('a running clock has no tenths, and no zero', () => {
  expect(formatClock(300)).toBe('1s');
  expect(formatClock(9_400)).toBe('9s');
  expect(formatClock(83_000)).toBe(formatDuration(83_000));
});

test('percent is 100 only when all is done', () => {
  expect(formatPercent(999_999, 1_000_000)).toBe('99%');
  expect(formatPercent(1_000_000, 1_000_000)).toBe('100%');
  expect(formatPercent(1, 0)).toBe('');
});

test('numbers and times read easily', () => {
  expect(formatCount(1_234_567)).toBe('1,234,567');
  expect(formatCount(999)).toBe('999');
  expect(formatRate(3 * 1024 ** 2)).toBe('3.0 MiB/s');
  expect(formatTime(new Date(2024, 11, 2, 1, 2, 3).toISOString())).toBe('2024-12-02 01:02:03');
});

describe('rate', () => {
  test('says nothing before two counts differ', () => {
    const rate = new RateEstimator();
    rate.observe(0, 0);
    rate.observe(0, 500);
    expect(rate.bytesPerSecond).toBeUndefined();
    expect(rate.remainingMs(100, 500)).toBeUndefined();
  });

  test('does not fall between two heartbeats', () => {
    const rate = new RateEstimator();
    rate.observe(0, 0);
    rate.observe(10_000, 10_000);
    for (let at = 10_500; at < 20_000; at += 500) rate.observe(10_000, at);
    expect(rate.bytesPerSecond).toBeCloseTo(1_000);
  });

  test('is smoothed: one slow moment does not make it a tenth', () => {
    const rate = new RateEstimator();
    for (let second = 0; second <= 30; second += 1) rate.observe(second * 1_000, second * 1_000);
    rate.observe(30_100, 31_000);
    expect(rate.bytesPerSecond).toBeGreaterThan(900);
  });

  test('follows a lasting change', () => {
    const rate = new RateEstimator();
    for (let second = 0; second <= 30; second += 1) rate.observe(second * 1_000, second * 1_000);
    for (let second = 1; second <= 60; second += 1) {
      rate.observe(30_000 + second * 100, 30_000 + second * 1_000);
    }
    expect(rate.bytesPerSecond).toBeLessThan(150);
  });

  test('of work that hangs is not shown any more', () => {
    const rate = new RateEstimator();
    rate.observe(0, 0);
    rate.observe(1_000, 1_000);
    rate.observe(1_000, 60_000);
    expect(rate.bytesPerSecond).toBeUndefined();
  });

  test('begins anew when the count falls (a retry)', () => {
    const rate = new RateEstimator();
    rate.observe(0, 0);
    rate.observe(1_000_000, 1_000);
    rate.observe(0, 2_000);
    expect(rate.bytesPerSecond).toBeUndefined();
    rate.observe(500, 3_000);
    expect(rate.bytesPerSecond).toBeCloseTo(500);
  });

  test('remaining time counts down between heartbeats and never below zero', () => {
    const rate = new RateEstimator();
    rate.observe(0, 0);
    rate.observe(1_000, 1_000);
    expect(rate.remainingMs(11_000, 1_000)).toBeCloseTo(10_000);
    expect(rate.remainingMs(11_000, 4_000)).toBeCloseTo(7_000);
    expect(rate.remainingMs(11_000, 40_000)).toBe(0);
    expect(rate.remainingMs(1_000, 1_000)).toBeUndefined();
  });
});
