/**
 * A Docker engine of the test's own: one that may be restarted, since nobody else's containers are on
 * it. Its data, socket and containerd are its own; it brings no bridge and no firewall rules.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand, startCommand, type RunningCommand } from '../../src/system/process.js';

export class PrivateEngine {
  #daemon: RunningCommand | undefined;

  private constructor(readonly directory: string) {}

  /** Starts it with copies of these images of the machine's own engine. */
  static async create(images: readonly string[]): Promise<PrivateEngine> {
    const engine = new PrivateEngine(await mkdtemp(path.join(tmpdir(), 'holdfast-engine-')));
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
        ...['--pdeathsig', 'TERM', 'dockerd', '--log-level', 'error'],
        ...['-H', this.host, '--pidfile', at('docker.pid')],
        ...['--data-root', at('data'), '--exec-root', at('run')],
        // Where an init system runs a containerd, all engines share it.
        ...['--containerd-namespace', this.#name],
        ...['--containerd-plugins-namespace', `${this.#name}-plugins`],
        ...['--bridge', 'none', '--iptables=false'],
      ],
      {
        // -1: it was killed.
        okExitCodes: [-1, 0, 1],
        env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
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
    // What it mounts for itself outlives a crash of it.
    const mounts = (await readFile('/proc/self/mounts', 'utf8'))
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '')
      .filter((mount) => mount.startsWith(this.directory));
    for (const mount of mounts.reverse()) await runCommand('umount', ['--lazy', mount]);
    await rm(this.directory, { recursive: true, force: true });
  }
}
