/** So many bytes a second, shared by all who ask. */
import { setTimeout as delay } from 'node:timers/promises';

/** What may pass at once after a rest, in seconds of the rate. */
const BURST_S = 0.25;

/**
 * @param bytesPerSecond at least 1
 * @returns resolves when so many more bytes may pass; whoever asks first is served first
 */
export function rateLimit(bytesPerSecond: number): (bytes: number) => Promise<void> {
  let freeAtMs = 0;
  return async (bytes) => {
    const now = performance.now();
    const startMs = Math.max(freeAtMs, now - BURST_S * 1_000);
    freeAtMs = startMs + (bytes / bytesPerSecond) * 1_000;
    if (freeAtMs > now) await delay(freeAtMs - now);
  };
}
