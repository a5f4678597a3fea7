/** One instance of the sample stack: laid out, started, lost and removed again. */
import { createServer } from 'node:net';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '../src/base/process/process.js';
import {
  MODEL_DIRECTORY,
  projectName,
  sampleConfig,
  type SampleNames,
  type SamplePorts,
} from './sample-config.js';

export const SERVICES = ['pgdb', 'mlopsnew', 'agent', 'webbot', 'webbot2'] as const;

export interface SampleStackOptions {
  /** The project's directory: `demo/stack` and `config` are below it. */
  readonly project: string;
  /** Scratch root, made if missing. */
  readonly root: string;
  readonly prefix: string;
  readonly runId: string;
  readonly modelMiB: number;
  readonly vectorsMiB: number;
  readonly webhookUrl?: string;
}

export class SampleStack {
  private constructor(
    readonly options: SampleStackOptions,
    readonly names: SampleNames,
    readonly configFile: string,
  ) {}

  /** Lays the files out and writes the configuration; starts nothing. */
  static async layOut(options: SampleStackOptions): Promise<SampleStack> {
    const basePort = await freePortRange(9);
    const at = (offset: number): number => basePort + offset;
    const ports: SamplePorts = {
      postgres: at(0),
      grafana: at(1),
      prometheus: at(2),
      qdrant: at(3),
      exporter: at(4),
      agent: at(5),
      agentQdrant: at(6),
      webbot: at(7),
      webbot2: at(8),
    };
    const names: SampleNames = {
      root: options.root,
      prefix: options.prefix,
      hostId: `sample-${options.prefix.replaceAll(/[^A-Za-z0-9]/g, '')}`,
      ports,
      ...(options.webhookUrl === undefined ? {} : { webhookUrl: options.webhookUrl }),
    };
    await mkdir(options.root, { recursive: true });
    const configFile = path.join(options.root, 'holdfast.yaml');
    const stack = new SampleStack(options, names, configFile);
    await stack.#script('layout', {
      PREFIX: options.prefix,
      RUN_ID: options.runId,
      BASE_PORT: String(basePort),
      HF_MB: String(options.modelMiB),
      QDRANT_MB: String(options.vectorsMiB),
      AGENT_QDRANT_MB: String(Math.max(1, Math.round(options.vectorsMiB / 2))),
    });
    await runCommand('bash', [
      path.join(options.project, 'demo/stack/awkward.sh'),
      path.join(options.root, 'mlopsnew/awkward'),
    ]);
    await writeFile(
      configFile,
      await sampleConfig(path.join(options.project, 'config/ml-stack.yaml'), names),
    );
    return stack;
  }

  get root(): string {
    return this.options.root;
  }

  get backups(): string {
    return path.join(this.root, 'backups');
  }

  home(service: (typeof SERVICES)[number]): string {
    return path.join(this.root, service);
  }

  get model(): string {
    return `${this.root}${MODEL_DIRECTORY}`;
  }

  container(name: string): string {
    return `${this.names.prefix}${name}`;
  }

  volumes(): string[] {
    return [
      'mlopsnew_grafana_data_new',
      'mlopsnew_prometheus_data_new',
      'mlopsnew_qdrant_storage_new',
      'agent_qdrant_storage',
      'webbot_data',
      'webbot2_data',
    ].map((name) => `${this.names.prefix}${name}`);
  }

  project(service: (typeof SERVICES)[number]): string {
    return projectName(this.names.prefix, service);
  }

  /** Starts everything in order, each healthy before the next, and fills PostgreSQL. */
  async up(): Promise<void> {
    await this.#script('up');
  }

  /** The disaster: containers, volumes, data, configurations and the model, all gone. */
  async loseEverything(): Promise<void> {
    const label = `name=${this.options.prefix}`;
    const containers = await lines('docker', ['ps', '-aq', '--filter', label]);
    if (containers.length > 0) await runCommand('docker', ['rm', '-f', '-v', ...containers]);
    const volumes = await lines('docker', ['volume', 'ls', '-q', '--filter', label]);
    if (volumes.length > 0) await runCommand('docker', ['volume', 'rm', ...volumes]);
    for (const service of SERVICES) await rm(this.home(service), { recursive: true });
    await rm(path.join(this.root, 'home'), { recursive: true });
  }

  /** Removes what this instance has in Docker (by its run's label) and its files. */
  async remove(): Promise<void> {
    const label = `name=${this.options.prefix}`;
    const remove = async (list: string[], command: string[]): Promise<void> => {
      const names = await lines('docker', [...list, '--filter', label]);
      if (names.length > 0) await runCommand('docker', [...command, ...names]);
    };
    await remove(['ps', '-aq'], ['rm', '-f', '-v']);
    await remove(['volume', 'ls', '-q'], ['volume', 'rm', '-f']);
    await remove(['network', 'ls', '-q'], ['network', 'rm']);
    await rm(this.root, { recursive: true, force: true });
  }

  async #script(command: string, env: Record<string, string> = {}): Promise<void> {
    await runCommand(
      'bash',
      [path.join(this.options.project, 'demo/stack/stack.sh'), command, this.root],
      { env, timeoutMs: 5 * 60_000 },
    );
  }
}

async function lines(command: string, args: string[]): Promise<string[]> {
  const { stdout } = await runCommand(command, args);
  return stdout.split('\n').filter((line) => line !== '');
}

/** The first of `count` neighbouring ports on loopback nobody listens on now. */
async function freePortRange(count: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await Promise.all(
      Array.from({ length: count }, (_, offset) => isFree(first + offset)),
    );
    if (free.every(Boolean)) return first;
  }
  throw new Error(`no ${count} free neighbouring ports found`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
