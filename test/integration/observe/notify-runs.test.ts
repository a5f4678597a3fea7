/** Runs that tell people: receivers that answer, that are down, that swallow, and mail. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rename } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SMTPServer } from 'smtp-server';
import { runCommand } from '../../../src/base/process/process.js';
import { findTemporalCli } from '../../../src/temporal/temporal-cli.js';
import { FilesHost } from '../../support/files-host.js';
import { startReceiver, type Receiver } from '../../support/receiver.js';
import { recordHistories } from '../../support/record-histories.js';
import { temporalAddress } from '../../support/stack-host.js';

const SECRET = 'XXXXsecret';
const PATHS = { chat: `/chat/${SECRET}`, flaky: `/flaky/${SECRET}`, hole: `/hole/${SECRET}` };

let receiver: Receiver;
let mail: SMTPServer;
let host: FilesHost;
const letters: string[] = [];
/** Is the flaky receiver up? */
let flakyIsUp = false;

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 900; tries += 1) {
    if (condition()) return;
    await delay(50);
  }
  throw new Error(`waited too long for ${what}`);
}

async function temporal(...args: string[]): Promise<string> {
  const { stdout } = await runCommand(await findTemporalCli(), [
    ...args,
    '--address',
    temporalAddress(),
  ]);
  return stdout;
}

beforeAll(async () => {
  receiver = await startReceiver(({ path }) => {
    if (path.startsWith('/hole')) return undefined;
    if (path.startsWith('/flaky')) return flakyIsUp ? 200 : 503;
    return 200;
  });
  mail = new SMTPServer({
    hideSTARTTLS: true,
    allowInsecureAuth: true,
    disableReverseLookup: true,
    logger: false,
    onAuth: ({ password }, _session, done) =>
      password === SECRET ? done(null, { user: 'x' }) : done(new Error('no')),
    onData: (stream, _session, done) => {
      let text = '';
      stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      stream.on('end', () => {
        letters.push(text);
        done();
      });
    },
  });
  await new Promise<void>((resolve) => mail.listen(0, '127.0.0.1', resolve));
  const { port } = mail.server.address() as AddressInfo;
  host = await FilesHost.create(
    `notifications:
  - { type: webhook, name: chat, urlEnv: CHAT_URL }
  - { type: webhook, name: flaky, urlEnv: FLAKY_URL, on: [success], headers: { Authorization: { env: TOKEN, prefix: "Bearer " } } }
  - { type: webhook, name: hole, urlEnv: HOLE_URL, on: [degraded] }
  - { type: webhook, name: restores, urlEnv: CHAT_URL, runs: [restore] }
  - { type: ping, urlEnv: PING_URL }
  - { type: email, host: 127.0.0.1, port: ${port}, security: none, user: u, passwordEnv: TOKEN, from: a@b.example, to: [c@d.example], on: [failed] }`,
    {
      TEMPORAL_ADDRESS: temporalAddress(),
      CHAT_URL: receiver.origin + PATHS.chat,
      FLAKY_URL: receiver.origin + PATHS.flaky,
      HOLE_URL: receiver.origin + PATHS.hole,
      PING_URL: `${receiver.origin}/ping`,
      TOKEN: SECRET,
    },
  );
  await host.startWorker();
}, 120_000);
afterAll(async () => {
  await host.remove();
  await receiver.close();
  await new Promise<void>((resolve) => mail.close(() => resolve()));
});

