/** A worker of its own, and the command line, for the tests of whole runs. */
import { startCommand, type RunningCommand } from '../../src/base/process/process.js';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { stackQueue } from '../../src/plan/shared/ids.js';
import type { BackupStackResult, RunView } from '../../src/plan/shared/inputs.js';

export const PROJECT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
/** The Node.js that runs the program; another version than that of the tests where one is named. */
const NODE = process.env['HOLDFAST_TEST_NODE'] ?? process.execPath;
export const PROGRAM = path.join(PROJECT, 'dist/src/cli/main.js');

export interface CliRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The address of the run's Temporal, from the global set-up. */
export function temporalAddress(): string {
  const address = process.env['TEMPORAL_ADDRESS'];
  if (address === undefined) throw new Error('no Temporal server: run jest with its global set-up');
  return address;
}

export class WorkerHost {
  #worker: RunningCommand | undefined;
  #connection: Connection | undefined;
  #client: Client | undefined;
  /** What workers wrote; what went to standard error comes when one has ended. */
  workerOutput = '';

  /** `env` is what the worker and the command line get beside the environment of the tests. */
  constructor(
    readonly configFile: string,
    readonly stackName: string,
    public env: Record<string, string> = { TEMPORAL_ADDRESS: temporalAddress() },
  ) {}

  async client(): Promise<Client> {
    this.#connection ??= await Connection.connect({
      address: this.env['TEMPORAL_ADDRESS'] ?? temporalAddress(),
    });
    this.#client ??= new Client({ connection: this.#connection });
    return this.#client;
  }

  /**
   * Starts the worker as its own process, as in real life; it can be killed like one. `command` is
   * what to start in place of `worker`: something that runs one.
   */
  async startWorker(
    options: {
      readonly configFile?: string;
      readonly env?: Readonly<Record<string, string>>;
      readonly command?: readonly string[];
    } = {},
  ): Promise<void> {
    const { configFile = this.configFile, command = ['worker'] } = options;
    const worker = startCommand(NODE, [PROGRAM, '--config', configFile, ...command], {
      env: { ...this.env, ...options.env },
      okExitCodes: [0, 1, 130],
    });
    this.#worker = worker;
    const ended = new AbortController();
    worker.done.then(
      ({ stderr }) => {
        this.workerOutput += stderr;
        ended.abort();
      },
      () => ended.abort(),
    );
    const before = this.workerOutput.length;
    worker.stdout.on('data', (chunk: Buffer) => {
      this.workerOutput += chunk.toString();
    });
    while (!this.workerOutput.slice(before).includes('is ready')) {
      if (ended.signal.aborted)
        throw new Error(`the worker ended: ${this.workerOutput.slice(before)}`);
      await delay(50);
    }
  }

  /** SIGKILL, to the process alone: what it had started must notice by itself. */
  async killWorker(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    process.kill(worker.pid, 'SIGKILL');
    await worker.done.catch(() => undefined);
    this.#worker = undefined;
  }

  async stopWorker(): Promise<void> {
    this.#worker?.kill();
    await this.#worker?.done.catch(() => undefined);
    this.#worker = undefined;
  }

  async holdfast(
    args: readonly string[],
    configFile?: string,
    env: Record<string, string> = {},
  ): Promise<CliRun> {
    const running = startCommand(
      NODE,
      [PROGRAM, '--config', configFile ?? this.configFile, ...args],
      {
        env: { ...this.env, ...env },
        okExitCodes: [0, 1, 2, 3, 130],
      },
    );
    let stdout = '';
    running.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    const { exitCode, stderr } = await running.done;
    return { exitCode, stdout, stderr };
  }

  /** Backs up by the command. @returns what it says of the set */
  async backUp(...args: string[]): Promise<BackupStackResult> {
    const { exitCode, stdout, stderr } = await this.holdfast(['--json', 'backup', ...args]);
    if (exitCode !== 0) throw new Error(`backup: ${stdout}${stderr}`);
    const last = stdout.trim().split('\n').at(-1) ?? '';
    return (JSON.parse(last) as { result: BackupStackResult }).result;
  }

  /** Starts a run with plain JSON, as `temporal workflow start --input` does. */
  async start(type: string, input: unknown, id: string): Promise<string> {
    const client = await this.client();
    const workflowId = `${this.stackName}-${id}`;
    const taskQueue = stackQueue(this.stackName);
    await client.workflow.start(type, { taskQueue, workflowId, args: [input] });
    return workflowId;
  }

  /** Waits until the run's own story satisfies the condition; fails when the run ends before. */
  async waitForView(workflowId: string, wanted: (view: RunView) => boolean): Promise<RunView> {
    const handle = (await this.client()).workflow.getHandle(workflowId);
    for (let tries = 0; tries < 1200; tries += 1) {
      const { status } = await handle.describe();
      if (status.name !== 'RUNNING') throw new Error(`the run ended as ${status.name}`);
      const view = await handle.query<RunView>('status').catch(() => undefined);
      if (view !== undefined && wanted(view)) return view;
      await delay(50);
    }
    throw new Error('waited too long');
  }

  /** Ends the worker and the connection. */
  async close(): Promise<void> {
    await this.stopWorker();
    await this.#connection?.close();
  }
}
