/** The files of a described stack: compose files and the configuration. Pure. */
import path from 'node:path';
import { BASE_IMAGE, POSTGRES_IMAGE } from '../support/docker-images.js';
import type {
  ContainerDescription,
  ProjectDescription,
  ServerDescription,
  StackDescription,
  TreeDescription,
  VolumeDescription,
} from './description.js';

/** Where trees have their mounts. */
export const MOUNT = 'way/mounted';

export const ID_LABEL = 'dev.holdfast.random';

/** Where everything of one stack is and what it is called; all names begin with the id. */
export class Layout {
  constructor(
    readonly stack: StackDescription,
    readonly id: string,
    /** Absolute. */
    readonly directory: string,
    /** Of the test's run, for the reaper. */
    readonly run: string,
  ) {}

  get labels(): Record<string, string> {
    return { 'dev.holdfast.run': this.run, [ID_LABEL]: this.id };
  }

  get network(): string {
    return `${this.id}-net`;
  }

  home(one: { readonly directory: string }): string {
    // `-dash` is a name that begins with a dash; the others are told apart by the id.
    const name = one.directory.startsWith('-')
      ? `${one.directory}${this.id}`
      : `${this.id}${one.directory}`;
    return path.join(this.directory, 'homes', name);
  }

  /** What compose calls the project. */
  project(one: ProjectDescription | ServerDescription): string {
    if (!('naming' in one)) return `${this.id}server`;
    switch (one.naming) {
      case 'explicit':
        return `${this.id}explicit${this.stack.projects.indexOf(one)}`;
      case 'dotenv':
        return `${this.id}_dot-env${this.stack.projects.indexOf(one)}`;
      case 'commandLine':
        return `${this.id}told${this.stack.projects.indexOf(one)}`;
      case 'directory':
        return path
          .basename(this.home(one))
          .toLowerCase()
          .replace(/[^-_a-z0-9]/g, '');
    }
  }

  volume(project: ProjectDescription, volume: VolumeDescription): string {
    return volume.kind === 'plain' || volume.kind === 'device'
      ? `${this.project(project)}_${volume.key}`
      : `${this.id}-Vol.${this.stack.projects.indexOf(project)}--${volume.key}`;
  }

  device(project: ProjectDescription, volume: VolumeDescription): string {
    return path.join(this.directory, 'devices', `${this.project(project)} ${volume.key}`);
  }

  container(server: ServerDescription): string {
    return `${this.id}-${server.container}`;
  }

  /** Where a tree has its mount, and what is mounted there where it is a bind. */
  mountPoint(tree: TreeDescription): string {
    return path.join(this.home(tree), MOUNT);
  }

  mountSource(tree: TreeDescription): string {
    return `${this.home(tree)}-elsewhere`;
  }

  /** JSON, which is YAML. */
  composeFile(project: ProjectDescription): string {
    const { volumes, containers } = project;
    return JSON.stringify({
      version: '3.9',
      services: Object.fromEntries(
        containers.map((container) => [container.key, this.#service(project, container)]),
      ),
      volumes: Object.fromEntries(
        volumes.map((volume) => [volume.key, this.#volumeDefinition(project, volume)]),
      ),
      networks: { outer: { external: true, name: this.network } },
    });
  }

  #service(project: ProjectDescription, one: ContainerDescription): unknown {
    const commands = {
      sleeps: ['sleep', 'infinity'],
      loops: ['sh', '-c', 'sleep 1; exit 3'],
      job: ['true'],
    };
    const binds = one.bind ? ['./:/home-of-it:ro'] : [];
    return {
      image: BASE_IMAGE,
      command: commands[one.kind],
      init: one.init,
      restart: one.restart,
      stop_grace_period: '1s',
      labels: this.labels,
      ...(one.named
        ? {
            container_name: `${this.id}-${this.stack.projects.indexOf(project)}.Named_${one.key}`,
          }
        : {}),
      ...(one.profile ? { profiles: ['maintenance'] } : {}),
      ...(one.healthCheck ? { healthcheck: { test: ['CMD', 'true'], interval: '1s' } } : {}),
      ...(one.network === 'none' ? { network_mode: 'none' } : { networks: ['outer'] }),
      ...(one.dependsOn.length === 0 ? {} : { depends_on: one.dependsOn }),
      volumes: [...one.volumes.map((key) => `${key}:/volumes/${key}`), ...binds],
    };
  }

  #volumeDefinition(project: ProjectDescription, volume: VolumeDescription): unknown {
    const name = this.volume(project, volume);
    switch (volume.kind) {
      case 'plain':
        return { labels: this.labels };
      case 'named':
        return { name, labels: { ...this.labels, 'an odd.label': 'with = and "quotes"' } };
      case 'external':
        return { external: true, name };
      case 'device':
        return {
          labels: this.labels,
          driver_opts: { type: 'none', o: 'bind', device: this.device(project, volume) },
        };
    }
  }

  serverComposeFile(server: ServerDescription): string {
    const data = server.data === 'bind' ? './data' : 'data';
    return JSON.stringify({
      version: '3.9',
      services: {
        db: {
          image: POSTGRES_IMAGE,
          container_name: this.container(server),
          command: ['postgres', '-c', 'fsync=off'],
          environment: { POSTGRES_PASSWORD: 'sample', POSTGRES_USER: server.user },
          network_mode: 'none',
          labels: this.labels,
          healthcheck: {
            test: ['CMD', 'pg_isready', '-q', '-h', '127.0.0.1'],
            interval: '1s',
            start_period: '60s',
          },
          volumes: [`${data}:/var/lib/postgresql/data`],
        },
      },
      ...(server.data === 'bind' ? {} : { volumes: { data: { labels: this.labels } } }),
    });
  }

  config(): string {
    const { projects, trees, servers } = this.stack;
    const common = { stopGrace: '2s' };
    const services: Record<string, unknown> = {};
    for (const server of servers) {
      services[server.service] = {
        ...common,
        home: this.home(server),
        compose: { project: this.project(server) },
        sources: {
          configs: { kind: 'files', category: 'configs', include: ['docker-compose.yml'] },
          dump: { kind: 'postgres', container: this.container(server), user: server.user },
        },
      };
    }
    for (const project of projects) {
      const sources: Record<string, unknown> = {
        [project.source]: { kind: 'files', quiesce: project.quiesce },
      };
      for (const volume of project.volumes) {
        const name = this.volume(project, volume);
        const { quiesce } = volume;
        sources[`volume-${volume.key}`] = { kind: 'volume', volume: name, quiesce };
      }
      services[project.service] = {
        ...common,
        home: this.home(project),
        compose: project.naming === 'explicit' ? { project: this.project(project) } : {},
        ...(servers[0] === undefined ? {} : { after: [servers[0].service] }),
        sources,
      };
    }
    for (const tree of trees) {
      const exclude = tree.mount !== 'none' && tree.mountExcluded ? [MOUNT] : [];
      services[tree.service] = {
        home: this.home(tree),
        sources: { [tree.source]: { kind: 'files', exclude } },
      };
    }
    return JSON.stringify(
      {
        version: 1,
        stack: this.id,
        host: { id: this.id },
        backups: { root: `${this.directory}/backups`, minimumFree: 0, settle: '1s' },
        log: { file: `${this.directory}/run.log` },
        services,
      },
      undefined,
      1,
    );
  }
}
