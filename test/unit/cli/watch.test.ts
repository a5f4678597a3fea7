import { describe, expect, test } from '@jest/globals';
import { CliContext, type CliHost, type Environment } from '../../../src/cli/host/context.js';
import type { Ports, RunGateway, RunSnapshot } from '../../../src/cli/host/ports.js';
import type { Reporter } from '../../../src/cli/progress/reporter-contract.js';
import { watchRun, type WatchOutcome } from '../../../src/cli/progress/watch.js';
import { HoldfastError } from '../../../src/base/errors.js';
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { FakeTerminal } from './fake-terminal.js';

type Signal = 'SIGINT' | 'SIGTERM';

class World {
  readonly terminal = new FakeTerminal(80, 24);
  readonly stdin = Object.assign(new PassThrough(), { isTTY: true });
  readonly notes: string[] = [];
  readonly calls: string[] = [];
  readonly #handlers = new Set<(signal: Signal) => void>();
  #settle: { resolve: (value: unknown) => void; reject: (error: unknown) => void } | undefined;
  snapshots: () => Promise<RunSnapshot> = () =>
    Promise.resolve({ status: 'running', view: { phase: 'reading', steps: [] }, activities: [] });

  readonly reporter: Reporter = {
    begin: () => undefined,
    show: () => undefined,
    note: (text) => void this.notes.push(text),
    pause: () => void this.calls.push('pause'),
    resume: () => void this.calls.push('resume'),
    end: () => void this.calls.push('end'),
  };

  readonly gateway: RunGateway = {
    address: '127.0.0.1:7233',
    namespace: 'default',
    start: ({ workflowId }) => Promise.resolve(workflowId),
    pollers: () => Promise.resolve({ workflows: [] }),
    snapshot: () => this.snapshots(),
    result: () =>
      new Promise((resolve, reject) => {
        this.#settle = { resolve, reject };
      }),
    cancel: () => {
      this.calls.push('cancel');
      this.snapshots = () => Promise.resolve({ status: 'cancelled', activities: [] });
      this.#settle?.reject(new HoldfastError('CANCELLED', 'the run was cancelled'));
      return Promise.resolve();
    },
    waiting: () => Promise.resolve([]),
    approve: () => Promise.resolve(''),
    close: () => Promise.resolve(),
  };

  watch(asks: boolean): Promise<WatchOutcome> {
    return watchRun(this.context(), {
      gateway: this.gateway,
      reporter: this.reporter,
      workflowId: 'holdfast/ml/backup/x',
      title: 'Backup of ml',
      asks,
    });
  }

  context(): CliContext {
    const env: Environment = {};
    const host: CliHost = {
      out: this.terminal,
      err: this.terminal,
      stdin: this.stdin,
      env,
      // Nothing here reaches for the outside world.
      ports: {} as Ports,
      onSignal: (handler) => {
        this.#handlers.add(handler);
        return () => void this.#handlers.delete(handler);
      },
      exitNow: () => undefined,
    };
    return new CliContext(host, { json: false, quiet: false, color: false });
  }

  finish(result: unknown): void {
    this.#settle?.resolve(result);
  }

  fail(error: unknown): void {
    this.#settle?.reject(error);
  }

