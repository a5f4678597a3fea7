/** Two services on real containers, a server and what comes after it: small enough to break often. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from '../../src/base/process/process.js';
import { WorkerHost } from './worker-host.js';

const RUN = process.env['HOLDFAST_TEST_RUN'] ?? 'by-hand';

/** What the stack is, as far as anybody could tell it apart. */
export interface StackState {
  readonly rows: string;
  readonly file: string;
  readonly volume: string;
  /** What the app's container was made with. */
  readonly made: string;
  /** Names of the containers that run. */
  readonly running: readonly string[];
}

/** How its database server differs from the plainest one. */
export interface ServerOptions {
  /** Arguments of the server. */
  readonly args?: readonly string[];
  /** More mounts, as compose writes them. */
  readonly mounts?: readonly string[];
  /** More fields of its source in the configuration, as YAML that follows a field. */
  readonly source?: string;
}

/** What the stack runs on, where it is not the machine's own. */
export interface SmallStackParts extends ServerOptions {
  readonly postgresImage?: string;
  /** The command, and what comes first of its arguments. */
  readonly compose?: readonly [string, ...string[]];
}

export class SmallStack extends WorkerHost {
  private constructor(
    public parts: SmallStackParts,
    readonly directory: string,
    readonly prefix: string,
    readonly project: (service: 'db' | 'app') => string,
    configFile: string,
    stackName: string,
  ) {
    super(configFile, stackName);
  }

  static async create(parts: SmallStackParts = {}): Promise<SmallStack> {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-small-'));
    const id = `hfs${randomBytes(3).toString('hex')}`;
    const stack = new SmallStack(
      parts,
      directory,
      `${id}-`,
      (service) => `${id}${service}`,
      path.join(directory, 'holdfast.yaml'),
      id,
    );
    await stack.#layOut();
    await stack.up();
    return stack;
  }

  home(service: 'db' | 'app'): string {
    return path.join(this.directory, service);
  }

  get backups(): string {
    return path.join(this.directory, 'backups');
  }

  container(service: 'db' | 'app'): string {
    return `${this.prefix}${service}`;
  }

  get volume(): string {
    return `${this.prefix}data`;
  }

