/**
 * Keeps secrets out of logs by the name of the field that holds them, at any depth: a fixed list of
 * paths would miss the next nested object somebody logs.
 */

const SECRET_KEY =
  /pass(word|wd|phrase)|secret|token|authori[sz]ation|api[_-]?key|private[_-]?key|credential|cookie|dsn|connection[_-]?string|webhook/i;
/** `passwordFile`, `urlEnv`: they say where a secret is, which is what one needs to read. */
const NAMES_A_PLACE = /(file|env|path)$/i;
const USER_INFO_IN_URL = /(\w:\/\/[^\s/:@]*:)[^\s/@]+@/g;
const URL_KEY = /^(url|uri|href)$/i;
const MAXIMUM_DEPTH = 8;

export const REDACTED = '[redacted]';

/** A copy for logging: values under secret-looking names replaced, passwords inside URLs too. */
export function redact(value: unknown): unknown {
  return redactAt(value, 0);
}

/** Hides the password of every `scheme://user:password@host` in a text. */
export function redactText(text: string): string {
  return text.replace(USER_INFO_IN_URL, '$1***@');
}

function redactAt(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAXIMUM_DEPTH) return '[deep]';
  if (Array.isArray(value)) return value.map((item: unknown) => redactAt(item, depth + 1));
  // Errors and dates have their own serializers; a copy of their own fields would lose them.
  if (value instanceof Error || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, unknown]) => [
      key,
      redactField(key, item, depth),
    ]),
  );
}

function redactField(key: string, item: unknown, depth: number): unknown {
  if (SECRET_KEY.test(key) && !NAMES_A_PLACE.test(key)) return REDACTED;
  // The path of a webhook's URL is its password.
  if (URL_KEY.test(key) && typeof item === 'string') return originOf(item);
  return redactAt(item, depth + 1);
}

function originOf(text: string): string {
  if (!URL.canParse(text)) return REDACTED;
  const url = new URL(text);
  return url.pathname === '/' && url.search === '' ? url.origin : `${url.origin}/…`;
}
