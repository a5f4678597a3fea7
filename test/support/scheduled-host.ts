/**
 * A host small enough to be switched off and on: a stack of one directory, a worker process and a
 * Temporal server of its own with its state in a file.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { loadConfig } from '../../src/config/load.js';
import type { Config } from '../../src/format/config/schema.js';
import { setFileSchema, type SetFile } from '../../src/format/manifest.js';
import { freePort, startDevServer, type DevServer } from '../../src/temporal/dev-server.js';
import { WorkerHost, type CliRun } from './worker-host.js';

export class ScheduledHost {
  readonly stack = `sched${randomBytes(3).toString('hex')}`;
  #server: DevServer | undefined;
  #connection: Connection | undefined;
  #client: Client | undefined;
  /** Connects by itself to nothing: its server comes and goes. */
  readonly #runs: WorkerHost;

  private constructor(
    readonly directory: string,
    readonly port: number,
  ) {
    const env = { TEMPORAL_ADDRESS: `127.0.0.1:${port}`, USER: 'ops' };
    this.#runs = new WorkerHost(path.join(directory, 'quiet.yaml'), this.stack, env);
  }

  static async create(): Promise<ScheduledHost> {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-sched-'));
    const host = new ScheduledHost(directory, await freePort());
    await mkdir(host.home);
    await writeFile(path.join(host.home, 'index.html'), 'hello');
    return host;
  }

  get home(): string {
    return path.join(this.directory, 'site');
  }

  get backups(): string {
    return path.join(this.directory, 'backups');
  }

  get client(): Client {
    if (this.#client === undefined) throw new Error('the server is off');
    return this.#client;
  }

  /** Writes a configuration of the stack. `extras` are whole top-level keys. */
  async configFile(name: string, extras: string): Promise<string> {
    const file = path.join(this.directory, `${name}.yaml`);
    const text = `version: 1
stack: ${this.stack}
host: { id: ${this.stack} }
backups: { root: ${this.backups}, settle: 0s }
log: { file: ${path.join(this.directory, 'runs.log')} }
services:
  site: { home: ${this.home}, sources: { data: { kind: files } } }
${extras}
`;
    await writeFile(file, text);
    return file;
  }

  async config(name: string, extras: string): Promise<Config> {
    return loadConfig(await this.configFile(name, extras));
  }

  async startServer(): Promise<void> {
    this.#server = await startDevServer({
      dbFile: path.join(this.directory, 'temporal.db'),
      port: this.port,
    });
    this.#connection = await Connection.connect({ address: this.#server.address });
    this.#client = new Client({ connection: this.#connection });
  }

  async stopServer(): Promise<void> {
    this.#client = undefined;
    await this.#connection?.close();
    this.#connection = undefined;
    await this.#server?.stop();
    this.#server = undefined;
  }

  startWorker(configFile: string): Promise<void> {
    return this.#runs.startWorker({ configFile });
  }

  stopWorker(): Promise<void> {
    return this.#runs.stopWorker();
  }

  holdfast(configFile: string, args: readonly string[]): Promise<CliRun> {
    return this.#runs.holdfast(args, configFile);
  }

  async sets(): Promise<SetFile[]> {
    const directory = path.join(this.backups, 'sets');
    const names = await readdir(directory).catch(() => []);
    return Promise.all(
      names
        .sort()
        .map(async (name) =>
          setFileSchema.parse(JSON.parse(await readFile(path.join(directory, name), 'utf8'))),
        ),
    );
  }

  async log(): Promise<string> {
    return readFile(path.join(this.directory, 'runs.log'), 'utf8').catch(() => '');
  }

  async remove(): Promise<void> {
    await this.stopWorker();
    await this.stopServer();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Waits for what is asked to be there; says what it last saw when it gives up. */
export async function eventually<T>(
  ask: () => Promise<T>,
  wanted: (value: T) => boolean,
  timeoutMs = 90_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await ask();
    if (wanted(value)) return value;
    if (Date.now() > end) throw new Error(`waited too long; last: ${JSON.stringify(value)}`);
    await delay(100);
  }
}
