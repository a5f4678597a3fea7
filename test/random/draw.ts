/** Choices from a seed. What is drawn for one label does not depend on what is drawn for another. */
import { randomFor } from '../../bench/random.js';

export interface Draw {
  between(low: number, high: number): number;
  /** True that often, of 1. */
  chance(probability: number): boolean;
  one<T>(choices: readonly [T, ...T[]]): T;
  /** `count` different ones at most, in the order of the list. */
  some<T>(choices: readonly T[], count: number): T[];
  shuffled<T>(items: readonly T[]): T[];
}

export function drawFor(seed: number, label: string): Draw {
  const { next, between } = randomFor(String(seed), label);
  const shuffled = <T>(items: readonly T[]): T[] =>
    items
      .map((item) => ({ item, at: next() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  return {
    between,
    chance: (probability) => next() < probability,
    one: (choices) => choices[between(0, choices.length - 1)] ?? choices[0],
    some: (choices, count) => {
      const chosen = new Set(shuffled(choices.map((_, index) => index)).slice(0, count));
      return choices.filter((_, index) => chosen.has(index));
    },
    shuffled,
  };
}
