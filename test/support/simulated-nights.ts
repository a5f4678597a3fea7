/**
 * A tiny stack of files, its worker in this process, and a clock that is told what time it is: months
 * of nights in a minute. Everything else is real: Temporal, the workflows, the activities, the disk.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection, WorkflowFailedError } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createHostActivities, createStackActivities } from '../../activities/index.js';
import { parseConfig } from '../../src/config/check/check.js';
import type { Config } from '../../src/format/config/schema.js';
import { connectEngine } from '../../src/docker/engine/engine.js';
import { Metrics } from '../../src/observe/metrics.js';
import { RunLog } from '../../src/observe/run-log.js';
import { heavyQueue, lightQueue, permitWorkflowId, stackQueue } from '../../src/plan/shared/ids.js';
import { registerSearchAttributes } from '../../src/temporal/search-attributes.js';
import { workflowBundle } from '../../src/temporal/worker.js';
import { temporalAddress } from './stack-host.js';

export class SimulatedNights {
  now = new Date();
  readonly metrics = new Metrics();
  #workers: Worker[] = [];
  #running: Promise<unknown> = Promise.resolve();
  #runs = 0;

  private constructor(
    readonly directory: string,
    readonly config: Config,
    readonly client: Client,
    readonly connection: Connection,
    readonly native: NativeConnection,
  ) {}

  static async create(configText: (directory: string) => string): Promise<SimulatedNights> {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-nights-'));
    const id = randomBytes(3).toString('hex');
    const text = configText(directory).replaceAll('STACK', `sim${id}`);
    const file = path.join(directory, 'holdfast.yaml');
    // For the command line, which knows no other clock than its own.
    await writeFile(file, text);
    const { config } = parseConfig(text, file, `host${id}`);
    const address = temporalAddress();
    const connection = await Connection.connect({ address });
    const client = new Client({ connection });
    const native = await NativeConnection.connect({ address });
    const nights = new SimulatedNights(directory, config, client, connection, native);
    await nights.#work();
    return nights;
  }

  get configFile(): string {
    return this.config.file;
  }

  get root(): string {
    return this.config.backups.root;
  }

  get #queue(): string {
    return stackQueue(this.config.stack);
  }

  async #work(): Promise<void> {
    const { config, client, metrics } = this;
    await registerSearchAttributes(client, 'default');
    const runLog = new RunLog(path.join(this.directory, 'run.log'));
    const engine = connectEngine();
    const now = (): Date => this.now;
    const dependencies = { config, engine, runLog, client, metrics, now };
    const activities = createHostActivities(dependencies);
    const common = { connection: this.native, namespace: 'default' };
    this.#workers = await Promise.all([
      Worker.create({
        ...common,
        taskQueue: this.#queue,
        workflowBundle: workflowBundle(),
        activities: createStackActivities(dependencies),
      }),
      Worker.create({ ...common, taskQueue: heavyQueue(this.#queue, config.hostId), activities }),
      Worker.create({ ...common, taskQueue: lightQueue(this.#queue, config.hostId), activities }),
    ]);
    this.#running = Promise.all(this.#workers.map((worker) => worker.run()));
  }

  /** Runs a workflow to its end. @returns its id with its result, or with what it failed of */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows the result
  async run<T>(
    type: string,
    input: unknown,
  ): Promise<{ workflowId: string; result?: T; failure?: WorkflowFailedError }> {
    await this.#permitFree();
    const workflowId = `${this.config.stack}-${(this.#runs += 1)}`;
    const handle = await this.client.workflow.start(type, {
      taskQueue: this.#queue,
      workflowId,
      args: [input],
    });
    try {
      return { workflowId, result: (await handle.result()) as T };
    } catch (error) {
      if (error instanceof WorkflowFailedError) return { workflowId, failure: error };
      throw error;
    }
  }

  /** A run that finds it held looks again seconds later only, and nights are short here. */
  async #permitFree(): Promise<void> {
    const permit = this.client.workflow.getHandle(permitWorkflowId(this.config.stack));
    for (;;) {
      const status = await permit.describe().then(
        (found) => found.status.name,
        () => 'NONE',
      );
      if (status !== 'RUNNING') return;
      await delay(5);
    }
  }

  /** Makes a directory hold exactly `count` files, of the sizes given by their number. */
  async fill(name: string, count: number): Promise<void> {
    const directory = path.join(this.directory, name);
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true });
    for (let file = 0; file < count; file += 1) {
      await writeFile(path.join(directory, `file-${file}`), `content ${file}\n`.repeat(20));
    }
  }

  async names(relative: string): Promise<string[]> {
    return (await readdir(path.join(this.root, relative)).catch(() => [])).sort();
  }

  async stop(): Promise<void> {
    for (const worker of this.#workers) worker.shutdown();
    await this.#running;
    await this.native.close();
    await this.connection.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}
