/** A stack of files only, with a worker of its own: whole runs without containers. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startCommand, type RunningCommand } from '../../src/system/process.js';
import { PROJECT, type CliRun } from './stack-host.js';

const PROGRAM = path.join(PROJECT, 'dist/src/cli/main.js');

export class FilesHost {
  #worker: RunningCommand | undefined;
  workerOutput = '';

  private constructor(
    readonly directory: string,
    readonly stack: string,
    /** The worker's and the CLI's. */
    public env: Record<string, string>,
  ) {}

  /** `extras` is YAML at the top level of the configuration; `env` is the worker's and the CLI's. */
  static async create(extras: string, env: Record<string, string>): Promise<FilesHost> {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-files-'));
    const host = new FilesHost(directory, `files-${randomBytes(3).toString('hex')}`, env);
    await mkdir(host.home);
    await writeFile(path.join(host.home, 'a.txt'), 'a');
    await writeFile(
      host.config,
      [
        'version: 1',
        `stack: ${host.stack}`,
        `host: { id: ${host.stack} }`,
        `log: { file: ${host.log} }`,
        `backups: { root: ${directory}/backups, minimumFree: 0 }`,
        extras,
        'services:',
        `  app: { home: ${host.home}, sources: { data: { kind: files } } }`,
        '',
      ].join('\n'),
    );
    return host;
  }

  get home(): string {
    return path.join(this.directory, 'app');
  }
  get config(): string {
    return path.join(this.directory, 'holdfast.yaml');
  }
  get log(): string {
    return path.join(this.directory, 'backup.log');
  }

  readLog(): Promise<string> {
    return readFile(this.log, 'utf8');
  }

  async startWorker(): Promise<void> {
    const worker = startCommand(process.execPath, [PROGRAM, '--config', this.config, 'worker'], {
      env: this.env,
      okExitCodes: [0, 1, 130],
    });
    this.#worker = worker;
    const ended = new AbortController();
    worker.done.then(
      ({ stderr }) => {
        ended.abort();
        this.workerOutput += stderr;
      },
      () => ended.abort(),
    );
    worker.stdout.on('data', (chunk: Buffer) => (this.workerOutput += chunk.toString()));
    while (!this.workerOutput.includes('is ready')) {
      if (ended.signal.aborted) throw new Error(`the worker ended: ${this.workerOutput}`);
      await delay(50);
    }
  }

  async holdfast(...args: string[]): Promise<CliRun> {
    const running = startCommand(process.execPath, [PROGRAM, '--config', this.config, ...args], {
      env: this.env,
      okExitCodes: [0, 1, 2, 3, 130],
    });
    let stdout = '';
    running.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    const { exitCode, stderr } = await running.done;
    return { exitCode, stdout, stderr };
  }

  async stopWorker(): Promise<void> {
    this.#worker?.kill();
    await this.#worker?.done.catch(() => undefined);
    this.#worker = undefined;
  }

  async remove(): Promise<void> {
    await this.stopWorker();
    await rm(this.directory, { recursive: true, force: true });
  }
}
