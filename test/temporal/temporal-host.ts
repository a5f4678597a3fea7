/** docker-compose.temporal.yml, brought up for real with stand-ins for the images of Temporal. */
import { randomBytes } from 'node:crypto';
import { access, copyFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runCommand, type CommandResult } from '../../src/base/process/process.js';
import { freePort } from '../../src/temporal/dev-server.js';
import { findTemporalCli } from '../../src/temporal/temporal-cli.js';
import { PROJECT } from '../support/stack-host.js';

const COMPOSE_FILE = path.join(PROJECT, 'docker-compose.temporal.yml');
const POSTGRES_IMAGE = 'holdfast-sample-postgres:latest';
const BASE_IMAGE = 'holdfast-sample-base:latest';

/** Why the test can't run here, or nothing. */
export async function whyNot(): Promise<string | undefined> {
  const found = await runCommand('bash', ['scripts/temporal-server.sh', '--check'], {
    cwd: PROJECT,
    okExitCodes: [0, 1],
  });
  if (found.exitCode !== 0) {
    return 'Temporal’s server is not built: run scripts/temporal-server.sh, or name its directory in HOLDFAST_TEST_TEMPORAL_SERVER';
  }
  return undefined;
}

export class TemporalHost {
  private constructor(
    readonly directory: string,
    readonly project: string,
    readonly port: number,
  ) {}

  static async create(): Promise<TemporalHost> {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-temporal-'));
    const project = `holdfast-test-${randomBytes(3).toString('hex')}`;
    const host = new TemporalHost(directory, project, await freePort());
    await runCommand(path.join(PROJECT, 'deploy/temporal/prepare.sh'), ['--dir', host.secrets]);
    await host.#buildImages();
    await writeFile(host.#labels, labelled(process.env['HOLDFAST_TEST_RUN'] ?? project));
    return host;
  }

  get secrets(): string {
    return path.join(this.directory, 'secrets');
  }
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }
  get #labels(): string {
    return path.join(this.directory, 'labels.yml');
  }

  secret(name: string): string {
    return path.join(this.secrets, name);
  }

  /** What a client of this name sets. */
  env(client: string): Record<string, string> {
    return {
      TEMPORAL_ADDRESS: this.address,
      TEMPORAL_TLS_SERVER_NAME: 'temporal',
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: this.secret('ca.pem'),
      TEMPORAL_TLS_CLIENT_CERT_PATH: this.secret(`${client}.pem`),
      TEMPORAL_TLS_CLIENT_KEY_PATH: this.secret(`${client}.key`),
    };
  }

  async compose(...args: string[]): Promise<CommandResult> {
    return runCommand(
      'docker-compose',
      ['-p', this.project, '-f', COMPOSE_FILE, '-f', this.#labels, ...args],
      {
        cwd: PROJECT,
        env: {
          HOLDFAST_TEMPORAL_SECRETS: this.secrets,
          TEMPORAL_PORT: String(this.port),
          TEMPORAL_POSTGRES_IMAGE: POSTGRES_IMAGE,
          TEMPORAL_SERVER_IMAGE: `${this.project}-server`,
          TEMPORAL_ADMIN_TOOLS_IMAGE: `${this.project}-admin-tools`,
        },
      },
    );
  }

  /** All but the UI, whose image there is no stand-in for. */
  async up(): Promise<void> {
    await this.compose('up', '-d', 'namespace');
    await runCommand('docker', ['wait', `${this.project}_namespace_1`]);
  }

  async inspect(service: string, format: string): Promise<string> {
    const container = `${this.project}_${service}_1`;
    const { stdout } = await runCommand('docker', ['inspect', '-f', format, container]);
    return stdout.trim();
  }

  async temporal(client: string, ...args: string[]): Promise<CommandResult> {
    return runCommand(await findTemporalCli(), args, {
      env: this.env(client),
      okExitCodes: [0, 1],
    });
  }

  async remove(): Promise<void> {
    await this.compose('down', '-v', '--remove-orphans').catch(() => undefined);
    for (const image of ['server', 'admin-tools']) {
      await runCommand('docker', ['rmi', '-f', `${this.project}-${image}`]).catch(() => undefined);
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  async #buildImages(): Promise<void> {
    const { stdout } = await runCommand('bash', ['scripts/temporal-server.sh'], { cwd: PROJECT });
    const built = stdout.trim();
    const context = path.join(this.directory, 'context');
    await mkdir(context);
    await copyFile(await findTemporalCli(), path.join(context, 'temporal'));
    for (const name of ['temporal-server', 'temporal-sql-tool', 'entrypoint.sh']) {
      await access(path.join(built, name));
      await copyFile(path.join(built, name), path.join(context, name));
    }
    await cp(path.join(built, 'schema/postgresql'), path.join(context, 'schema/postgresql'), {
      recursive: true,
    });
    await copyFile(
      path.join(PROJECT, 'test/temporal/stand-ins/Dockerfile'),
      path.join(context, 'Dockerfile'),
    );
    for (const target of ['admin-tools', 'server']) {
      await runCommand('docker', [
        ...['build', '-q', '--target', target, '--build-arg', `BASE=${BASE_IMAGE}`],
        ...['--label', `dev.holdfast.run=${process.env['HOLDFAST_TEST_RUN'] ?? this.project}`],
        ...['-t', `${this.project}-${target}`, context],
      ]);
    }
    await rm(context, { recursive: true });
  }
}

/** Our label on everything, by which the next run finds what a killed one left. */
function labelled(runId: string): string {
  const labels = `{ labels: { dev.holdfast.run: '${runId}' } }`;
  const services = ['postgres', 'schema', 'temporal', 'namespace'];
  return [
    'services:',
    ...services.map((name) => `  ${name}: ${labels}`),
    `volumes: { postgres: ${labels} }`,
    `networks: { database: ${labels}, frontend: ${labels} }`,
    '',
  ].join('\n');
}