  async #layOut(): Promise<void> {
    await mkdir(path.join(this.home('app'), 'app'), { recursive: true });
    await mkdir(this.home('db'));
    await writeFile(path.join(this.home('app'), 'note.txt'), 'first');
    await this.writeCompose({});
    await this.writeServerCompose();
    await writeFile(this.configFile, this.config());
  }

  /** What the server is started with: the image among {@link SmallStackParts}. */
  async writeServerCompose(): Promise<void> {
    const labels = `labels: { dev.holdfast.run: '${RUN}' }`;
    await writeFile(
      path.join(this.home('db'), 'docker-compose.yml'),
      `version: '3.8'
services:
  db:
    image: ${this.parts.postgresImage ?? 'holdfast-sample-postgres:latest'}
    container_name: ${this.container('db')}
    ${this.parts.args === undefined ? '' : `command: ${JSON.stringify(['postgres', ...this.parts.args])}`}
    environment: { POSTGRES_PASSWORD: sample }
    volumes: ${JSON.stringify(['./data:/var/lib/postgresql/data', ...(this.parts.mounts ?? [])])}
    networks: [outer]
    healthcheck:
      test: ['CMD', 'pg_isready', '-q', '-h', '127.0.0.1', '-U', 'postgres']
      interval: 1s
      start_period: 30s
    ${labels}
networks:
  outer: { external: true, name: ${this.prefix}net }
`,
    );
  }

  /** What the app is started with: its own compose file, healthy unless told otherwise. */
  async writeCompose(change: {
    made?: string;
    command?: string;
    image?: string;
    healthy?: boolean;
  }): Promise<void> {
    await writeFile(
      path.join(this.home('app'), 'docker-compose.yml'),
      `version: '3.8'
services:
  app:
    image: ${change.image ?? 'holdfast-sample-webbot:latest'}
    container_name: ${this.container('app')}
    ${change.command === undefined ? '' : `command: ${change.command}`}
    environment: { MADE: '${change.made ?? 'first'}' }
    volumes: ['data:/data', './app:/app:ro']
    networks: [outer]
    healthcheck:
      test: ${change.healthy === false ? "['CMD', 'false']" : "['CMD', 'true']"}
      interval: 1s
      retries: 2
      start_period: 3s
    labels: { dev.holdfast.run: '${RUN}' }
volumes:
  data: { name: ${this.volume}, labels: { dev.holdfast.run: '${RUN}' } }
networks:
  outer: { external: true, name: ${this.prefix}net }
`,
    );
  }

  config(): string {
    return `version: 1
stack: ${this.stackName}
host: { id: ${this.stackName} }
backups: { root: ${this.backups}, minimumFree: 0, settle: 1s }
log: { file: ${this.directory}/run.log }
services:
  db:
    home: ${this.home('db')}
    compose: { project: ${this.project('db')} }
    health:
      - { type: containers, timeout: 60s }
    sources:
      configs: { kind: files, category: configs, include: [docker-compose.yml] }
      dump: { kind: postgres, container: ${this.container('db')}${this.parts.source ?? ''} }
  app:
    home: ${this.home('app')}
    after: [db]
    compose: { project: ${this.project('app')} }
    stopGrace: 5s
    health:
      - { type: containers, timeout: 20s }
    sources:
      home: { kind: files }
      data: { kind: volume, volume: ${this.volume}, quiesce: pause }
`;
  }

  /** Starts what there is, as compose does. */
  async up(): Promise<void> {
    await runCommand('docker', [
      ...['network', 'create', '--label', `dev.holdfast.run=${RUN}`, `${this.prefix}net`],
    ]).catch(() => undefined);
    for (const service of ['db', 'app'] as const) await this.composeUp(service);
    await this.untilSql();
    await this.sql(
      'postgres',
      "create table if not exists facts (what text); insert into facts values ('first')",
    );
  }

  async composeUp(service: 'db' | 'app'): Promise<void> {
    const [compose, ...first] = this.parts.compose ?? ['docker-compose'];
    await runCommand(compose, [
      ...first,
      '-p',
      this.project(service),
      '--project-directory',
      this.home(service),
      '-f',
      path.join(this.home(service), 'docker-compose.yml'),
      'up',
      '-d',
    ]);
  }

  async untilSql(): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      try {
        await this.sql('postgres', 'select 1');
        return;
      } catch (error) {
        if (tries === 120) throw error;
        await delay(500);
      }
    }
  }

  async sql(database: string, statement: string): Promise<string> {
    const { stdout } = await runCommand(
      'docker',
      [
        ...['exec', this.container('db'), 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1'],
        ...['-h', '127.0.0.1', '-U', 'postgres', '-d', database, '-c', statement],
      ],
      { env: {} },
    );
    return stdout.trim();
  }

  /** A file in the app's volume, written as its own user would. */
  async writeVolume(text: string): Promise<void> {
    await runCommand('docker', [
      ...['exec', this.container('app'), 'sh', '-c', 'printf %s "$1" > /data/note', 'sh', text],
    ]);
  }

  async state(): Promise<StackState> {
    const output = async (args: string[]): Promise<string> =>
      (await runCommand('docker', args)).stdout.trim();
    const running = await output([
      ...['ps', '--format', '{{.Names}}', '--filter', `name=${this.prefix}`],
    ]);
    return {
      rows: await this.sql('postgres', "select string_agg(what, ',' order by what) from facts"),
      file: await readFile(path.join(this.home('app'), 'note.txt'), 'utf8'),
      volume: await output(['exec', this.container('app'), 'cat', '/data/note']),
      made: await output(['exec', this.container('app'), 'sh', '-c', 'echo $MADE']),
      running: running.split('\n').sort(),
    };
  }

  /** Changes everything a backup holds, so that two states can be told apart. */
  async change(to: string): Promise<void> {
    await this.sql('postgres', `update facts set what = '${to}'`);
    await writeFile(path.join(this.home('app'), 'note.txt'), to);
    await this.writeVolume(to);
    await this.writeCompose({ made: to });
    await this.composeUp('app');
  }

  /** Names of what a restore left beside the homes and volumes. */
  async leftovers(): Promise<string[]> {
    const { stdout } = await runCommand('docker', [
      ...['volume', 'ls', '-q', '--filter', `name=${this.volume}.holdfast`],
    ]);
    const { stdout: beside } = await runCommand('find', [
      ...[this.directory, '-maxdepth', '2', '-name', '*.holdfast-*'],
    ]);
    return `${stdout}\n${beside}`.split('\n').filter((line) => line !== '');
  }

  /** The disaster: containers, volume, network and homes, all gone. The backups stay. */
  async lose(): Promise<void> {
    const remove = async (list: string[], command: string[]): Promise<void> => {
      const { stdout } = await runCommand('docker', [...list, '--filter', `name=${this.prefix}`]);
      const names = stdout.split('\n').filter((name) => name !== '');
      if (names.length > 0) await runCommand('docker', [...command, ...names]);
    };
    await remove(['ps', '-aq'], ['rm', '-f', '-v']);
    await remove(['volume', 'ls', '-q'], ['volume', 'rm', '-f']);
    await remove(['network', 'ls', '-q'], ['network', 'rm']);
    for (const service of ['db', 'app'] as const) {
      await rm(this.home(service), { recursive: true, force: true });
    }
  }

  async remove(): Promise<void> {
    await this.close();
    await this.lose();
    await rm(this.directory, { recursive: true, force: true });
  }
}
