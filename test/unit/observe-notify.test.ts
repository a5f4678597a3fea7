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
import type { NotificationConfig } from '../../src/config/schema.js';
import { HoldfastError } from '../../src/errors.js';
import { notificationTimestamp, sendNotification } from '../../src/observe/notify.js';

interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const SECRET_PATH = '/services/T000/B000/XXXXsecret';
const payload = { status: 'success', message: 'готово', timestamp: '2024-12-12T01:00:03.123000' };

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

function channel(extra: Partial<NotificationConfig> = {}): NotificationConfig {
  return { type: 'webhook', on: ['success', 'degraded', 'failed'], ...extra };
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
    const more = { ...payload, secret: 'not for others' };
    await sendNotification(channel({ url: origin + SECRET_PATH }), more);
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({ method: 'POST', path: SECRET_PATH });
    expect(received[0]?.headers['content-type']).toBe('application/json');
    expect(JSON.parse(received[0]!.body)).toEqual(payload);
  });

  test('takes its URL from the environment or from a file', async () => {
    await sendNotification(channel({ urlEnv: 'HOOK' }), payload, {
      env: { HOOK: `${origin}/env` },
    });
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-notify-'));
    const urlFile = path.join(directory, 'url');
    await writeFile(urlFile, `${origin}/file\n`);
    await sendNotification(channel({ urlFile }), payload);
    await rm(directory, { recursive: true });
    expect(received.map((request) => request.path)).toEqual(['/env', '/file']);
  });

  test.each([302, 400, 500])(
    'that answers %i is a failure that can be tried again',
    async (code) => {
      answer = (response) =>
        response.writeHead(code, { location: `${origin}/elsewhere` }).end('no');
      const error = await failure(
        sendNotification(channel({ url: origin + SECRET_PATH }), payload),
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
      sendNotification(channel({ url: origin + SECRET_PATH }), payload, { timeoutMs: 100 }),
    );
    expect(error).toMatchObject({ code: 'NOTIFY_FAILED', facts: { timedOut: true } });
  });

  test('is let go at once when the run is cancelled', async () => {
    answer = () => undefined;
    const controller = new AbortController();
    const reason = new Error('cancelled');
    setTimeout(() => controller.abort(reason), 50);
    await expect(
      sendNotification(channel({ url: origin }), payload, { signal: controller.signal }),
    ).rejects.toBe(reason);
  });
});

describe('the URL, which is a password, is in no error', () => {
  const secret = 'XXXXsecret';
  const cases: [string, () => Promise<void>][] = [
    [
      'nobody listens',
      () => sendNotification(channel({ url: `http://127.0.0.1:1${SECRET_PATH}` }), payload),
    ],
    [
      'the name is unknown',
      () => sendNotification(channel({ url: `http://no.invalid${SECRET_PATH}` }), payload),
    ],
    [
      'the receiver refuses',
      () => {
        answer = (response) => response.writeHead(403).end();
        return sendNotification(channel({ url: origin + SECRET_PATH }), payload);
      },
    ],
    [
      'it is not a URL',
      () =>
        sendNotification(channel({ urlEnv: 'HOOK' }), payload, { env: { HOOK: `x y ${secret}` } }),
    ],
    [
      'it is of another kind',
      () =>
        sendNotification(channel({ urlEnv: 'HOOK' }), payload, {
          env: { HOOK: `file:///${secret}` },
        }),
    ],
    [
      'fetch itself tells it',
      () =>
        sendNotification(channel({ url: origin + SECRET_PATH }), payload, {
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
      sendNotification(channel({ urlEnv: 'HOOK' }), payload, { env: {} }),
    );
    const missing = await failure(sendNotification(channel({ urlFile: '/no/such/file' }), payload));
    const none = await failure(sendNotification(channel(), payload));
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
