/** How a run waits for the permit of a stack that is busy. Pure. */

/** The first look, for a holder that dies at once. */
const FIRST_LOOK_MS = 5_000;
/** The permit says that it is free a moment before it is. */
const AFTER_WORD_MS = 500;
/** Later ones: who gives the permit back says so, only one that was terminated does not. */
const LAST_LOOK_MS = 2 * 60_000;

/**
 * How long to wait for the word of the permit before looking by oneself.
 * @param looks in vain so far, since the waiting began or since the word came
 */
export function permitLookMs(looks: number, since: 'begin' | 'word'): number {
  const firstMs = since === 'word' ? AFTER_WORD_MS : FIRST_LOOK_MS;
  return Math.min(LAST_LOOK_MS, firstMs * 2 ** Math.min(looks, 10));
}
