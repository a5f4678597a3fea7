/** A described stack on real containers: made, looked at, wrecked, removed. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from '../../src/base/process/process.js';
import { BASE_IMAGE } from '../support/docker-images.js';
import { WorkerHost, temporalAddress } from '../support/worker-host.js';
import type {
  DatabaseDescription,
  ProjectDescription,
  ServerDescription,
  StackDescription,
  TreeDescription,
  VolumeDescription,
} from './description.js';
import { ID_LABEL, Layout, MOUNT } from './layout.js';
import {
  leftovers,
  readContainers,
  readServer,
  readTree,
  readVolumes,
  type Snapshot,
} from './observe.js';
import {
  DATABASE_KINDS,
  postgresFeature,
  ROLE_FEATURES,
  type PostgresFeatureName,
} from './postgres-features.js';
import { TREE_FEATURES, type TreeFeature } from './tree-features.js';

const RUN = process.env['HOLDFAST_TEST_RUN'] ?? 'by-hand';

/** Before what writes to a database that may be read-only by default. */
const WRITABLE = 'set default_transaction_read_only = off;';

export async function docker(...args: string[]): Promise<string> {
  return (await runCommand('docker', args)).stdout.trim();
}

export class RandomStack extends WorkerHost {
  private constructor(readonly layout: Layout) {
    super(path.join(layout.directory, 'holdfast.yaml'), layout.id, {
      TEMPORAL_ADDRESS: temporalAddress(),
      HOLDFAST_HELPER_IMAGE: BASE_IMAGE,
    });
  }

  /** Nothing is made yet but a directory: see {@link up}. */
  static async create(stack: StackDescription): Promise<RandomStack> {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-random-'));
    const id = `hfr${randomBytes(3).toString('hex')}`;
    return new RandomStack(new Layout(stack, id, directory, RUN));
  }

  get stack(): StackDescription {
    return this.layout.stack;
  }

