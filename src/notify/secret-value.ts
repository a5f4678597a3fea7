/** Values of the configuration that may be secrets: written there, or in a file or a variable. */
import { readFile } from 'node:fs/promises';
import type { SecretValue } from '../format/config/notifications.js';
import { HoldfastError, systemCodeOf } from '../base/errors.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where the value of `what` is, of which exactly one should be given. */
export interface SecretPlace {
  /** As the person knows it: `url`, `password`, `header Authorization`. */
  readonly what: string;
  readonly channel: string;
  readonly value?: string | undefined;
  readonly file?: string | undefined;
  readonly env?: string | undefined;
}

/**
 * The value, without white space around it (files end with a newline).
 * @throws HoldfastError CONFIG_INVALID, which names the place and never the value
 */
export async function readSecret(place: SecretPlace, env: Environment): Promise<string> {
  if (place.value !== undefined) return place.value.trim();
  if (place.env !== undefined) {
    const value = env[place.env]?.trim();
    if (value === undefined || value === '') {
      throw unusableSecret(place, 'is not set for the worker');
    }
    return value;
  }
  if (place.file !== undefined) {
    let text: string;
    try {
      text = await readFile(place.file, 'utf8');
    } catch (error) {
      throw unusableSecret(place, `cannot be read (${systemCodeOf(error) ?? 'unknown reason'})`);
    }
    if (text.trim() === '') throw unusableSecret(place, 'is empty');
    return text.trim();
  }
  throw unusableSecret(place, 'is missing');
}

/** A {@link SecretValue} of the configuration, its prefix put before it. */
export async function readSecretValue(
  value: SecretValue,
  what: string,
  channel: string,
  env: Environment,
): Promise<string> {
  if (typeof value === 'string') return value;
  const place = { what, channel };
  const read =
    'env' in value
      ? await readSecret({ ...place, env: value.env }, env)
      : await readSecret({ ...place, file: value.file }, env);
  return (value.prefix ?? '') + read;
}

export function unusableSecret(place: SecretPlace, problem: string): HoldfastError {
  const where =
    place.env !== undefined
      ? ` (environment variable ${place.env})`
      : place.file !== undefined
        ? ` (file ${place.file})`
        : '';
  return new HoldfastError(
    'CONFIG_INVALID',
    `notification ${place.channel}: the ${place.what}${where} ${problem}`,
    {
      facts: { channel: place.channel },
      hint: 'correct the notifications of the configuration, or give the worker what they name',
    },
  );
}
