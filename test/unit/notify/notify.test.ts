import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  createServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { notificationSchema } from '../../../src/format/config/notifications.js';
import type { NotificationConfig } from '../../../src/format/config/schema.js';
import { HoldfastError } from '../../../src/base/errors.js';
import {
  notificationTimestamp,
  sendNotification,
  sendStartPing,
  type Notification,
} from '../../../src/notify/notify.js';

interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const SECRET_PATH = '/services/T000/B000/XXXXsecret';
const payload = {
  status: 'success',
  message: 'готово',
  timestamp: '2024-12-12T01:00:03.123000',
} as const;
const notification: Notification = {
  ...payload,
  title: 'ml on host1: backup success',
  stack: 'ml',
  host: 'host1',
  run: 'backup',
};

let server: Server;
let origin: string;
let received: Received[];
let answer: (response: ServerResponse) => void;

beforeEach(async () => {
  received = [];
  answer = (response) => response.writeHead(200).end('ok');
  server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      received.push({ method, path: url, headers, body });
      answer(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  origin = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function channel(extra: Record<string, unknown> = {}): NotificationConfig {
  return notificationSchema.parse({ type: 'webhook', ...extra });
}

function pingChannel(extra: Record<string, unknown>) {
  const parsed = channel({ type: 'ping', ...extra });
  if (parsed.type !== 'ping') throw new Error('not a ping');
  return parsed;
}

async function failure(promise: Promise<void>): Promise<HoldfastError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof HoldfastError)) throw new Error(`not our error: ${inspect(error)}`);
  return error;
}

describe('the webhook', () => {
  test('gets exactly status, message and timestamp as JSON', async () => {
    const more = { ...notification, secret: 'not for others' };
    await sendNotification(channel({ url: origin + SECRET_PATH }), more);
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({ method: 'POST', path: SECRET_PATH });
    expect(received[0]?.headers['content-type']).toBe('application/json');
    expect(JSON.parse(received[0]!.body)).toEqual(payload);
  });

  test('takes its URL from the environment or from a file', async () => {
    await sendNotification(channel({ urlEnv: 'HOOK' }), notification, {
      env: { HOOK: `${origin}/env` },
    });
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-notify-'));
    const urlFile = path.join(directory, 'url');
    await writeFile(urlFile, `${origin}/file\n`);
    await sendNotification(channel({ urlFile }), notification);
    await rm(directory, { recursive: true });
    expect(received.map((request) => request.path)).toEqual(['/env', '/file']);
  });

  test.each([302, 400, 500])(
    'that answers %i is a failure that can be tried again',
    async (code) => {
      answer = (response) =>
        response.writeHead(code, { location: `${origin}/elsewhere` }).end('no');
      const error = await failure(
        sendNotification(channel({ url: origin + SECRET_PATH }), notification),
      );
      expect(error.code).toBe('NOTIFY_FAILED');
      expect(error.retryable).toBe(true);
      expect(error.facts).toMatchObject({ status: code });
      expect(received).toHaveLength(1);
    },
  );

  test('that never answers ends with the time-out', async () => {
    answer = () => undefined;
    const error = await failure(
      sendNotification(channel({ url: origin + SECRET_PATH }), notification, { timeoutMs: 100 }),
    );
    expect(error).toMatchObject({ code: 'NOTIFY_FAILED', facts: { timedOut: true } });
  });

  test('is let go at once when the run is cancelled', async () => {
    answer = () => undefined;
    const controller = new AbortController();
    const reason = new Error('cancelled');
    setTimeout(() => controller.abort(reason), 50);
    await expect(
      sendNotification(channel({ url: origin }), notification, { signal: controller.signal }),
    ).rejects.toBe(reason);
  });
});

