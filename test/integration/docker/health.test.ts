import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { healthCheckSchema, type HealthCheck } from '../../../src/format/config/health-checks.js';
import { waitForGate } from '../../../src/docker/containers/health.js';
import { POSTGRES_IMAGE } from '../../support/docker-images.js';
import { DockerSandbox } from '../../support/docker-sandbox.js';

const sandbox = new DockerSandbox();
const { engine } = sandbox;
const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));
afterAll(() => sandbox.remove());

const work = { signal: new AbortController().signal, report: () => undefined };

function check(input: Record<string, unknown>, timeoutMs: number): HealthCheck {
  return { ...healthCheckSchema.parse(input), timeout: timeoutMs };
}

/** Answers with each of the replies in turn, then for ever with the last. */
async function http(replies: readonly { status: number; body?: string }[]): Promise<string> {
  let count = 0;
  const server = createServer((_request, response) => {
    const reply = replies[Math.min(count, replies.length - 1)];
    count += 1;
    response.writeHead(reply?.status ?? 500, { location: '/elsewhere' });
    response.end(reply?.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/ready`;
}

async function failure(gate: HealthCheck, context = {}): Promise<Record<string, unknown>> {
  const error: unknown = await waitForGate(engine, gate, context, work).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: 'HEALTH_GATE_FAILED' });
  return (error as { facts: Record<string, unknown> }).facts;
}

describe('an http gate', () => {
  it('waits for two good answers in a row, so that one before a crash is not enough', async () => {
    const url = await http([
      { status: 503 },
      { status: 200 },
      { status: 503 },
      { status: 200 },
      { status: 200 },
    ]);
    const { waitedMs, detail } = await waitForGate(
      engine,
      check({ type: 'http', url }, 20_000),
      {},
      work,
    );
    expect(waitedMs).toBeGreaterThan(3_500);
    expect(detail).toBe('HTTP 200');
  });

  it('fails with what it saw last', async () => {
    const url = await http([{ status: 500, body: 'database is locked' }]);
    const facts = await failure(check({ type: 'http', url: `${url}?token=s3cret` }, 1_500));
    expect(facts['lastOutput']).toBe('HTTP 500: database is locked');
    expect(facts['waitedMs']).toBeGreaterThan(500);
    expect(JSON.stringify(facts)).not.toContain('s3cret');
  });

  it('looks at the body where asked to, and does not follow a redirect', async () => {
    const wrong = await http([{ status: 200, body: 'starting' }]);
    const facts = await failure(check({ type: 'http', url: wrong, contains: 'ok' }, 1_200));
    expect(facts['lastOutput']).toContain('no "ok" in HTTP 200: starting');
    const moved = await http([{ status: 302 }]);
    await waitForGate(engine, check({ type: 'http', url: moved, status: 302 }, 5_000), {}, work);
    expect((await failure(check({ type: 'http', url: moved }, 1_200)))['lastOutput']).toBe(
      'HTTP 302',
    );
  });

  it('says why there is no answer', async () => {
    const facts = await failure(check({ type: 'http', url: 'http://127.0.0.1:1/' }, 1_200));
    expect(facts['lastOutput']).toMatch(/ECONNREFUSED|bad port/);
  });

  it('does not wait on a server that accepts and never answers', async () => {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const startedAt = Date.now();
    const facts = await failure(check({ type: 'http', url }, 1_500));
    expect(facts['lastOutput']).toMatch(/no answer within/);
    expect(Date.now() - startedAt).toBeLessThan(10_000);
  });

  it('ends with the reason when it is cancelled', async () => {
    const url = await http([{ status: 500 }]);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('cancelled by the test')), 300);
    const startedAt = Date.now();
    await expect(
      waitForGate(
        engine,
        check({ type: 'http', url }, 60_000),
        {},
        { ...work, signal: controller.signal },
      ),
    ).rejects.toThrow('cancelled by the test');
    expect(Date.now() - startedAt).toBeLessThan(3_000);
  });
});

describe('a tcp gate', () => {
  it('passes where connections are accepted, and fails where they are refused', async () => {
    const url = await http([{ status: 200 }]);
    const port = Number(new URL(url).port);
    await waitForGate(engine, check({ type: 'tcp', port }, 5_000), {}, work);
    expect((await failure(check({ type: 'tcp', port: 1 }, 1_200)))['lastOutput']).toContain(
      'ECONNREFUSED',
    );
  });
});

describe('a container gate', () => {
  it('passes for one that stays up', async () => {
    const container = await sandbox.container('up');
    await waitForGate(engine, check({ type: 'container', container }, 15_000), {}, work);
  });

  it('waits until a health check passes, and tells its output when it does not', async () => {
    const healthy = await sandbox.container('healthy', {
      command: 'sleep 2; touch /ready; sleep 600',
      healthCheck: 'test -e /ready',
    });
    const { waitedMs } = await waitForGate(
      engine,
      check({ type: 'container', container: healthy }, 30_000),
      {},
      work,
    );
    expect(waitedMs).toBeGreaterThan(1_500);
    const sick = await sandbox.container('sick', {
      healthCheck: 'echo the index is broken; exit 1',
    });
    const facts = await failure(check({ type: 'container', container: sick }, 4_000));
    expect(facts['lastOutput']).toContain('the index is broken');
  });

  it('does not take a crash loop for a running container', async () => {
    const container = await sandbox.container('loop', {
      command: 'sleep 1; exit 1',
      restart: 'always',
    });
    const facts = await failure(check({ type: 'container', container }, 9_000));
    expect(facts['lastOutput']).toMatch(/restart/);
  });

  it('does not add up what it sees before and after restarts', async () => {
    const container = await sandbox.container('restarted');
    const over = new AbortController();
    const restarting = (async () => {
      while (!over.signal.aborted) {
        await sandbox.docker.getContainer(container).restart({ t: 0 });
        await new Promise((resolve) => setTimeout(resolve, 1_200));
      }
    })();
    await failure(check({ type: 'container', container }, 9_000));
    over.abort();
    await restarting;
  });

  it('fails for one that has ended or does not exist', async () => {
    const ended = await sandbox.container('ended', { command: 'exit 4' });
    const facts = await failure(check({ type: 'container', container: ended }, 1_500));
    expect(facts['lastOutput']).toMatch(/exited, exit code 4/);
    const missing = sandbox.name('missing');
    expect(
      (await failure(check({ type: 'container', container: missing }, 1_200)))['lastOutput'],
    ).toContain('there is no container');
  });
});

describe('a gate on all containers', () => {
  const labels = (project: string, service: string, more: Record<string, string> = {}) => ({
    'com.docker.compose.project': project,
    'com.docker.compose.service': service,
    ...more,
  });

  it('needs at least one, all of them up, and forgives only jobs that others wait for', async () => {
    const project = sandbox.name('gate');
    const gate = check({ type: 'containers' }, 2_500);
    expect((await failure(gate, { composeProject: project }))['lastOutput']).toContain(
      'has no containers',
    );
    await sandbox.container('gate-app', {
      labels: labels(project, 'app', {
        'com.docker.compose.depends_on':
          'migrate:service_completed_successfully:false,db:service_started:false',
      }),
    });
    await sandbox.container('gate-migrate', {
      command: 'exit 0',
      labels: labels(project, 'migrate'),
    });
    await sandbox.container('gate-run', {
      command: 'exit 9',
      labels: labels(project, 'shell', { 'com.docker.compose.oneoff': 'True' }),
    });
    await waitForGate(engine, { ...gate, timeout: 20_000 }, { composeProject: project }, work);
    const db = await sandbox.container('gate-db', {
      command: 'exit 0',
      labels: labels(project, 'db'),
    });
    expect((await failure(gate, { composeProject: project }))['lastOutput']).toContain(db);
  });

  it('of a service without a project fails at once: waiting would not help', async () => {
    const startedAt = Date.now();
    expect((await failure(check({ type: 'containers' }, 60_000)))['waitedMs']).toBeLessThan(1_000);
    expect(Date.now() - startedAt).toBeLessThan(2_000);
  });
});

describe('a command gate', () => {
  it('passes with exit code 0, and fails with the output of the last try', async () => {
    const container = await sandbox.container('command', {
      command: 'sleep 2; touch /ready; sleep 600',
    });
    await waitForGate(
      engine,
      check({ type: 'command', container, command: ['test', '-e', '/ready'] }, 20_000),
      {},
      work,
    );
    const command = ['sh', '-c', 'echo not yet >&2; exit 2'];
    const facts = await failure(check({ type: 'command', container, command }, 1_500));
    expect(facts['lastOutput']).toBe('exit code 2: not yet');
  });
});

describe('an sql gate', () => {
  it('passes when the query gives what is expected, twice, from the same server', async () => {
    const container = await sandbox.container('postgres', {
      image: POSTGRES_IMAGE,
      command: ['postgres'],
      env: ['POSTGRES_PASSWORD=p', 'POSTGRES_HOST_AUTH_METHOD=trust'],
    });
    const query = "SELECT 'a|b', 2";
    await waitForGate(
      engine,
      check({ type: 'sql', container, query, expect: 'a|b' }, 90_000),
      {},
      work,
    );
    const wrong = await failure(check({ type: 'sql', container, query, expect: 'c' }, 1_500));
    expect(wrong['lastOutput']).toBe('the query gave "a|b", not "c"');
    const broken = await failure(check({ type: 'sql', container, query: 'SELECT nothing' }, 1_500));
    expect(broken['lastOutput']).toContain('column "nothing" does not exist');
  }, 150_000);
});