  get #labelArguments(): string[] {
    return Object.entries(this.layout.labels).flatMap(([name, value]) => [
      '--label',
      `${name}=${value}`,
    ]);
  }

  /** Lays everything out, starts it and fills it. */
  async up(): Promise<void> {
    const { layout, stack } = this;
    await docker('network', 'create', ...this.#labelArguments, layout.network);
    await writeFile(this.configFile, layout.config());
    for (const tree of stack.trees) await this.#makeTree(tree);
    for (const server of stack.servers) await this.#startServer(server);
    for (const project of stack.projects) await this.#startProject(project);
    for (const server of stack.servers) await this.#fillServer(server);
  }

  async #makeTree(tree: TreeDescription): Promise<void> {
    const home = this.layout.home(tree);
    await mkdir(home, { recursive: true });
    const point = this.layout.mountPoint(tree);
    if (tree.mount !== 'none') await mkdir(point, { recursive: true });
    if (tree.mount === 'tmpfs') {
      await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', point]);
    } else if (tree.mount === 'bind') {
      await mkdir(this.layout.mountSource(tree), { recursive: true });
      await runCommand('mount', ['--bind', this.layout.mountSource(tree), point]);
    }
    if (tree.mount !== 'none') await writeFile(path.join(point, 'photo'), 'of another disk');
    await this.#fill(home, tree.features, 'first');
  }

  async #fill(directory: string, features: readonly TreeFeature[], word: string): Promise<void> {
    const script = features.map((feature) => `# ${feature}\n${TREE_FEATURES[feature]}`);
    await runCommand('bash', ['-ec', script.join('\n'), 'bash', word], { cwd: directory });
    await writeFile(path.join(directory, 'word.txt'), word);
  }

  async compose(
    one: ProjectDescription | ServerDescription,
    ...args: readonly string[]
  ): Promise<void> {
    const byItself = 'naming' in one && (one.naming === 'dotenv' || one.naming === 'directory');
    const project = byItself ? [] : ['-p', this.layout.project(one)];
    await runCommand('docker-compose', [...project, ...args], { cwd: this.layout.home(one) });
  }

  async #startProject(project: ProjectDescription): Promise<void> {
    const { layout } = this;
    const home = layout.home(project);
    await mkdir(home, { recursive: true });
    await writeFile(path.join(home, 'docker-compose.yml'), layout.composeFile(project));
    if (project.naming === 'dotenv') {
      await writeFile(path.join(home, '.env'), `COMPOSE_PROJECT_NAME=${layout.project(project)}\n`);
    }
    for (const volume of project.volumes) {
      if (volume.kind === 'device') {
        await mkdir(layout.device(project, volume), { recursive: true });
      } else if (volume.kind === 'external') {
        await docker(
          ...['volume', 'create', ...this.#labelArguments, layout.volume(project, volume)],
        );
      }
    }
    await this.#fill(home, project.features, 'first');
    const started = project.containers.filter(({ state }) => state !== 'never');
    await this.compose(
      project,
      ...['up', '-d'],
      ...started.flatMap(({ key, scale }) => ['--scale', `${key}=${scale}`]),
      ...started.map(({ key }) => key),
    );
    for (const { key, state } of started) {
      const names = state === 'running' ? [] : await this.containersOf(project, key);
      if (state === 'stopped') await docker('stop', '-t', '1', ...names);
      if (state === 'paused') await docker('pause', ...names);
    }
    for (const volume of project.volumes) {
      const place = await this.volumePlace(project, volume);
      // Nothing in the project mounts it, and compose makes it all the same.
      if (place !== undefined) await this.#fill(place, volume.features, 'first');
    }
  }

  /** Names, of those in any state. */
  async containersOf(one: ProjectDescription | ServerDescription, key?: string): Promise<string[]> {
    const label = 'com.docker.compose';
    const names = await docker(
      ...['ps', '-a', '--format', '{{.Names}}'],
      ...['--filter', `label=${label}.project=${this.layout.project(one)}`],
      ...(key === undefined ? [] : ['--filter', `label=${label}.service=${key}`]),
    );
    return names.split('\n').filter((name) => name !== '');
  }

  /** The directory with a volume's content; undefined where there is no such volume. */
  async volumePlace(
    project: ProjectDescription,
    volume: VolumeDescription,
  ): Promise<string | undefined> {
    if (volume.kind === 'device') return this.layout.device(project, volume);
    const name = this.layout.volume(project, volume);
    const { exitCode, stdout } = await runCommand(
      'docker',
      ['volume', 'inspect', '-f', '{{.Mountpoint}}', name],
      { okExitCodes: [0, 1] },
    );
    return exitCode === 0 ? stdout.trim() : undefined;
  }

  async psql(server: ServerDescription, database: string, sql: string): Promise<string> {
    const { stdout } = await runCommand(
      'docker',
      [
        ...['exec', '-i', '-e', 'PGCLIENTENCODING=UTF8', '-e', `PGDATABASE=${database}`],
        ...[this.layout.container(server), 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1'],
        ...['-U', server.user],
      ],
      { input: sql },
    );
    return stdout.trim();
  }

  async #startServer(server: ServerDescription): Promise<void> {
    const home = this.layout.home(server);
    await mkdir(home, { recursive: true });
    await writeFile(path.join(home, 'docker-compose.yml'), this.layout.serverComposeFile(server));
    await this.compose(server, 'up', '-d');
  }

  async #untilHealthy(server: ServerDescription): Promise<void> {
    const name = this.layout.container(server);
    for (let tries = 0; tries < 600; tries += 1) {
      const health = await docker('inspect', '-f', '{{.State.Health.Status}}', name);
      if (health === 'healthy') return;
      await delay(200);
    }
    throw new Error(`${name} does not become healthy`);
  }

  async #fillServer(server: ServerDescription): Promise<void> {
    await this.#untilHealthy(server);
    const run = (database: string, sql: string) => this.psql(server, database, sql);
    for (const role of server.roles) await run('template1', ROLE_FEATURES[role]);
    for (const { name, kind, features } of server.databases) {
      const { options, after } = DATABASE_KINDS[kind];
      await run('template1', `create database ${quoted(name)} ${options}`);
      // An event trigger is in the way of all that comes after it.
      const last = (feature: PostgresFeatureName): number => Number(feature === 'eventTrigger');
      for (const feature of [...features].sort((a, b) => last(a) - last(b))) {
        await run(name, postgresFeature(feature).sql);
      }
      if (after !== '') await run('template1', `alter database ${quoted(name)} ${after}`);
    }
    if (server.settings.length === 0) return;
    for (const setting of server.settings) await run('template1', setting);
    await docker('restart', '-t', '10', this.layout.container(server));
    await this.#untilHealthy(server);
  }

  async snapshot(): Promise<Snapshot> {
    const { layout, stack } = this;
    const loops = new Set(
      stack.projects.flatMap((project) =>
        project.containers
          .filter(({ kind }) => kind === 'loops')
          .map(({ key }) => `${layout.project(project)}/${key}`),
      ),
    );
    const trees: Record<string, Snapshot['trees'][string]> = {};
    for (const project of stack.projects) {
      trees[project.service] = await readTree(layout.home(project));
      for (const volume of project.volumes) {
        const place = await this.volumePlace(project, volume);
        trees[`${project.service}/${volume.key}`] =
          place === undefined ? undefined : await readTree(place);
      }
    }
    for (const tree of stack.trees) {
      const mount = tree.mount === 'none' ? undefined : layout.mountPoint(tree);
      trees[tree.service] = await readTree(layout.home(tree), mount);
    }
    const servers: Record<string, Snapshot['servers'][string]> = {};
    for (const server of stack.servers) {
      const probes = server.databases.flatMap(({ name, features }) =>
        features.flatMap((feature) => {
          const { probe } = postgresFeature(feature);
          return probe === undefined ? [] : [{ database: name, sql: probe }];
        }),
      );
      servers[server.service] = await readServer(
        layout.container(server),
        server.user,
        (database, sql) => this.psql(server, database, sql),
        probes,
      );
    }
    return {
      containers: await readContainers(`${ID_LABEL}=${layout.id}`, loops),
      volumes: await readVolumes(layout.id),
      trees,
      servers,
    };
  }

  /** Loses and spoils what the description says. */
  async wreck(): Promise<void> {
    for (const project of this.stack.projects) await this.#wreckProject(project);
    for (const tree of this.stack.trees) {
      await this.#wreckTree(this.layout.home(tree), tree.features, tree.wreck);
    }
    for (const server of this.stack.servers) await this.#wreckServer(server);
  }

  async #wreckProject(project: ProjectDescription): Promise<void> {
    const [first] = project.containers;
    const some = await this.containersOf(project, first?.key);
    switch (project.wreckContainers) {
      case 'nothing':
        break;
      case 'removeOne':
        await docker('rm', '-f', some.at(-1) ?? '');
        break;
      case 'removeAll': {
        await docker('rm', '-f', ...(await this.containersOf(project)));
        break;
      }
      case 'stopOne':
        await docker('stop', '-t', '1', some.at(-1) ?? '');
        break;
    }
    for (const volume of project.volumes) {
      const place = await this.volumePlace(project, volume);
      if (place === undefined) continue;
      if (volume.wreck === 'remove') {
        // What is behind a bind of a directory stays where it is, and is none of the backup.
        if (volume.kind === 'device') await this.#wreckTree(place, volume.features, 'change');
        await docker('volume', 'rm', this.layout.volume(project, volume));
      } else if (volume.wreck !== 'nothing') {
        await this.#wreckTree(place, volume.features, volume.wreck);
      }
    }
    const home = this.layout.home(project);
    if (project.wreckHome !== 'nothing') {
      await this.#wreckTree(home, project.features, project.wreckHome);
    }
  }

  async #wreckTree(
    directory: string,
    features: readonly TreeFeature[],
    how: 'change' | 'empty' | 'remove',
  ): Promise<void> {
    switch (how) {
      case 'change':
        await this.#fill(directory, features, 'spoilt');
        await writeFile(path.join(directory, 'new -- in the wreck'), 'x');
        break;
      case 'empty':
        // What is mounted on it, also from the same file system, and what leads there, stays.
        await runCommand(
          'find',
          [
            ...[directory, '-mindepth', '1', '-not', '-path', path.join(directory, MOUNT)],
            ...['-not', '-path', path.join(directory, MOUNT, '*'), '-delete'],
          ],
          { okExitCodes: [0, 1] },
        );
        break;
      case 'remove':
        await rm(directory, { recursive: true });
        break;
    }
  }

  async #wreckServer(server: ServerDescription): Promise<void> {
    if (server.wreck === 'remove') {
      await this.#removeServer(server);
      return;
    }
    for (const database of server.databases) await this.#wreckDatabase(server, database);
  }

  async #removeServer(server: ServerDescription): Promise<void> {
    await docker('rm', '-f', '-v', this.layout.container(server));
    if (server.data === 'volume') {
      await docker('volume', 'rm', `${this.layout.project(server)}_data`);
    }
    await rm(this.layout.home(server), { recursive: true });
  }

  async #wreckDatabase(
    server: ServerDescription,
    { name, features, wreck }: DatabaseDescription,
  ): Promise<void> {
    if (wreck === 'drop') {
      await this.psql(server, 'template1', `drop database ${quoted(name)} with (force)`);
    } else if (wreck === 'change') {
      for (const feature of features) {
        const { change } = postgresFeature(feature);
        if (change === undefined) continue;
        await this.psql(server, name, `${WRITABLE} ${change}`);
      }
      await this.psql(server, name, `${WRITABLE} create table made_in_the_wreck (a int)`);
    }
  }

  /** What somebody does after the restore, and takes back with it. */
  async goOn(): Promise<void> {
    for (const project of this.stack.projects) await this.#goOnWithProject(project);
    for (const tree of this.stack.trees) {
      const home = this.layout.home(tree);
      if (tree.afterwards === 'rewrite') await this.#rewrite(home, tree.features);
      if (tree.afterwards === 'lose') {
        await this.#wreckTree(home, [], tree.mount === 'none' ? 'remove' : 'empty');
      }
    }
    for (const server of this.stack.servers) await this.#goOnWithServer(server);
  }

  async #rewrite(directory: string, features: readonly TreeFeature[]): Promise<void> {
    await this.#fill(directory, features, 'later');
    await writeFile(path.join(directory, 'newer'), 'after the restore');
  }

  async #goOnWithProject(project: ProjectDescription): Promise<void> {
    const home = this.layout.home(project);
    const containers = await this.containersOf(project);
    switch (project.afterwards) {
      case 'nothing':
        break;
      case 'stop':
        await docker('stop', '-t', '1', ...containers);
        break;
      case 'rewrite':
        await this.#rewrite(home, project.features);
        for (const volume of project.volumes) {
          const place = await this.volumePlace(project, volume);
          if (place !== undefined) await this.#rewrite(place, volume.features);
        }
        break;
      case 'lose':
        await docker('rm', '-f', ...containers);
        for (const volume of project.volumes) {
          await docker('volume', 'rm', this.layout.volume(project, volume));
        }
        await rm(home, { recursive: true });
        break;
    }
  }

  async #goOnWithServer(server: ServerDescription): Promise<void> {
    const container = this.layout.container(server);
    switch (server.afterwards) {
      case 'nothing':
        break;
      case 'stop':
        await docker('stop', '-t', '10', container);
        break;
      case 'rewrite':
        for (const { name } of server.databases) {
          await this.psql(server, name, `${WRITABLE} create table made_later (a int)`);
        }
        await this.psql(server, 'template1', 'create database "made later"');
        break;
      case 'lose':
        await this.#removeServer(server);
        break;
    }
  }

  leftovers(): Promise<string[]> {
    return leftovers(this.layout.directory, this.layout.id);
  }

  /** Removes all that carries the stack's id. */
  async remove(): Promise<void> {
    await this.close();
    const { id, directory, network } = this.layout;
    const lines = async (...args: string[]): Promise<string[]> =>
      (await docker(...args)).split('\n').filter((line) => line !== '');
    const containers = await lines('ps', '-aq', '--filter', `label=${ID_LABEL}=${id}`);
    if (containers.length > 0) await docker('rm', '-f', '-v', ...containers);
    const volumes = await lines('volume', 'ls', '-q', '--filter', `name=${id}`);
    if (volumes.length > 0) await docker('volume', 'rm', '-f', ...volumes);
    await docker('network', 'rm', network);
    for (const tree of this.stack.trees) {
      const point = this.layout.mountPoint(tree);
      if (tree.mount !== 'none' && existsSync(point)) {
        await runCommand('umount', ['--lazy', point], { okExitCodes: [0, 32] });
      }
    }
    await rm(directory, { recursive: true, force: true });
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
