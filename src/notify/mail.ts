/**
 * Mail by SMTP. A server's answer may repeat what it was sent, the password included, so of an
 * answer only what has been cleaned goes into an error, and never a `cause`.
 */
import { readFile } from 'node:fs/promises';
import { createTransport } from 'nodemailer';
import type { EmailChannel } from '../format/config/notifications.js';
import { HoldfastError, messageOf, systemCodeOf } from '../base/errors.js';
import { hintFor, isCertificateCode, describeCode } from './http-call.js';
import { readSecret, unusableSecret, type Environment } from './secret-value.js';

const DEFAULT_PORTS = { starttls: 587, tls: 465, none: 25 } as const;

export interface Letter {
  readonly subject: string;
  readonly text: string;
}

export interface MailOptions {
  readonly channel: string;
  readonly timeoutMs: number;
  readonly env: Environment;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Settles when the server has taken the letter for all receivers.
 * @throws HoldfastError NOTIFY_FAILED (facts: channel, host, systemCode, status), CONFIG_INVALID;
 *   the signal's reason when it was aborted
 */
export async function sendMail(
  config: EmailChannel,
  letter: Letter,
  options: MailOptions,
): Promise<void> {
  const { channel, timeoutMs } = options;
  const password = await readPassword(config, options);
  const ca = await readAuthorities(config, channel);
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal =
    options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
  const transport = createTransport({
    host: config.host,
    port: config.port ?? DEFAULT_PORTS[config.security],
    secure: config.security === 'tls',
    // Without it a man in the middle only has to hide the server's offer to get the password.
    requireTLS: config.security === 'starttls',
    ignoreTLS: config.security === 'none',
    ...(ca === undefined ? {} : { tls: { ca } }),
    ...(config.user === undefined ? {} : { auth: { user: config.user, pass: password ?? '' } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    // A template or a path in a message must never make it read a file or fetch a URL.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const sent = await transport.sendMail({
      from: config.from,
      to: config.to,
      subject: letter.subject,
      text: letter.text,
      signal,
      // Out-of-office answers to a machine help nobody.
      headers: { 'Auto-Submitted': 'auto-generated' },
    });
    if (sent.rejected.length === 0) return;
  } catch (error) {
    options.signal?.throwIfAborted();
    throw mailFailure(config, channel, error, timeout.aborted ? timeoutMs : undefined, password);
  } finally {
    transport.close();
  }
  throw new HoldfastError('NOTIFY_FAILED', `${config.host} refused some of the receivers`, {
    facts: { channel, host: config.host },
    hint: 'check the addresses under `to`',
  });
}

async function readPassword(
  config: EmailChannel,
  { channel, env }: MailOptions,
): Promise<string | undefined> {
  if (config.user === undefined) return undefined;
  return readSecret(
    { what: 'password', channel, file: config.passwordFile, env: config.passwordEnv },
    env,
  );
}

async function readAuthorities(config: EmailChannel, channel: string): Promise<string | undefined> {
  const { caFile } = config;
  if (caFile === undefined) return undefined;
  try {
    return await readFile(caFile, 'utf8');
  } catch (error) {
    const place = { what: 'caFile', channel, file: caFile };
    throw unusableSecret(place, `cannot be read (${systemCodeOf(error) ?? 'unknown reason'})`);
  }
}

function mailFailure(
  config: EmailChannel,
  channel: string,
  error: unknown,
  timedOutAfterMs: number | undefined,
  password: string | undefined,
): HoldfastError {
  const code = codeOf(error);
  const status = numberField(error, 'responseCode');
  const timedOut = timedOutAfterMs !== undefined || code === 'ETIMEDOUT';
  const answer = clean(stringField(error, 'response') ?? '', config.user, password);
  const reason = timedOut
    ? `no answer within ${timedOutAfterMs ?? 0} ms`
    : status !== undefined
      ? `it answered ${answer === '' ? String(status) : answer}`
      : code === undefined
        ? 'the connection failed'
        : describeCode(code);
  return new HoldfastError('NOTIFY_FAILED', `mail by ${config.host} failed: ${reason}`, {
    facts: {
      channel,
      host: config.host,
      systemCode: code ?? null,
      status: status ?? null,
      timedOut,
    },
    hint: mailHint(config, code, status),
  });
}

function mailHint(
  config: EmailChannel,
  code: string | undefined,
  status: number | undefined,
): string {
  if (code === 'EAUTH' || status === 535) return 'check user and password of the mail server';
  if (code === 'ETLS' || (code !== undefined && isCertificateCode(code))) {
    return config.caFile === undefined
      ? 'the server has no TLS the worker trusts: check security, or give caFile its authority'
      : 'the certificate does not fit the authority in caFile or the host name';
  }
  if (status !== undefined) return 'the mail server refused it: check from, to and its rules';
  return hintFor(code);
}

/** One line of an answer, short, with nothing in it that was secret. */
function clean(answer: string, user: string | undefined, password: string | undefined): string {
  const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
  const secrets =
    password === undefined || password === ''
      ? []
      : [password, base64(password), base64(`\0${user ?? ''}\0${password}`)];
  return secrets
    .reduce((text, secret) => text.replaceAll(secret, '***'), answer)
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 200);
}

/** The most telling code: nodemailer's ESOCKET hides the system's own. */
function codeOf(error: unknown): string | undefined {
  const own = systemCodeOf(error);
  const inner = systemCodeOf(fieldOf(error, 'cause'));
  if (inner !== undefined) return inner;
  if (own !== 'ESOCKET' && own !== 'ETLS' && own !== 'ECONNECTION') return own;
  const said = /\b(E[A-Z]{5,}|ERR_[A-Z_]+|[A-Z_]*CERT[A-Z_]*)\b/.exec(messageOf(error))?.[1];
  if (said !== undefined) return said;
  return /certificate/i.test(messageOf(error)) ? 'ERR_TLS_CERT' : own;
}

function stringField(error: unknown, field: string): string | undefined {
  const value = fieldOf(error, field);
  return typeof value === 'string' ? value : undefined;
}

function numberField(error: unknown, field: string): number | undefined {
  const value = fieldOf(error, field);
  return typeof value === 'number' ? value : undefined;
}

function fieldOf(error: unknown, field: string): unknown {
  if (typeof error !== 'object' || error === null) return undefined;
  return Object.getOwnPropertyDescriptor(error, field)?.value;
}
