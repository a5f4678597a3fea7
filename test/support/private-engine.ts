/**
 * A Docker engine of the test's own: one that may be restarted, since nobody else's containers are on
 * it. Its data, socket and containerd are its own, and so is its network: it runs in a network
 * namespace of its own, since any second engine on the host's would remove or take over `docker0` and
 * rewrite the firewall rules of the host's engine. Its containers reach each other, and nothing else.
 */
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand, startCommand, type RunningCommand } from '../../src/base/process/process.js';

export interface PrivateEngineOptions {
  /** Where `dockerd`, `containerd` and what they need are, ahead of the machine's own. */
  readonly binaries?: string;
}

export class PrivateEngine {
  #daemon: RunningCommand | undefined;

  private constructor(
    readonly directory: string,
    /** Keeps the network namespace while the daemon is down. */
    readonly network: RunningCommand,
    readonly options: PrivateEngineOptions,
  ) {}

  /** Starts it with copies of these images of the machine's own engine. */
  static async create(
    images: readonly string[],
    options: PrivateEngineOptions = {},
  ): Promise<PrivateEngine> {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-engine-'));
    const engine = new PrivateEngine(directory, await ownNetwork(), options);
    await mkdir(path.join(engine.directory, 'run'));
    await engine.start();
    const archive = path.join(engine.directory, 'images.tar');
    await runCommand('docker', ['save', '-o', archive, ...images]);
    await runCommand('docker', ['-H', engine.host, 'load', '-q', '-i', archive]);
    await rm(archive);
    return engine;
  }

  /** For DOCKER_HOST. */
  get host(): string {
    return `unix://${this.directory}/docker.sock`;
  }

  get #name(): string {
    return path.basename(this.directory);
  }

  /** As an init system does: once more where it did not come up after a crash. */
  async start(): Promise<void> {
    if (this.#daemon !== undefined) return;
    for (let tries = 1; ; tries += 1) {
      const problem = await this.#tryToStart();
      if (problem === undefined) return;
      if (tries === 3) throw new Error(`dockerd does not start: ${problem}`);
    }
  }

  /** @returns why it ended instead */
  async #tryToStart(): Promise<string | undefined> {
    const at = (name: string): string => path.join(this.directory, name);
    const daemon = startCommand(
      // Also when this process is killed: nobody else knows of this engine.
      'setpriv',
      [
        ...['--pdeathsig', 'TERM', 'nsenter', `--net=/proc/${this.network.pid}/ns/net`],
        ...['dockerd', '--log-level', 'error'],
        ...['-H', this.host, '--pidfile', at('docker.pid')],
        ...['--data-root', at('data'), '--exec-root', at('run')],
        // Where an init system runs a containerd, all engines share it.
        ...['--containerd-namespace', this.#name],
        ...['--containerd-plugins-namespace', `${this.#name}-plugins`],
      ],
      {
        // -1: it was killed.
        okExitCodes: [-1, 0, 1],
        env: { PATH: [this.options.binaries, process.env['PATH'], '/usr/sbin:/sbin'].join(':') },
      },
    );
    const ended = daemon.done.then(({ stderr }) => stderr);
    for (;;) {
      const answers = await runCommand('docker', ['-H', this.host, 'info']).then(
        () => true,
        () => false,
      );
      if (answers) break;
      const problem = await Promise.race([ended, delay(200)]);
      if (problem !== undefined) return problem;
    }
    this.#daemon = daemon;
    return undefined;
  }

  /** As an init system stops it: its containers are stopped with it. */
  async stop(): Promise<void> {
    await this.#signal('SIGTERM');
  }

  /** As a crash ends it: the containers go on until it is started again. */
  async crash(): Promise<void> {
    await this.#signal('SIGKILL');
  }

  async #signal(signal: NodeJS.Signals): Promise<void> {
    if (this.#daemon === undefined) return;
    process.kill(this.#daemon.pid, signal);
    await this.#daemon.done;
    this.#daemon = undefined;
  }

  async remove(): Promise<void> {
    await this.stop();
    this.network.kill();
    await this.network.done;
    // What it mounts for itself outlives a crash of it.
    const mounts = (await readFile('/proc/self/mounts', 'utf8'))
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '')
      .filter((mount) => mount.startsWith(this.directory));
    for (const mount of mounts.reverse()) await runCommand('umount', ['--lazy', mount]);
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** A process whose only purpose is the network namespace it holds. */
async function ownNetwork(): Promise<RunningCommand> {
  const holder = startCommand(
    'setpriv',
    ['--pdeathsig', 'TERM', 'unshare', '--net', 'sh', '-c', 'echo ready; exec sleep infinity'],
    { okExitCodes: [-1, 0, 143] },
  );
  await Promise.race([once(holder.stdout, 'data'), holder.done]);
  return holder;
}
