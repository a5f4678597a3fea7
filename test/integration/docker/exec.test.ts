import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { stopContainer } from '../../../src/docker/containers/containers.js';
import { execCapture, execInContainer } from '../../../src/docker/engine/exec.js';
import { killLeftoverExecs } from '../../../src/docker/engine/exec-kill.js';
import { DockerSandbox } from '../../support/docker-sandbox.js';

const sandbox = new DockerSandbox();
const { engine } = sandbox;
let container: string;

beforeAll(async () => {
  container = await sandbox.container('exec');
});
afterAll(() => sandbox.remove());

/** Command lines of all processes in the container. */
async function processes(name = container): Promise<string> {
  const top = (await sandbox.docker.getContainer(name).top({ ps_args: '-eo pid,args' })) as {
    Processes: string[][];
  };
  return top.Processes.map((columns) => columns.at(-1)).join('\n');
}

async function until(condition: () => Promise<boolean>, limitMs = 10_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('the condition was never true');
    await delay(50);
  }
}

describe('a command in a container', () => {
  it('gives its output, error output and exit code', async () => {
    const result = await execCapture(engine, {
      container,
      argv: ['sh', '-c', 'echo out; echo err >&2; exit 7'],
    });
    expect(result).toEqual({ stdout: 'out\n', stderr: 'err\n', exitCode: 7 });
  });

  it('gets its arguments unchanged by any shell', async () => {
    const argv = ['printf', '%s|', '$HOME', 'a b', "it's", '"', '*', '', '-n', '\\n', 'ж\nя'];
    const { stdout } = await execCapture(engine, { container, argv });
    expect(stdout).toBe(argv.slice(2).join('|') + '|');
  });

  it('runs as the user asked for, in the directory asked for, with the environment asked for', async () => {
    const { stdout } = await execCapture(engine, {
      container,
      argv: ['sh', '-c', 'id -u; pwd; echo "$PGPASSWORD"'],
      user: 'nobody',
      workingDirectory: '/var/lib',
      env: { PGPASSWORD: 'p=s"w' },
    });
    expect(stdout).toBe('65534\n/var/lib\np=s"w\n');
  });

  it.each([
    ['no output at all', 'exit 0', 0],
    ['a missing command', 'exec no-such-command', 127],
    ['its own death by a signal', 'kill -KILL $$', 137],
  ])('reports %s as it is', async (_what, script, expected) => {
    const { exitCode } = await execCapture(engine, { container, argv: ['sh', '-c', script] });
    expect(exitCode).toBe(expected);
  });

  it('reads input to its end, so that commands that wait for the end of input finish', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { stdout } = await execCapture(engine, {
        container,
        argv: ['cat'],
        input: `n${round}`,
      });
      expect(stdout).toBe(`n${round}`);
    }
  });

  it('may end before its input does, without an error of the pipe', async () => {
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(65_536);
      })(),
    );
    const { stdout, exitCode } = await execCapture(engine, {
      container,
      argv: ['sh', '-c', 'head -c 10 >/dev/null; echo enough; exit 3'],
      input: endless,
    });
    expect({ stdout, exitCode }).toEqual({ stdout: 'enough\n', exitCode: 3 });
    expect(endless.destroyed).toBe(true);
  });

  it('carries 50 MB of any bytes in and out unchanged', async () => {
    const bytes = randomBytes(50 * 1024 * 1024);
    const chunks = Array.from({ length: 50 }, (_, index) =>
      bytes.subarray(index * 1024 * 1024, (index + 1) * 1024 * 1024),
    );
    const started = Date.now();
    const running = await execInContainer(engine, {
      container,
      argv: ['cat'],
      input: Readable.from(chunks),
    });
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of running.stdout as AsyncIterable<Buffer>) {
      hash.update(chunk);
      size += chunk.length;
    }
    expect(await running.done).toEqual({ exitCode: 0 });
    expect(size).toBe(bytes.length);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(Date.now() - started).toBeLessThan(30_000);
  });

  it('waits for a slow reader instead of filling memory', async () => {
    const running = await execInContainer(engine, {
      container,
      argv: ['sh', '-c', 'head -c 200000000 /dev/zero; echo done >/tmp/slow-reader'],
    });
    await delay(1500);
    expect(running.stdout.readableLength).toBeLessThan(4 * 1024 * 1024);
    const { exitCode } = await execCapture(engine, {
      container,
      argv: ['test', '-e', '/tmp/slow-reader'],
    });
    expect(exitCode).toBe(1);
    let size = 0;
    for await (const chunk of running.stdout as AsyncIterable<Buffer>) size += chunk.length;
    expect(size).toBe(200_000_000);
    expect((await running.done).exitCode).toBe(0);
  });

  it('runs, and dies when told to, where the image has no shell', async () => {
    const bare = await sandbox.container('exec-bare');
    await execCapture(engine, { container: bare, argv: ['mv', '/bin/sh', '/bin/gone'] });
    expect(await execCapture(engine, { container: bare, argv: ['cat'], input: 'through' })).toEqual(
      { stdout: 'through', stderr: '', exitCode: 0 },
    );
    await expect(
      execCapture(engine, { container: bare, argv: ['sleep', '7776'], timeoutMs: 500 }),
    ).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
    expect(await processes(bare)).not.toContain('7776');
  });

  it('refuses a missing container, a stopped one and a missing user by their own errors', async () => {
    const stopped = await sandbox.container('exec-stopped', { start: false });
    await expect(
      execCapture(engine, { container: sandbox.name('nowhere'), argv: ['true'] }),
    ).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
    await expect(execCapture(engine, { container: stopped, argv: ['true'] })).rejects.toMatchObject(
      { code: 'DOCKER_FAILED' },
    );
    await expect(
      execCapture(engine, { container, argv: ['true'], user: 'no-such-user' }),
    ).rejects.toMatchObject({ code: 'COMMAND_FAILED', message: /no-such-user/ });
  });
});

