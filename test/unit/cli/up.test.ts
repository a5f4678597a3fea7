import { afterEach, describe, expect, test } from '@jest/globals';
import { createServer, type Server } from 'node:net';
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { CliHost, Environment } from '../../../src/cli/host/context.js';
import type { Ports } from '../../../src/cli/host/ports.js';
import { runCli } from '../../../src/cli/program.js';
import type { Config } from '../../../src/format/config/schema.js';
import type { TemporalProbe } from '../../../src/temporal/connect.js';
import { HoldfastError } from '../../../src/base/errors.js';

const config = {
  stack: 'ml',
  hostId: 'gpu1',
  backups: { root: '/backups' },
  services: { pgdb: { after: [], sources: { pgdump: {} } } },
} as unknown as Config;

/** A port nobody listens on is 1: privileged, and never given out. */
const NOBODY = '127.0.0.1:1';

class World {
  readonly events: string[] = [];
  out = '';
  err = '';
  readonly env: Environment = { HOME: '/home/me', XDG_STATE_HOME: '/state' };
  readonly #handlers = new Set<(signal: 'SIGINT' | 'SIGTERM') => void>();
  probe: TemporalProbe = { state: 'answers' };
  endServer: ((error: Error) => void) | undefined;

  constructor(readonly address: string) {}

  readonly ports: Ports = {
    testNotifications: () => Promise.resolve([]),
    findConfigFile: () => Promise.resolve('/etc/holdfast.yaml'),
    loadConfig: () => Promise.resolve(config),
    configJsonSchema: () => Promise.resolve({}),
    readCatalogue: () => Promise.resolve({ sets: [], unreadable: [] }),
    hostProbe: () => Promise.resolve([]),
    pastRestores: () => Promise.resolve([]),
    workerRuns: () => Promise.resolve(false),
    markDiscarded: () => Promise.resolve(),
    discardRestore: () => Promise.resolve(),
    recover: () => Promise.resolve({ takenBack: [], started: [], problems: [] }),
    connectRuns: () => Promise.reject(new Error('not here')),
    askServer: () => Promise.reject(new Error('not here')),
    connectSchedules: () => Promise.reject(new Error('not here')),
    planRestore: () => Promise.reject(new Error('not here')),
    planUndo: () => Promise.reject(new Error('not here')),
    probeTemporal: () => Promise.resolve(this.probe),
    temporalAddress: () => Promise.resolve(this.env['TEMPORAL_ADDRESS'] ?? this.address),
    startDevServer: ({ dbFile, port, uiPort }) => {
      this.events.push(`server ${dbFile} ${port} ${uiPort}`);
      const done = new Promise<void>((_resolve, reject) => {
        this.endServer = reject;
      });
      done.catch(() => undefined);
      return Promise.resolve({
        address: `127.0.0.1:${port}`,
        uiUrl: `http://127.0.0.1:${uiPort}`,
        done,
        stop: () => {
          this.events.push('server stopped');
          return Promise.resolve();
        },
      });
    },
    runWorker: async (_config, { signal, onReady }) => {
      this.events.push('worker');
      onReady?.();
      while (!signal.aborted) await delay(5);
      await delay(30); // what runs gets time to finish
      this.events.push('worker ended');
    },
  };

  run(...args: string[]): Promise<number> {
    const output = (side: 'out' | 'err') => ({
      write: (text: string) => void (this[side] += text),
      isTerminal: false,
      columns: () => 80,
      rows: () => 24,
      stream: new PassThrough(),
    });
    const host: CliHost = {
      out: output('out'),
      err: output('err'),
      stdin: new PassThrough(),
      env: this.env,
      ports: this.ports,
      onSignal: (handler) => {
        this.#handlers.add(handler);
        return () => void this.#handlers.delete(handler);
      },
      exitNow: (code) => void this.events.push(`exit now ${code}`),
    };
    return runCli(args, host);
  }

  signal(): void {
    for (const handler of this.#handlers) handler('SIGTERM');
  }

  async until(event: string): Promise<void> {
    while (!this.events.some((one) => one.startsWith(event))) await delay(5);
  }
}

let listener: Server | undefined;
afterEach(() => {
  listener?.close();
  listener = undefined;
});

async function listen(): Promise<string> {
  const server = createServer();
  listener = server;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}

describe('up', () => {
  test('a signal stops the worker first and then Temporal, and that is no failure', async () => {
    const world = new World(NOBODY);
    const running = world.run('up', '--db-file', '/x/t.db');
    await world.until('worker');
    world.signal();
    expect(await running).toBe(0);
    expect(world.events).toEqual([
      'server /x/t.db 1 1001',
      'worker',
      'worker ended',
      'server stopped',
    ]);
    expect(world.out).toContain('http://127.0.0.1:1001');
    expect(world.out).toContain('export TEMPORAL_ADDRESS=127.0.0.1:1');
  });

  test('a second signal does not wait', async () => {
    const world = new World(NOBODY);
    const running = world.run('up');
    await world.until('worker');
    world.signal();
    world.signal();
    expect(world.events).toContain('exit now 130');
    await running;
  });

  test('uses a Temporal that answers already, and does not stop it', async () => {
    const world = new World(await listen());
    const running = world.run('up');
    await world.until('worker');
    world.signal();
    expect(await running).toBe(0);
    expect(world.events).toEqual(['worker', 'worker ended']);
    expect(world.out).toContain('was running already');
  });

  test('something else at the port is not a Temporal that runs already', async () => {
    const world = new World(await listen());
    world.probe = { state: 'other', reason: 'Protocol error' };
    expect(await world.run('up')).toBe(1);
    expect(world.events).toEqual([]);
    expect(world.out).not.toContain('running already');
    expect(world.err).toContain(`${world.address} that does not answer as a Temporal`);
    expect(world.err).toContain('code: TEMPORAL_UNREACHABLE');
  });

  test('does not start one here in place of another host’s that is down', async () => {
    const world = new World('no.invalid:7233');
    expect(await world.run('up')).toBe(1);
    expect(world.err).toContain('code: TEMPORAL_UNREACHABLE');
    expect(world.events).toEqual([]);
  });

  test('a server that dies ends the worker and is told', async () => {
    const world = new World(NOBODY);
    const running = world.run('up');
    await world.until('worker');
    world.endServer?.(new HoldfastError('TEMPORAL_UNREACHABLE', 'the dev server ended'));
    expect(await running).toBe(1);
    expect(world.err).toContain('the dev server ended');
    await world.until('worker ended');
  });

  test('--port moves the server and all that talk to it; the state is in the state directory', async () => {
    const world = new World(NOBODY);
    const running = world.run('up', '--port', '2', '--ui-port', '3', '--json');
    await world.until('worker');
    world.signal();
    await running;
    expect(world.events[0]).toBe('server /state/holdfast/temporal.db 2 3');
    expect(world.env['TEMPORAL_ADDRESS']).toBe('127.0.0.1:2');
    const types = world.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types).toEqual(['up', 'ready']);
  });
});

describe('worker', () => {
  test('runs until a signal and ends with 0', async () => {
    const world = new World(NOBODY);
    const running = world.run('worker');
    await world.until('worker');
    world.signal();
    expect(await running).toBe(0);
    expect(world.events).toEqual(['worker', 'worker ended']);
    expect(world.out).toContain('worker of ml on gpu1 is ready');
  });
});
