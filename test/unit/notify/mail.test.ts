import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttps } from 'node:https';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { notificationSchema } from '../../../src/format/config/notifications.js';
import { HoldfastError } from '../../../src/base/errors.js';
import { sendNotification, type Notification } from '../../../src/notify/notify.js';
import { CertificateAuthority } from '../../support/certificates.js';

const PASSWORD = 'XXXXsecret';
const notification: Notification = {
  status: 'failed',
  title: 'ml on host1: backup failed',
  message: 'pgdb failed\n.\nWhat to do: готово',
  timestamp: '2024-12-12T01:00:03.123000',
  stack: 'ml',
  host: 'host1',
  run: 'backup',
};

let directory: string;
let authority: CertificateAuthority;
let letters: { readonly from: string; readonly to: readonly string[]; readonly text: string }[];
let closers: (() => Promise<unknown>)[];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-mail-'));
  authority = await CertificateAuthority.create(directory);
  await writeFile(path.join(directory, 'password'), `${PASSWORD}\n`);
  letters = [];
  closers = [];
});
afterEach(async () => {
  await Promise.all(closers.map((close) => close()));
  await rm(directory, { recursive: true, force: true });
});

/** A mail server on loopback that takes the password, and offers TLS with a certificate of ours. */
async function mailServer(options: SMTPServerOptions = {}): Promise<number> {
  const { cert, key } = await authority.issue('mail', ['localhost']);
  const server = new SMTPServer({
    cert: await readFile(cert),
    key: await readFile(key),
    authOptional: true,
    disableReverseLookup: true,
    logger: false,
    onAuth: ({ username, password }, _session, done) => {
      if (username === 'holdfast' && password === PASSWORD) done(null, { user: username });
      else
        done(new Error(`no: ${password ?? ''} ${Buffer.from(password ?? '').toString('base64')}`));
    },
    onData: (stream, { envelope }, done) => {
      let text = '';
      stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      stream.on('end', () => {
        const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
        letters.push({ from, to: envelope.rcptTo.map(({ address }) => address), text });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => server.close(() => resolve(undefined))));
  return (server.server.address() as AddressInfo).port;
}

async function rawServer(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => server.close(() => resolve(undefined))));
  return (server.address() as AddressInfo).port;
}

function channel(port: number, extra: Record<string, unknown> = {}) {
  return notificationSchema.parse({
    type: 'email',
    host: 'localhost',
    port,
    user: 'holdfast',
    passwordFile: path.join(directory, 'password'),
    caFile: authority.ca,
    from: 'Holdfast <backup@example.org>',
    to: ['ops@example.org', 'boss@example.org'],
    ...extra,
  });
}

async function failure(promise: Promise<void>): Promise<HoldfastError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof HoldfastError)) throw new Error(`not our error: ${inspect(error)}`);
  expect(inspect(error, { depth: 10 })).not.toContain(PASSWORD);
  expect(inspect(error, { depth: 10 })).not.toContain(Buffer.from(PASSWORD).toString('base64'));
  return error;
}

describe('mail', () => {
  test('reaches all receivers over STARTTLS, logged in, with its subject and whole text', async () => {
    const port = await mailServer({ authOptional: false });
    await sendNotification(channel(port), notification);
    expect(letters).toHaveLength(1);
    const [letter] = letters;
    expect(letter).toMatchObject({
      from: 'backup@example.org',
      to: ['ops@example.org', 'boss@example.org'],
    });
    expect(letter?.text).toContain('Subject: ml on host1: backup failed');
    // A line of one dot ends a letter that is not escaped.
    const body = letter?.text.split('\r\n\r\n').slice(1).join('\n\n') ?? '';
    const decoded = /base64/i.test(letter?.text ?? '')
      ? Buffer.from(body, 'base64').toString()
      : body;
    expect(decoded.replace(/=\r?\n/g, '')).toMatch(/What to do/);
  });

  test('reaches a server that speaks TLS from the first byte', async () => {
    const port = await mailServer({ secure: true });
    await sendNotification(channel(port, { security: 'tls' }), notification);
    expect(letters).toHaveLength(1);
  });

  test('is not sent, and the password not told, where STARTTLS is not offered', async () => {
    let sawPassword = false;
    const port = await mailServer({
      hideSTARTTLS: true,
      disabledCommands: ['STARTTLS'],
      onAuth: (_auth, _session, done) => {
        sawPassword = true;
        done(null, { user: 'x' });
      },
    });
    const error = await failure(sendNotification(channel(port), notification));
    expect(error.code).toBe('NOTIFY_FAILED');
    expect(letters).toHaveLength(0);
    expect(sawPassword).toBe(false);
  });

  test('is not sent to a server whose certificate nobody vouches for', async () => {
    const port = await mailServer();
    const error = await failure(
      sendNotification(channel(port, { caFile: undefined }), notification),
    );
    expect(error).toMatchObject({ code: 'NOTIFY_FAILED', retryable: true });
    expect(error.message).toMatch(/certificate/);
    expect(error.hint).toContain('caFile');
    expect(letters).toHaveLength(0);
  });

  test('says that the password was refused, without repeating what the server echoed', async () => {
    const port = await mailServer({
      onAuth: (auth, _session, done) => done(new Error(`no: ${auth.password ?? ''}`)),
    });
    const error = await failure(sendNotification(channel(port), notification));
    expect(error.message).toContain('535');
    expect(error.hint).toContain('password');
  });

  test('fails with the answer when a receiver is refused', async () => {
    const port = await mailServer({
      onRcptTo: ({ address }, _session, done) =>
        done(address.startsWith('boss') ? new Error('no such user here') : undefined),
    });
    const error = await failure(
      sendNotification(channel(port, { to: ['boss@example.org'] }), notification),
    );
    expect(error.message).toContain('no such user here');
  });

  test('a server that takes the connection and says nothing is left after the time-out', async () => {
    const held: { destroy: () => void }[] = [];
    const port = await rawServer(createServer((socket) => held.push(socket)));
    const startedMs = performance.now();
    const error = await failure(sendNotification(channel(port), notification, { timeoutMs: 300 }));
    expect(error.facts).toMatchObject({ timedOut: true });
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    for (const socket of held) socket.destroy();
  });

  test.each([
    ['nobody listens', { port: 1 }, 'ECONNREFUSED'],
    ['the name is not known', { host: 'no.invalid' }, /ENOTFOUND|EAI_AGAIN|EDNS/],
  ])('says why when %s', async (_name, extra, code) => {
    const error = await failure(sendNotification(channel(25, extra), notification));
    expect(error.message).toMatch(code);
  });

  test('a password that is not there is a mistake of the configuration', async () => {
    const config = channel(25, { passwordFile: '/no/such/file' });
    const error = await failure(sendNotification(config, notification));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', retryable: false });
  });
});

test('a webhook behind a certificate nobody vouches for says so, and what to do', async () => {
  const { cert, key } = await authority.issue('hook', ['localhost']);
  const port = await rawServer(
    createHttps({ cert: await readFile(cert), key: await readFile(key) }, (_request, response) =>
      response.end(),
    ),
  );
  const hook = notificationSchema.parse({ type: 'webhook', url: `https://localhost:${port}/x` });
  const error = await failure(sendNotification(hook, notification));
  expect(error.message).toContain('the TLS certificate was not accepted');
  expect(error.hint).toContain('NODE_EXTRA_CA_CERTS');
});