describe('ending a command early', () => {
  it('kills it inside the container when aborted, with what it started', async () => {
    const controller = new AbortController();
    const running = await execInContainer(engine, {
      container,
      argv: ['sh', '-c', 'sleep 7771 & sleep 7772; echo never'],
      signal: controller.signal,
    });
    running.stdout.on('error', () => undefined).resume();
    await until(async () => (await processes()).includes('sleep 7772'));
    const reason = new Error('cancelled by the test');
    controller.abort(reason);
    await expect(running.done).rejects.toBe(reason);
    expect(await processes()).not.toMatch(/sleep 777/);
  });

  it('lets it clean up first', async () => {
    const controller = new AbortController();
    const running = await execInContainer(engine, {
      container,
      argv: [
        'sh',
        '-c',
        'trap "echo bye >/tmp/bye; exit 0" TERM; echo on; while :; do sleep 0.05; done',
      ],
      signal: controller.signal,
    });
    running.stdout.on('error', () => undefined);
    await new Promise((resolve) => running.stdout.once('data', resolve));
    controller.abort(new Error('stop'));
    await expect(running.done).rejects.toThrow('stop');
    const { stdout } = await execCapture(engine, { container, argv: ['cat', '/tmp/bye'] });
    expect(stdout).toBe('bye\n');
  });

  it('kills one that ignores SIGTERM', async () => {
    const controller = new AbortController();
    const running = await execInContainer(engine, {
      container,
      argv: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.117; done'],
      signal: controller.signal,
      killGraceMs: 300,
    });
    running.stdout.on('error', () => undefined);
    await until(async () => (await processes()).includes('0.117'));
    controller.abort(new Error('stop'));
    await expect(running.done).rejects.toThrow('stop');
    await delay(300);
    expect(await processes()).not.toContain('0.117');
  });

  it('kills one that takes too long', async () => {
    await expect(
      execCapture(engine, { container, argv: ['sleep', '7773'], timeoutMs: 500 }),
    ).rejects.toMatchObject({ code: 'COMMAND_FAILED', message: /too long/ });
    expect(await processes()).not.toContain('sleep 7773');
  });

  it('kills one whose reader went away, instead of leaving it blocked', async () => {
    const running = await execInContainer(engine, { container, argv: ['cat', '/dev/zero'] });
    running.stdout.on('error', () => undefined);
    running.stdout.once('data', () => running.stdout.destroy());
    await expect(running.done).rejects.toThrow();
    expect(await processes()).not.toContain('/dev/zero');
  });

  it('kills one whose input fails, and tells the input’s error', async () => {
    const failing = Readable.from(
      (async function* () {
        yield Buffer.from('some');
        await delay(100);
        throw new Error('the disk broke');
      })(),
    );
    const running = await execInContainer(engine, {
      container,
      argv: ['sh', '-c', 'cat; sleep 7774'],
      input: failing,
    });
    running.stdout.on('error', () => undefined).resume();
    await expect(running.done).rejects.toThrow('the disk broke');
    expect(await processes()).not.toContain('7774');
  });

  it('does not start one for a signal that is aborted already', async () => {
    const signal = AbortSignal.abort(new Error('too late'));
    await expect(execInContainer(engine, { container, argv: ['true'], signal })).rejects.toThrow(
      'too late',
    );
  });

  it('finds and kills by its tag what a killed worker left running', async () => {
    const running = await execInContainer(engine, {
      container,
      argv: ['sh', '-c', 'sleep 7775 & sleep 7775'],
      tag: 'dump.agent',
    });
    running.stdout.on('error', () => undefined);
    running.done.catch(() => undefined);
    await until(async () => (await processes()).includes('sleep 7775'));
    expect((await killLeftoverExecs(engine, container, 'dump')).killed).toBe(0);
    expect((await killLeftoverExecs(engine, container, 'dump.agent')).killed).toBeGreaterThan(0);
    await until(async () => !(await processes()).includes('7775'));
  });
});

describe('a container that dies under its command', () => {
  it.each(['stop', 'kill', 'restart'] as const)(
    'is an error after a %s, never a short success',
    async (how) => {
      const name = await sandbox.container(`dying-${how}`);
      const running = await execInContainer(engine, {
        container: name,
        argv: ['sh', '-c', 'while :; do echo line; sleep 0.02; done'],
      });
      let size = 0;
      running.stdout.on('data', (chunk: Buffer) => (size += chunk.length));
      await until(() => Promise.resolve(size > 0));
      if (how === 'stop') await stopContainer(engine, name, 1000);
      if (how === 'kill') await sandbox.docker.getContainer(name).kill();
      if (how === 'restart') await sandbox.docker.getContainer(name).restart({ t: 0 });
      await expect(running.done).rejects.toMatchObject({ code: 'DOCKER_FAILED' });
    },
  );

  it('is an error when it is removed', async () => {
    const name = await sandbox.container('dying-removed');
    const running = await execInContainer(engine, { container: name, argv: ['sleep', '600'] });
    running.stdout.on('error', () => undefined).resume();
    await sandbox.docker.getContainer(name).remove({ force: true });
    await expect(running.done).rejects.toMatchObject({
      code: expect.stringMatching(/CONTAINER_NOT_FOUND|DOCKER_FAILED/),
    });
  });
});
