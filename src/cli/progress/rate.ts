/**
 * Speed and remaining time of work whose progress arrives in steps: heartbeats come every few
 * seconds, so a count that did not move between two looks has not slowed down.
 */

/** Time over which older samples lose their weight. */
const SMOOTHING_MS = 15_000;
/** Work that moved nothing for this long has no speed to show. */
const STALE_MS = 45_000;

export class RateEstimator {
  #lastBytes: number | undefined;
  #changedAtMs = 0;
  #seenAtMs = 0;
  #bytesPerMs: number | undefined;

  /** Takes a count of bytes seen at a time. A count that shrinks begins anew (next phase, retry). */
  observe(bytes: number, nowMs: number): void {
    this.#seenAtMs = nowMs;
    if (this.#lastBytes === undefined || bytes < this.#lastBytes) {
      this.#lastBytes = bytes;
      this.#changedAtMs = nowMs;
      this.#bytesPerMs = undefined;
      return;
    }
    const elapsedMs = nowMs - this.#changedAtMs;
    if (bytes === this.#lastBytes || elapsedMs <= 0) return;
    const sample = (bytes - this.#lastBytes) / elapsedMs;
    const weight = 1 - Math.exp(-elapsedMs / SMOOTHING_MS);
    this.#bytesPerMs =
      this.#bytesPerMs === undefined
        ? sample
        : this.#bytesPerMs + weight * (sample - this.#bytesPerMs);
    this.#lastBytes = bytes;
    this.#changedAtMs = nowMs;
  }

  /** Smoothed; undefined until two different counts were seen, and when nothing moves any more. */
  get bytesPerSecond(): number | undefined {
    if (this.#bytesPerMs === undefined) return undefined;
    if (this.#seenAtMs - this.#changedAtMs > STALE_MS) return undefined;
    return this.#bytesPerMs * 1000;
  }

  /** Counts down between two samples; undefined where the speed or the total is not known. */
  remainingMs(totalBytes: number, nowMs: number): number | undefined {
    const rate = this.bytesPerSecond;
    if (rate === undefined || rate <= 0 || this.#lastBytes === undefined) return undefined;
    if (totalBytes <= this.#lastBytes) return undefined;
    const atLastChange = ((totalBytes - this.#lastBytes) / rate) * 1000;
    return Math.max(0, atLastChange - (nowMs - this.#changedAtMs));
  }
}