describe('a run', () => {
  test('tells each channel once; one that is down gets it later, when the run has long ended', async () => {
    const { exitCode } = await host.holdfast(['backup', '--tier', 'daily']);
    expect(exitCode).toBe(0);
    const failedTries = receiver.on(PATHS.flaky).length;
    expect(failedTries).toBeGreaterThanOrEqual(1);
    const endedMs = Date.now();
    flakyIsUp = true;
    await until(() => receiver.on(PATHS.flaky).length > failedTries, 'the late delivery');
    const last = receiver.on(PATHS.flaky).at(-1);
    expect(last?.atMs).toBeGreaterThanOrEqual(endedMs);
    expect(last?.headers.authorization).toBe(`Bearer ${SECRET}`);
    // What it gets late is what the others got at the time.
    expect(receiver.on(PATHS.chat)).toHaveLength(1);
    expect(last?.body).toBe(receiver.on(PATHS.chat)[0]?.body);
    expect(Object.keys(JSON.parse(last?.body ?? '') as object)).toEqual([
      'status',
      'message',
      'timestamp',
    ]);
    expect(letters).toHaveLength(0);
  }, 90_000);

  test('pings its dead-man switch at the start and at the end', () => {
    const pings = receiver.received.filter(({ path }) => path.startsWith('/ping'));
    expect(pings.map(({ path }) => path)).toEqual(['/ping/start', '/ping']);
  });

  test('that fails says what is still good and what to do, to chat, mail and switch', async () => {
    await rename(host.home, `${host.home}-away`);
    const { exitCode } = await host.holdfast(['backup', '--tier', 'daily']);
    await rename(`${host.home}-away`, host.home);
    expect(exitCode).not.toBe(0);
    const told = JSON.parse(receiver.on(PATHS.chat).at(-1)?.body ?? '') as Record<string, string>;
    expect(told['status']).toBe('failed');
    expect(told['message']).toMatch(
      /^Backup of files-\w+ failed: .*\nStill good: set \d{8}_\d{6} \(daily\), from .*\n.*\nWhat to do: .*config check --host.*holdfast backup tries again/,
    );
    expect(receiver.on('/ping/fail')).toHaveLength(1);
    expect(letters).toHaveLength(1);
    expect(letters[0]).toMatch(
      new RegExp(`Subject: ${host.stackName} on ${host.stackName}: backup failed`),
    );
  }, 60_000);

  test('waits for a receiver that swallows no longer than one try takes', async () => {
    const held = await host.holdfast(['notify', 'test', '--channel', 'hole', '--json']);
    expect(held.exitCode).toBe(1);
    const outcome = (
      JSON.parse(held.stdout) as { channels: { durationMs: number; error: string }[] }
    ).channels[0];
    expect(outcome?.error).toContain('no answer within 10000 ms');
    expect(outcome?.durationMs).toBeLessThan(14_000);
  }, 60_000);
});

describe('holdfast notify test', () => {
  test('says how each channel took it, with Temporal out of reach, and ends with 1 for one that failed', async () => {
    flakyIsUp = false;
    host.env['TEMPORAL_ADDRESS'] = '127.0.0.1:1';
    try {
      const { exitCode, stdout } = await host.holdfast(['notify', 'test', '--channel', 'flaky']);
      expect(exitCode).toBe(1);
      expect(stdout).toMatch(/flaky {2}webhook {2}failed .*status 503/);
      const good = await host.holdfast([
        'notify',
        'test',
        '--channel',
        'email',
        '--status',
        'failed',
      ]);
      expect(good).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('ok') });
      const unknown = await host.holdfast(['notify', 'test', '--channel', 'nobody']);
      expect(unknown.exitCode).toBe(2);
      expect(unknown.stderr).toContain('there are chat, flaky, hole, restores, ping, email');
    } finally {
      host.env['TEMPORAL_ADDRESS'] = temporalAddress();
    }
  }, 60_000);
});

test('no secret is in any history, log, or output', async () => {
  const query = `WorkflowId STARTS_WITH "holdfast/${host.stackName}/"`;
  const list = JSON.parse(
    await temporal('workflow', 'list', '--query', query, '--output', 'json'),
  ) as { execution: { workflowId: string } }[];
  const ids = list.map(({ execution }) => execution.workflowId);
  expect(ids.some((id) => id.includes('/notify-'))).toBe(true);
  await recordHistories({ 'deliver-notifications': ids.find((id) => id.includes('/notify-')) });
  let histories = '';
  for (const id of ids) {
    histories += await temporal('workflow', 'show', '--workflow-id', id, '--output', 'json');
  }
  // Payloads are base64 in some forms of the output: both are looked for.
  const decoded = [...histories.matchAll(/"data": ?"([^"]+)"/g)].map(([, data]) =>
    Buffer.from(data ?? '', 'base64').toString(),
  );
  // The search does look into what was decoded.
  expect(decoded).toContain('"tell 2:flaky"');
  await host.stopWorker();
  const log = await host.readLog();
  expect(log).toContain('Notification flaky failed');
  expect(log).toContain('Notification flaky delivered late');
  for (const text of [histories, decoded.join(''), log, host.workerOutput]) {
    // Not toContain: a failure would print it all.
    expect(text.includes(SECRET)).toBe(false);
  }
}, 60_000);
