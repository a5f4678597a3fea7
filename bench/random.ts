/** Numbers and bytes that are the same on every machine and in every run, from a seed. */
import { createCipheriv, createHash } from 'node:crypto';

export interface Random {
  /** From 0 up to, not including, 1. */
  readonly next: () => number;
  /** A whole number from `low` to `high`, both included. */
  readonly between: (low: number, high: number) => number;
}

/** What is drawn for one label does not depend on what is drawn for another. */
export function randomFor(seed: string, label: string): Random {
  let state = createHash('sha256').update(`${seed}\0${label}`).digest().readUInt32LE(0);
  // mulberry32
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  return {
    next,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
  };
}

/** Bytes nothing can compress, in blocks: a key stream. */
export function* incompressible(seed: string, label: string, bytes: number): Generator<Buffer> {
  const key = createHash('sha256').update(`${seed}\0${label}`).digest();
  const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(Math.min(bytes, BLOCK_BYTES));
  for (let left = bytes; left > 0; left -= BLOCK_BYTES) {
    yield stream.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
  }
}

/**
 * Lines as logs and JSON lines have them: words that come again, numbers that do not. It compresses
 * about as such files do, and no two stretches are alike, so that nobody finds duplicates in it.
 */
export function* text(seed: string, label: string, bytes: number): Generator<Buffer> {
  const { next, between } = randomFor(seed, label);
  for (let left = bytes; left > 0; left -= BLOCK_BYTES) {
    const block = Buffer.allocUnsafe(Math.min(left, BLOCK_BYTES));
    let at = 0;
    let words = 0;
    while (at < block.length) {
      // Often one of the first words, seldom one of the last.
      const word = WORDS[Math.floor(next() ** 2 * WORDS.length)]!;
      at += word.copy(block, at);
      words += 1;
      if (words % 5 === 0) at += block.write(String(between(0, 999_999)), at, 'latin1');
      if (at < block.length) block[at++] = words % 12 === 0 ? NEWLINE : SPACE;
    }
    yield block;
  }
}

const BLOCK_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;
const SPACE = 0x20;
const WORDS = words();

function words(): readonly Buffer[] {
  const { between } = randomFor('words', '');
  const letters = 'etaoinshrdlucmfwygpbvk';
  return Array.from({ length: 3000 }, () => {
    const length = between(2, 10);
    let word = '';
    for (let at = 0; at < length; at += 1) word += letters[between(0, letters.length - 1)]!;
    return Buffer.from(word, 'latin1');
  });
}