describe('the URL, which is a password, is in no error', () => {
  const secret = 'XXXXsecret';
  const cases: [string, () => Promise<void>][] = [
    [
      'nobody listens',
      () => sendNotification(channel({ url: `http://127.0.0.1:1${SECRET_PATH}` }), notification),
    ],
    [
      'the name is unknown',
      () => sendNotification(channel({ url: `http://no.invalid${SECRET_PATH}` }), notification),
    ],
    [
      'the receiver refuses',
      () => {
        answer = (response) => response.writeHead(403).end();
        return sendNotification(channel({ url: origin + SECRET_PATH }), notification);
      },
    ],
    [
      'it is not a URL',
      () =>
        sendNotification(channel({ urlEnv: 'HOOK' }), notification, {
          env: { HOOK: `x y ${secret}` },
        }),
    ],
    [
      'it is of another kind',
      () =>
        sendNotification(channel({ urlEnv: 'HOOK' }), notification, {
          env: { HOOK: `file:///${secret}` },
        }),
    ],
    [
      'fetch itself tells it',
      () =>
        sendNotification(channel({ url: origin + SECRET_PATH }), notification, {
          fetch: () => Promise.reject(new TypeError(`Failed to parse URL from ${SECRET_PATH}`)),
        }),
    ],
  ];
  test.each(cases)('when %s', async (_name, send) => {
    const error = await failure(send());
    expect(['NOTIFY_FAILED', 'CONFIG_INVALID']).toContain(error.code);
    expect(inspect(error, { depth: 10 })).not.toContain(secret);
    expect(error.hint).toBeDefined();
  });

  test('a variable or file that is missing is a mistake of the configuration, not to be retried', async () => {
    const unset = await failure(
      sendNotification(channel({ urlEnv: 'HOOK' }), notification, { env: {} }),
    );
    const missing = await failure(
      sendNotification(channel({ urlFile: '/no/such/file' }), notification),
    );
    const none = await failure(sendNotification(channel(), notification));
    for (const error of [unset, missing, none]) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID', retryable: false });
    }
    expect(unset.message).toContain('HOOK');
    expect(missing.message).toContain('/no/such/file');
  });
});

test('the timestamp is what Python’s datetime.now().isoformat() gives', () => {
  expect(notificationTimestamp(new Date(2024, 11, 2, 1, 0, 3, 7))).toBe(
    '2024-12-02T01:00:03.007000',
  );
});

describe('a webhook with a body of its own', () => {
  const message = 'pgdb: "x"\nfailed \\ {{host}}';

  test('fills placeholders with correct escaping, and what it put in is not looked at again', async () => {
    const body = {
      text: '*{{status}}* {{ message }}',
      blocks: [{ n: 1, on: '{{stack}}/{{host}}' }],
    };
    await sendNotification(channel({ url: origin, body }), { ...notification, message });
    expect(JSON.parse(received[0]!.body)).toEqual({
      text: `*success* ${message}`,
      blocks: [{ n: 1, on: 'ml/host1' }],
    });
    expect(received[0]?.headers['content-type']).toBe('application/json');
  });

  test('that is text goes out as text, with its method and headers from file and environment', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-notify-'));
    const file = path.join(directory, 'token');
    await writeFile(file, 'tk_file\n');
    const config = channel({
      url: `${origin}/topic`,
      method: 'PUT',
      body: '{{title}}: {{message}}',
      headers: {
        Authorization: { file, prefix: 'Bearer ' },
        'X-Key': { env: 'KEY' },
        Priority: 'high',
        'Content-Type': 'text/markdown',
      },
    });
    await sendNotification(config, notification, { env: { KEY: 'k1' } });
    await rm(directory, { recursive: true });
    expect(received[0]).toMatchObject({
      method: 'PUT',
      body: 'ml on host1: backup success: готово',
      headers: {
        authorization: 'Bearer tk_file',
        'x-key': 'k1',
        priority: 'high',
        'content-type': 'text/markdown',
      },
    });
  });

  test('tells neither the header nor the URL when a header cannot be sent', async () => {
    const config = channel({ url: origin, headers: { Authorization: { env: 'TOKEN' } } });
    const error = await failure(
      sendNotification(config, notification, { env: { TOKEN: 'XXXXsecret\u0007x' } }),
    );
    expect(error.code).toBe('CONFIG_INVALID');
    expect(inspect(error, { depth: 10 })).not.toContain('XXXXsecret');
  });
});

describe('a ping', () => {
  const key = '/ping/0c3a';

  test('of one base tells start, success and failure apart, and a degraded run is no success', async () => {
    const config = pingChannel({ url: `${origin}${key}?rid=1` });
    await sendStartPing(config, 'started');
    await sendNotification(config, notification);
    await sendNotification(config, { ...notification, status: 'degraded' });
    await sendNotification(config, { ...notification, status: 'failed' });
    expect(received.map((request) => `${request.method} ${request.path}`)).toEqual([
      `POST ${key}/start?rid=1`,
      `POST ${key}?rid=1`,
      `POST ${key}/fail?rid=1`,
      `POST ${key}/fail?rid=1`,
    ]);
    expect(received[1]?.body).toBe('готово');
  });

  test('of three addresses takes them from where they are, and none means none', async () => {
    const config = pingChannel({
      success: { env: 'OK_URL' },
      failure: `${origin}/down`,
      degraded: 'success',
      method: 'GET',
    });
    const env = { OK_URL: `${origin}/up` };
    await sendStartPing(config, 'started', { env });
    await sendNotification(config, { ...notification, status: 'degraded' }, { env });
    await sendNotification(config, { ...notification, status: 'failed' }, { env });
    expect(received.map((request) => `${request.method} ${request.path}`)).toEqual([
      'GET /up',
      'GET /down',
    ]);
  });
});
