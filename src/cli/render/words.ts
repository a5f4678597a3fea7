/** Ages, times and counts as the CLI says them; sizes and durations are in the plan's words. */
import { formatBytes, formatDuration } from '../../base/words.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `45s`, `12m`, `3h`, `5d`: one unit, for columns. A time ahead of us (clock skew) is `0s`. */
export function formatAge(ageMs: number): string {
  const age = Math.max(0, ageMs);
  if (age < MINUTE_MS) return `${Math.floor(age / 1000)}s`;
  if (age < HOUR_MS) return `${Math.floor(age / MINUTE_MS)}m`;
  if (age < 2 * DAY_MS) return `${Math.floor(age / HOUR_MS)}h`;
  return `${Math.floor(age / DAY_MS)}d`;
}

/** `2024-12-12 01:00:03`, local time. */
export function formatTime(iso: string): string {
  const at = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, '0');
  return (
    `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ` +
    `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
  );
}

/** `1234567` → `1,234,567`. */
export function formatCount(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Like `formatDuration`, in whole seconds: for times that are still changing. */
export function formatClock(ms: number): string {
  return ms < 10_000 ? `${Math.max(1, Math.round(ms / 1000))}s` : formatDuration(ms);
}

/** `310 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** Whole percent, never 100 before the end. */
export function formatPercent(done: number, total: number): string {
  if (total <= 0) return '';
  return `${done >= total ? 100 : Math.min(99, Math.floor((done / total) * 100))}%`;
}