  signal(signal: Signal): void {
    for (const handler of this.#handlers) handler(signal);
  }

  get listening(): boolean {
    return this.#handlers.size > 0;
  }
}

describe('watching', () => {
  test('gives the result and the signals back', async () => {
    const world = new World();
    const outcome = world.watch(false);
    await delay(10);
    world.finish({ setId: 'x' });
    expect(await outcome).toEqual({ type: 'finished', result: { setId: 'x' } });
    expect(world.listening).toBe(false);
    expect(world.calls).toEqual(['end']);
  });

  test('passes the run’s own error on, after the last picture', async () => {
    const world = new World();
    const outcome = world.watch(false);
    await delay(10);
    world.snapshots = () => Promise.resolve({ status: 'failed', activities: [] });
    world.fail(new HoldfastError('DISK_FULL', 'no space'));
    await expect(outcome).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(world.calls).toEqual(['end']);
  });

  test('outlives a server that goes away for a moment', async () => {
    const world = new World();
    const outcome = world.watch(false);
    await delay(10);
    const before = world.snapshots;
    world.snapshots = () => Promise.reject(new Error('14 UNAVAILABLE'));
    world.fail(new HoldfastError('INTERNAL', '14 UNAVAILABLE'));
    await delay(100);
    world.snapshots = before;
    await delay(1_500);
    world.finish('late');
    expect(await outcome).toEqual({ type: 'finished', result: 'late' });
    expect(world.notes).toEqual(['Temporal does not answer; the run goes on, trying again']);
  });
});

describe('signals without a terminal', () => {
  test.each<Signal>(['SIGINT', 'SIGTERM'])(
    '%s cancels the run and waits for its end',
    async (signal) => {
      const world = new World();
      const outcome = world.watch(false);
      await delay(10);
      world.signal(signal);
      await expect(outcome).rejects.toMatchObject({ code: 'CANCELLED', exitCode: 130 });
      expect(world.calls).toEqual(['cancel', 'end']);
    },
  );

  test('insisting leaves a run whose cancel takes long', async () => {
    const world = new World();
    world.gateway.cancel = () => Promise.resolve();
    const outcome = world.watch(false);
    await delay(10);
    for (let times = 0; times < 3; times += 1) world.signal('SIGTERM');
    expect(await outcome).toEqual({ type: 'left', how: 'interrupted' });
  });

  test('a cancel that does not arrive is said', async () => {
    const world = new World();
    world.gateway.cancel = () => Promise.reject(new Error('14 UNAVAILABLE'));
    const outcome = world.watch(false);
    await delay(10);
    world.signal('SIGINT');
    await delay(10);
    expect(world.notes.at(-1)).toContain('did not arrive: 14 UNAVAILABLE');
    world.finish('x');
    await outcome;
  });
});

describe('Ctrl-C on a terminal', () => {
  async function asked(): Promise<{ world: World; outcome: Promise<WatchOutcome> }> {
    const world = new World();
    const outcome = world.watch(true);
    outcome.catch(() => undefined);
    await delay(10);
    world.signal('SIGINT');
    await delay(10);
    return { world, outcome };
  }

  test('asks first, and does nothing by itself', async () => {
    const { world, outcome } = await asked();
    expect(world.calls).toEqual(['pause']);
    world.finish('x');
    await outcome;
  });

  test('c cancels', async () => {
    const { world, outcome } = await asked();
    world.stdin.write('c\n');
    await expect(outcome).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('d detaches: the run is not touched', async () => {
    const { world, outcome } = await asked();
    world.stdin.write('d\n');
    expect(await outcome).toEqual({ type: 'left', how: 'detached' });
    expect(world.calls).not.toContain('cancel');
  });

  test('k goes on, and the next Ctrl-C asks again', async () => {
    const { world, outcome } = await asked();
    world.stdin.write('k\n');
    await delay(20);
    world.signal('SIGINT');
    await delay(10);
    expect(world.calls).toEqual(['pause', 'resume', 'pause']);
    world.finish('x');
    await outcome;
  });

  test('anything else is asked again', async () => {
    const { world, outcome } = await asked();
    world.stdin.write('what?\n');
    await delay(20);
    world.stdin.write('d\n');
    expect(await outcome).toMatchObject({ type: 'left' });
  });

  test('a second Ctrl-C cancels, as a key in the question', async () => {
    const { world, outcome } = await asked();
    world.stdin.write('\u0003');
    await expect(outcome).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('a second Ctrl-C cancels, as a signal', async () => {
    const { world, outcome } = await asked();
    world.signal('SIGINT');
    await expect(outcome).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('the end of the input cancels rather than hanging', async () => {
    const { world, outcome } = await asked();
    world.stdin.end();
    await expect(outcome).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('a run that ends while the question is open closes the question', async () => {
    const { world, outcome } = await asked();
    world.finish('done meanwhile');
    expect(await outcome).toEqual({ type: 'finished', result: 'done meanwhile' });
    expect(world.listening).toBe(false);
  });
});
