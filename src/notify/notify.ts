/** Telling one channel of the configuration: a webhook, a mail, or a ping of a dead-man switch. */
import type {
  NotificationConfig,
  PingChannel,
  RunKind,
  RunStatus,
  SecretValue,
  WebhookChannel,
} from '../format/config/notifications.js';
import { assertNever } from '../base/errors.js';
import { encodeTemplate, type JsonValue } from '../plan/notify/body-template.js';
import { z } from 'zod';
import { callReceiver } from './http-call.js';
import { sendMail } from './mail.js';
import {
  readSecret,
  readSecretValue,
  unusableSecret,
  type Environment,
  type SecretPlace,
} from './secret-value.js';

/** Long enough for a slow receiver; nothing waits for it that holds a run. */
const DEFAULT_TIMEOUT_MS = 10_000;

export interface NotificationPayload {
  readonly status: RunStatus;
  readonly message: string;
  /** See {@link notificationTimestamp}. */
  readonly timestamp: string;
}

/** A payload with what templates, mails and pings say besides. */
export interface Notification extends NotificationPayload {
  /** One short line: the subject of a mail. */
  readonly title: string;
  readonly stack: string;
  readonly host: string;
  readonly run: RunKind;
}

export interface SendOptions {
  readonly signal?: AbortSignal | undefined;
  /** Longest time for the whole exchange. */
  readonly timeoutMs?: number | undefined;
  readonly fetch?: typeof globalThis.fetch | undefined;
  readonly env?: Environment | undefined;
}

/**
 * Sends one notification to one channel. Settles when the receiver has taken it.
 * @throws HoldfastError NOTIFY_FAILED (facts: channel, host, status or systemCode), CONFIG_INVALID
 *   when the channel's address or a secret can't be had; the signal's reason when it was aborted
 */
export async function sendNotification(
  channel: NotificationConfig,
  notification: Notification,
  options: SendOptions = {},
): Promise<void> {
  options.signal?.throwIfAborted();
  switch (channel.type) {
    case 'webhook':
      return callWebhook(channel, notification, options);
    case 'email':
      return sendMail(
        channel,
        { subject: notification.title, text: letterText(notification) },
        {
          channel: channelName(channel),
          timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
          env: options.env ?? process.env,
          signal: options.signal,
        },
      );
    case 'ping':
      return ping(channel, outcomeOf(channel, notification.status), notification.message, options);
    default:
      return assertNever(channel);
  }
}

/** Tells a dead-man switch that a run has begun. @throws as {@link sendNotification} */
export async function sendStartPing(
  channel: PingChannel,
  message: string,
  options: SendOptions = {},
): Promise<void> {
  return ping(channel, 'start', message, options);
}

/** How messages and `--channel` call it: its name, else its type. */
export function channelName(channel: NotificationConfig): string {
  return channel.name ?? channel.type;
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

async function callWebhook(
  channel: WebhookChannel,
  notification: Notification,
  options: SendOptions,
): Promise<void> {
  const { contentType, body } = encodeBody(channel.body, notification);
  await callReceiver({
    ...(await target(channel, addressOf(channel), channel.headers, options)),
    method: channel.method,
    body,
    contentType,
  });
}

const jsonSchema: z.ZodType<JsonValue> = z.json();

/** Exactly the three fields, whatever else the object carries, or the channel's own template. */
function encodeBody(
  template: unknown,
  notification: Notification,
): { contentType: string; body: string } {
  const { status, message, timestamp } = notification;
  if (template === undefined) {
    return {
      contentType: 'application/json',
      body: JSON.stringify({ status, message, timestamp }),
    };
  }
  return encodeTemplate(jsonSchema.parse(template), notification);
}

type PingMoment = 'start' | 'success' | 'failure';

function outcomeOf(channel: PingChannel, status: string): PingMoment {
  if (status === 'degraded') return channel.degraded;
  return status === 'success' ? 'success' : 'failure';
}

async function ping(
  channel: PingChannel,
  moment: PingMoment,
  message: string,
  options: SendOptions,
): Promise<void> {
  const own = channel[moment];
  const hasBase = [channel.url, channel.urlFile, channel.urlEnv].some((at) => at !== undefined);
  // A switch that is only told of the end has no URL for the start.
  if (own === undefined && !hasBase) return;
  const place = own === undefined ? addressOf(channel) : ownAddress(channel, moment, own);
  const call = await target(channel, place, channel.headers, options);
  await callReceiver({
    ...call,
    url: own === undefined ? below(call.url, moment) : call.url,
    method: channel.method,
    ...(channel.method === 'POST'
      ? { body: message.slice(0, 10_000), contentType: 'text/plain; charset=utf-8' }
      : {}),
  });
}

/** healthchecks' way: the base is the success, `/start` and `/fail` hang below it. */
function below(base: URL, moment: PingMoment): URL {
  if (moment === 'success') return base;
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/${moment === 'start' ? 'start' : 'fail'}`;
  return url;
}

function addressOf(channel: WebhookChannel | PingChannel): SecretPlace {
  return {
    what: 'url',
    channel: channelName(channel),
    value: channel.url,
    file: channel.urlFile,
    env: channel.urlEnv,
  };
}

function ownAddress(channel: PingChannel, what: PingMoment, value: SecretValue): SecretPlace {
  const place = { what, channel: channelName(channel) };
  if (typeof value === 'string') return { ...place, value };
  return 'env' in value ? { ...place, env: value.env } : { ...place, file: value.file };
}

async function target(
  channel: WebhookChannel | PingChannel,
  place: SecretPlace,
  headers: Readonly<Record<string, SecretValue>>,
  options: SendOptions,
): Promise<Omit<Parameters<typeof callReceiver>[0], 'method'>> {
  const env = options.env ?? process.env;
  const text = await readSecret(place, env);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw unusableSecret(place, 'is not an http or https URL');
  }
  const name = channelName(channel);
  const entries = await Promise.all(
    Object.entries(headers).map(async ([header, value]) => {
      const read = await readSecretValue(value, `header ${header}`, name, env);
      // fetch would say the value in its error.
      if (/[^\t\x20-\x7e\x80-\xff]/.test(read)) {
        throw unusableSecret({ what: `header ${header}`, channel: name }, 'has bytes HTTP forbids');
      }
      return [header, read] as const;
    }),
  );
  return {
    channel: name,
    url,
    headers: Object.fromEntries(entries),
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    signal: options.signal,
    fetch: options.fetch,
  };
}

function letterText({ message, stack, host, run, timestamp }: Notification): string {
  return `${message}\n\n-- \nHoldfast: ${run} of ${stack} on ${host}, ${timestamp}\n`;
}
