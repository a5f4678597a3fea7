/** Options that several commands share. */
import { InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { durationSchema } from '../format/config/fields.js';
import type { Config } from '../format/config/schema.js';
import { HoldfastError } from '../base/errors.js';
import { requireKnown } from '../plan/shared/order.js';
import { tierSchema, type Tier } from '../format/manifest.js';

/** `--service a --service b,c` → `['a', 'b', 'c']`. */
export function serviceOption(
  description = 'only these services (repeat it, or a comma list)',
): Option {
  return new Option('-s, --service <names>', description).argParser(
    (value: string, previous: readonly string[] | undefined) => {
      const names = value
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '');
      if (names.length === 0) throw new InvalidArgumentError('Name at least one service.');
      return [...new Set([...(previous ?? []), ...names])];
    },
  );
}

/** An option that can be given several times, each value as it is. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, description).argParser(
    (value: string, previous: readonly string[] | undefined) => {
      if (value === '') throw new InvalidArgumentError('It is empty.');
      return [...new Set([...(previous ?? []), value])];
    },
  );
}

/** `--also weekly --also monthly` and `--also weekly,monthly`: tiers of the schedule. */
export function alsoOption(): Option {
  return new Option(
    '--also <tiers>',
    'tiers that get the same set by links (repeat it, or a comma list)',
  ).argParser((value: string, previous: readonly Tier[] | undefined) => {
    const tiers = z.array(tierSchema.exclude(['manual'])).min(1);
    const parsed = tiers.safeParse(value.split(',').map((name) => name.trim()));
    if (!parsed.success) {
      throw new InvalidArgumentError('The tiers are daily, weekly and monthly.');
    }
    return [...new Set([...(previous ?? []), ...parsed.data])];
  });
}

export function portOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string) => {
    const port = Number(value);
    if (!/^\d+$/.test(value) || port < 1 || port > 65_535) {
      throw new InvalidArgumentError('A port is a number from 1 to 65535.');
    }
    return port;
  });
}

/** How the log of a command that goes on is written. */
export const logFormatSchema = z.enum(['lines', 'json']);
export type LogFormat = z.output<typeof logFormatSchema>;

export function logOption(): Option {
  return new Option(
    '--log <format>',
    'the log as lines for people or as JSON (default: lines on a terminal)',
  ).choices(logFormatSchema.options);
}

/** `30m`, `2h` as milliseconds, as in the configuration. */
export function durationOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string) => {
    const parsed = durationSchema.safeParse(value);
    if (!parsed.success) throw new InvalidArgumentError('A duration such as 90s, 30m or 2h.');
    return parsed.data;
  });
}

export function countOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string) => {
    const number = Number(value);
    if (!/^\d{1,9}$/.test(value) || number < 1) {
      throw new InvalidArgumentError('A whole number from 1 on.');
    }
    return number;
  });
}

/** @throws HoldfastError UNKNOWN_SERVICE naming what there is */
export function checkServices(config: Config, services: readonly string[] | undefined): void {
  requireKnown(Object.keys(config.services), services ?? []);
}

/** A set as the command line takes it. @throws HoldfastError USAGE */
export function checkSetName(name: string): string {
  if (/^(latest|\d{8}_\d{6}(-(daily|weekly|monthly|manual))?)$/.test(name)) return name;
  throw new HoldfastError('USAGE', `"${name}" is not a set`, {
    hint: 'give an id such as 20241212_010000, with its tier such as 20241212_010000-daily, or latest; `holdfast list` shows them',
    facts: { set: name },
  });
}
