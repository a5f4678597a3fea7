/**
 * One HTTP request to a receiver of notifications, bounded in time.
 *
 * A webhook's URL is a password, and so are headers, so nothing that leaves this file holds more of
 * them than the host: not the message, not the facts, and not a `cause`, which loggers print.
 */
import { HoldfastError, systemCodeOf } from '../base/errors.js';

export interface HttpCall {
  readonly channel: string;
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** Of the body; a header of the same name in `headers` wins. */
  readonly contentType?: string | undefined;
  /** Longest time for the whole exchange. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/**
 * Settles when the receiver has answered with a 2xx status.
 * @throws HoldfastError NOTIFY_FAILED (facts: channel, host, status or systemCode); the signal's
 *   reason when it was aborted
 */
export async function callReceiver(call: HttpCall): Promise<void> {
  const { url, timeoutMs } = call;
  const facts = { channel: call.channel, host: url.host };
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = call.signal === undefined ? timeout : AbortSignal.any([call.signal, timeout]);
  let response: Response;
  try {
    response = await (call.fetch ?? globalThis.fetch)(url, {
      method: call.method,
      headers: headersOf(call),
      ...(call.body === undefined ? {} : { body: call.body }),
      // A redirected POST turns into a GET, or carries the payload somewhere nobody configured.
      redirect: 'manual',
      signal,
    });
    // The connection is only given back when the body has been dealt with.
    await response.body?.cancel();
  } catch (error) {
    call.signal?.throwIfAborted();
    const systemCode = systemCodeOf(causeOf(error)) ?? systemCodeOf(error);
    const reason = timeout.aborted
      ? `no answer within ${timeoutMs} ms`
      : systemCode === undefined
        ? 'the connection failed'
        : describeCode(systemCode);
    throw new HoldfastError('NOTIFY_FAILED', `notification to ${url.host} failed: ${reason}`, {
      facts: { ...facts, systemCode: systemCode ?? null, timedOut: timeout.aborted },
      hint: timeout.aborted ? SLOW : hintFor(systemCode),
    });
  }
  if (response.ok) return;
  const { status } = response;
  throw new HoldfastError(
    'NOTIFY_FAILED',
    `notification to ${url.host} was refused with status ${status}`,
    { facts: { ...facts, status }, hint: hintForStatus(status) },
  );
}

/** Header names have no case: one of the configuration must not end up beside ours. */
function headersOf({ contentType, headers }: HttpCall): Readonly<Record<string, string>> {
  const own = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type');
  return own || contentType === undefined ? headers : { 'content-type': contentType, ...headers };
}

const SLOW = 'the receiver, or a firewall before it, swallows the connection: try from this host';

/** Is this a code of a certificate that was not accepted? */
export function isCertificateCode(code: string): boolean {
  return /CERT|ERR_TLS|ERR_SSL|ISSUER|CRL|SIGNATURE|EPROTO/.test(code);
}

/** A system's code with a word of what it means. */
export function describeCode(code: string): string {
  if (['ENOTFOUND', 'EAI_AGAIN', 'EDNS'].includes(code)) return `${code}, the name is not known`;
  if (code === 'ECONNREFUSED') return `${code}, nobody listens there`;
  if (isCertificateCode(code)) return `${code}, the TLS certificate was not accepted`;
  return code;
}

export function hintFor(code: string | undefined): string {
  if (code !== undefined && isCertificateCode(code)) {
    return 'for a certificate of your own authority set NODE_EXTRA_CA_CERTS for the worker to its file';
  }
  return 'check that the address is right and reachable from the worker';
}

function hintForStatus(status: number): string {
  if (status >= 300 && status < 400) {
    return 'the receiver has moved, and messages do not follow: put its new URL into the configuration';
  }
  if (status === 401 || status === 403 || status === 404 || status === 410) {
    return 'check the webhook URL and its token; the receiver answered, but does not take it';
  }
  if (status === 400 || status === 422) {
    return 'the receiver does not take this body: check the `body` of the channel against its manual';
  }
  return 'check the webhook URL; the receiver answered, but not with a 2xx status';
}

function causeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined;
}
