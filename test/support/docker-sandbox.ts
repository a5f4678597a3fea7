/**
 * Containers and volumes of one test file: all labelled with the run, all removed afterwards, and
 * nothing else touched.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectEngine, type Engine } from '../../src/docker/engine/engine.js';
import { BASE_IMAGE } from './docker-images.js';

export interface SandboxContainer {
  /** Shell script, or argv; sleeps for ever by default. */
  readonly command?: string | readonly string[];
  readonly image?: string;
  readonly volumes?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly env?: readonly string[];
  readonly restart?: string;
  readonly healthCheck?: string;
  readonly network?: string;
  readonly start?: boolean;
}

export class DockerSandbox {
  readonly runId = `hft${randomBytes(4).toString('hex')}`;
  readonly engine: Engine = connectEngine();
  readonly labels = {
    'dev.holdfast.test': '1',
    // The whole run's, by which the reaper finds what a killed run left.
    'dev.holdfast.run': process.env['HOLDFAST_TEST_RUN'] ?? this.runId,
    'dev.holdfast.file': this.runId,
  };
  readonly #directories: string[] = [];

  get docker(): Engine['docker'] {
    return this.engine.docker;
  }

  /** A name nobody else uses. */
  name(suffix: string): string {
    return `${this.runId}-${suffix}`;
  }

  async container(suffix: string, options: SandboxContainer = {}): Promise<string> {
    const name = this.name(suffix);
    const { command = ['sleep', 'infinity'] } = options;
    const container = await this.docker.createContainer({
      name,
      Image: options.image ?? BASE_IMAGE,
      Cmd: typeof command === 'string' ? ['sh', '-c', command] : [...command],
      Labels: { ...this.labels, ...options.labels },
      Env: [...(options.env ?? [])],
      ...(options.healthCheck === undefined
        ? {}
        : {
            Healthcheck: {
              Test: ['CMD-SHELL', options.healthCheck],
              Interval: 500_000_000,
              Timeout: 2_000_000_000,
              Retries: 2,
            },
          }),
      HostConfig: {
        NetworkMode: options.network ?? 'none',
        Binds: Object.entries(options.volumes ?? {}).map(([from, to]) => `${from}:${to}`),
        RestartPolicy: { Name: options.restart ?? 'no' },
      },
    });
    if (options.start !== false) await container.start();
    return name;
  }

  async volume(
    suffix: string,
    options: {
      readonly driverOptions?: Record<string, string>;
      readonly labels?: Record<string, string>;
    } = {},
  ): Promise<string> {
    const name = this.name(suffix);
    await this.docker.createVolume({
      Name: name,
      Driver: 'local',
      DriverOpts: options.driverOptions ?? {},
      Labels: { ...this.labels, ...options.labels },
    });
    return name;
  }

  async directory(): Promise<string> {
    const directory = await mkdtemp(path.join(tmpdir(), `${this.runId}-`));
    this.#directories.push(directory);
    return directory;
  }

  /** Removes what carries the run's label, and volumes whose name begins with the run's id. */
  async remove(): Promise<void> {
    const filters = { label: [`dev.holdfast.file=${this.runId}`] };
    const labelled = await this.docker.listContainers({ all: true, filters });
    const named = await this.docker.listContainers({ all: true, filters: { name: [this.runId] } });
    for (const id of new Set([...labelled, ...named].map(({ Id }) => Id))) {
      await this.docker
        .getContainer(id)
        .remove({ force: true, v: true })
        .catch(() => undefined);
    }
    const { Volumes } = await this.docker.listVolumes({ filters: { name: [this.runId] } });
    for (const { Name } of Volumes) {
      await this.docker
        .getVolume(Name)
        .remove()
        .catch(() => undefined);
    }
    for (const directory of this.#directories)
      await rm(directory, { recursive: true, force: true });
  }
}
