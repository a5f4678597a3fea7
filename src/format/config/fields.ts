/** The small values of the configuration file: durations, names, paths, modes, owners, cron lines. */
import { z } from 'zod';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `15m`, `12h`, `2d` → milliseconds. */
export const durationSchema = z
  .string()
  .regex(/^\d+(ms|s|m|h|d)$/, 'a duration such as 30s, 5m, 12h or 2d')
  .describe('A duration: a whole number with its unit (ms, s, m, h, d)')
  .transform((text): number => {
    const amount = Number.parseInt(text, 10);
    // Not by the length of the number: `007s` is one, too.
    const unit = text.replace(/^\d+/, '');
    switch (unit) {
      case 'ms':
      case 's':
      case 'm':
      case 'h':
      case 'd':
        return amount * UNIT_MS[unit];
      default:
        return amount;
    }
  });

const SIZE_UNITS = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** `500KiB`, `50MiB`, `1GiB` → bytes. */
export const sizeSchema = z
  .string()
  .regex(/^[1-9]\d*(KiB|MiB|GiB)$/, 'a size such as 500KiB, 50MiB or 1GiB')
  .describe('A size: a whole number with its unit (KiB, MiB, GiB)')
  .transform((text): number => {
    const amount = Number.parseInt(text, 10);
    if (text.endsWith('KiB')) return amount * SIZE_UNITS.KiB;
    return amount * (text.endsWith('MiB') ? SIZE_UNITS.MiB : SIZE_UNITS.GiB);
  });

/** Names become directory names, container names and task queue names: the safe charset of all three. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;

export const nameSchema = z
  .string()
  .regex(NAME_PATTERN, 'letters, digits, "_", "." and "-", beginning with a letter or digit');

export const absolutePathSchema = z.string().regex(/^\//, 'an absolute path');

/** `"2664"` → 0o2664. Quoted in YAML, where a bare 0640 is the decimal number 640. */
export const modeSchema = z
  .string()
  .regex(/^[0-7]{3,4}$/, 'an octal mode in quotes, such as "2664"')
  .describe('An octal mode in quotes, such as "2664"')
  .transform((text) => Number.parseInt(text, 8));

export const ownershipSchema = z
  .string()
  .regex(/^[^:\s]+:[^:\s]+$/, 'user:group, names or numbers')
  .describe('user:group, by name or number');

/** Shape only; the ranges of the fields are checked by `cronProblem`. */
export const cronSchema = z
  .string()
  .regex(/^\S+ \S+ \S+ \S+ \S+$/, 'five cron fields: minute hour day-of-month month day-of-week')
  .describe('Five cron fields: minute hour day-of-month month day-of-week');

/** A set as inputs and the command line take it. */
export const setReferenceSchema = z
  .string()
  .regex(
    /^(latest|\d{8}_\d{6}(-(daily|weekly|monthly|manual))?)$/,
    'a set id such as 20241212_010000, or "latest"',
  );
