/**
 * The webhook of the notification settings: one POST of `{status, message, timestamp}`.
 *
 * A webhook's URL is a password, so nothing that leaves this file holds more of it than the host:
 * not the message, not the facts, and not a `cause`, which loggers print.
 */
import { readFile } from 'node:fs/promises';
import type { NotificationConfig } from '../config/schema.js';
import { HoldfastError, systemCodeOf } from '../errors.js';

const DEFAULT_TIMEOUT_MS = 15_000;

export interface NotificationPayload {
  readonly status: string;
  readonly message: string;
  /** See {@link notificationTimestamp}. */
  readonly timestamp: string;
}

export interface SendOptions {
  readonly signal?: AbortSignal | undefined;
  /** Longest time for the whole exchange. */
  readonly timeoutMs?: number | undefined;
  readonly fetch?: typeof globalThis.fetch | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/**
 * Sends one notification. Settles when the receiver has answered with a 2xx status.
 * @throws HoldfastError NOTIFY_FAILED (facts: channel, host, status or systemCode), CONFIG_INVALID
 *   when the channel has no usable URL; the signal's reason when it was aborted.
 */
export async function sendNotification(
  channel: NotificationConfig,
  payload: NotificationPayload,
  options: SendOptions = {},
): Promise<void> {
  options.signal?.throwIfAborted();
  const url = await resolveUrl(channel, options.env ?? process.env);
  const facts = { channel: nameOf(channel), host: url.host };
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal =
    options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);

  let response: Response;
  try {
    response = await (options.fetch ?? globalThis.fetch)(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: encodePayload(payload),
      // A redirected POST turns into a GET, or carries the payload somewhere nobody configured.
      redirect: 'manual',
      signal,
    });
    // The connection is only given back when the body has been dealt with.
    await response.body?.cancel();
  } catch (error) {
    options.signal?.throwIfAborted();
    const systemCode = systemCodeOf(causeOf(error)) ?? systemCodeOf(error);
    const reason = timeout.aborted
      ? `no answer within ${timeoutMs} ms`
      : (systemCode ?? 'the connection failed');
    throw new HoldfastError('NOTIFY_FAILED', `notification to ${url.host} failed: ${reason}`, {
      facts: { ...facts, systemCode: systemCode ?? null, timedOut: timeout.aborted },
      hint: 'check that the address is right and reachable from the worker',
    });
  }
  if (!response.ok) {
    throw new HoldfastError(
      'NOTIFY_FAILED',
      `notification to ${url.host} was refused with status ${response.status}`,
      {
        facts: { ...facts, status: response.status },
        hint: 'check the webhook URL; the receiver answered, but not with a 2xx status',
      },
    );
  }
}

/**
 * Local time without a zone, with microseconds, as Python's `datetime.now().isoformat()` writes it
 * (`2024-12-12T01:00:03.123000`): receivers made for the old script keep working.
 */
export function notificationTimestamp(at: Date): string {
  const pad = (value: number, width = 2): string => String(value).padStart(width, '0');
  const date = `${pad(at.getFullYear(), 4)}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  return `${date}T${time}.${pad(at.getMilliseconds(), 3)}000`;
}

/** Exactly the three fields, whatever else the object carries. */
function encodePayload({ status, message, timestamp }: NotificationPayload): string {
  return JSON.stringify({ status, message, timestamp });
}

async function resolveUrl(
  channel: NotificationConfig,
  env: Readonly<Record<string, string | undefined>>,
): Promise<URL> {
  const text = (await readUrl(channel, env)).trim();
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw unusable(channel, 'is not an http or https URL');
  }
  return url;
}

async function readUrl(
  channel: NotificationConfig,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  if (channel.url !== undefined) return channel.url;
  if (channel.urlEnv !== undefined) {
    const value = env[channel.urlEnv];
    if (value === undefined || value === '') throw unusable(channel, 'is not set for the worker');
    return value;
  }
  if (channel.urlFile !== undefined) {
    try {
      return await readFile(channel.urlFile, 'utf8');
    } catch (error) {
      throw unusable(channel, `cannot be read (${systemCodeOf(error) ?? 'unknown reason'})`);
    }
  }
  throw unusable(channel, 'is missing');
}

function unusable(channel: NotificationConfig, what: string): HoldfastError {
  const place =
    channel.url !== undefined
      ? 'url'
      : channel.urlEnv !== undefined
        ? `environment variable ${channel.urlEnv}`
        : channel.urlFile !== undefined
          ? `file ${channel.urlFile}`
          : 'url, urlFile or urlEnv';
  return new HoldfastError(
    'CONFIG_INVALID',
    `notification ${nameOf(channel)}: the webhook's ${place} ${what}`,
    {
      facts: { channel: nameOf(channel) },
      hint: 'give the URL with one of url, urlFile or urlEnv',
    },
  );
}

function nameOf(channel: NotificationConfig): string {
  return channel.name ?? channel.type;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
