/** What a drill makes of compose projects: nothing in it may reach the real stack. */
import { describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { bindSources, type HostPlace } from '../../../src/docker/drill/adapt-service.js';
import {
  drillCompose,
  parseCompose,
  type DrillCompose,
} from '../../../src/docker/drill/drill-compose.js';
import { portBehind, publishedPorts } from '../../../src/docker/drill/drill-ports.js';
import { unsafePath, unsafeReason } from '../../../src/docker/drill/drill-unsafe.js';

const ID = 'drill-20241212_010000-1a2b';
const WORKSPACE = `/backups/.drill/${ID}`;
const HOME = `${WORKSPACE}/root/app`;
const PREFIX = `holdfast-${ID}-`;

function adapt(
  services: Record<string, unknown>,
  options: {
    top?: Record<string, unknown>;
    places?: Record<string, HostPlace>;
    containers?: string[];
    memoryBytes?: number;
  } = {},
): DrillCompose & { service: (name: string) => Record<string, unknown> } {
  const adapted = drillCompose(parseCompose(stringify({ services, ...options.top })), {
    drillId: ID,
    workspace: WORKSPACE,
    project: 'app',
    imageSeparator: '_',
    containers: options.containers ?? [],
    labels: { 'dev.holdfast.drill': ID },
    memoryBytes: options.memoryBytes,
    places: new Map(Object.entries(options.places ?? {})),
  });
  const all = adapted.file['services'] as Record<string, Record<string, unknown>>;
  return { ...adapted, service: (name) => all[name] ?? {} };
}

describe('a compose service in a drill', () => {
  test('keeps what it does, and loses what others would see of it', () => {
    const { service } = adapt({
      web: {
        image: 'web:1',
        container_name: 'real_web',
        command: ['serve'],
        environment: { A: 'b$$c', N: '1' },
        healthcheck: { test: ['CMD', 'ok'] },
        ports: ['127.0.0.1:80:8080/tcp'],
        restart: 'always',
        labels: { 'traefik.enable': 'true' },
        logging: { driver: 'gelf' },
        extra_hosts: ['db:10.0.0.5'],
        external_links: ['real_db:db'],
        deploy: { replicas: 3, resources: { limits: { memory: '64m' } } },
        build: { context: '.' },
        pull_policy: 'always',
      },
    });
    expect(service('web')).toEqual({
      image: 'web:1',
      container_name: `${PREFIX}real_web`,
      command: ['serve'],
      environment: { A: 'b$$c', N: '1' },
      healthcheck: { test: ['CMD', 'ok'] },
      networks: { default: { aliases: ['web', 'real_web'] } },
      labels: { 'dev.holdfast.drill': ID },
      logging: { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '2' } },
      restart: 'no',
      oom_score_adj: 800,
      mem_limit: '64m',
    });
  });

  test('is found under its own names, on networks of the drill only', () => {
    const { file, networks, service } = adapt(
      {
        a: { image: 'a', networks: { back: { aliases: ['db'], ipv4_address: '10.0.0.2' } } },
        b: { image: 'b', network_mode: 'bridge' },
        c: { image: 'c', networks: ['back', 'other'] },
      },
      {
        top: {
          networks: {
            back: { name: 'shared', external: true, ipam: { config: [{ subnet: '10.0.0.0/24' }] } },
            other: null,
          },
        },
      },
    );
    expect(service('a')['networks']).toEqual({
      back: { aliases: ['db', 'a', 'app_a_1', 'app-a-1'] },
    });
    expect(service('b')).not.toHaveProperty('network_mode');
    expect(file['networks']).toEqual({
      back: { external: true, name: `${PREFIX}shared` },
      other: { external: true, name: `${PREFIX}app_other` },
      default: { external: true, name: `${PREFIX}app_default` },
    });
    expect([...networks].sort()).toEqual(['app_default', 'app_other', 'shared']);
  });

  test('without a name of its own gets the one the configuration knows it by', () => {
    const { service } = adapt({ db: { image: 'pg' } }, { containers: ['app_db_1'] });
    expect(service('db')['container_name']).toBe(`${PREFIX}app_db_1`);
    expect(adapt({ db: { image: 'pg' } }).service('db')).not.toHaveProperty('container_name');
  });

  test('that is built uses the image that was built', () => {
    expect(adapt({ x: { build: { context: '.' } } }).images).toEqual(['app_x']);
  });

  test('gets the memory the configuration allows, whatever its own limit is', () => {
    expect(
      adapt({ x: { image: 'x', mem_limit: '1g' } }, { memoryBytes: 5 }).service('x'),
    ).toMatchObject({ mem_limit: 5 });
  });

  test('reads 1e3 as the text it was', () => {
    const text =
      'services:\n  x:\n    image: x\n    environment:\n      A: 1e3\n      B: 0o14\n    cpus: 1.5\n';
    expect(parseCompose(text).services['x']).toMatchObject({
      environment: { A: '1e3', B: '0o14' },
      cpus: 1.5,
    });
  });
});

describe('a mount in a drill', () => {
  const outside: HostPlace = { kind: 'directory' };
  test.each<[string, string, Record<string, HostPlace>, unknown]>([
    [
      'of what was restored, by a relative path',
      `${HOME}/etc:/etc/x:ro`,
      { [`${HOME}/etc`]: { kind: 'workspace' } },
      { type: 'bind', source: `${HOME}/etc`, target: '/etc/x', read_only: true },
    ],
    [
      'of what was restored, by its absolute path',
      '/app/data:/data:rw',
      { [`${HOME}/data`]: { kind: 'workspace' }, '/app/data': outside },
      { type: 'bind', source: `${HOME}/data`, target: '/data' },
    ],
    [
      'of a writable directory that is not in the backup: an empty one',
      '/app/scratch:/scratch',
      { '/app/scratch': outside },
      { type: 'bind', source: `${HOME}/scratch`, target: '/scratch' },
    ],
    [
      'of a read-only directory of the host',
      '/etc/ssl:/etc/ssl:ro',
      { '/etc/ssl': outside },
      { type: 'bind', source: '/etc/ssl', target: '/etc/ssl', read_only: true },
    ],
    [
      'of a file of the host, that it might write: read-only',
      '/etc/app.conf:/app.conf',
      { '/etc/app.conf': { kind: 'file' } },
      { type: 'bind', source: '/etc/app.conf', target: '/app.conf', read_only: true },
    ],
    ['of a volume', 'data:/data:rw', {}, { type: 'volume', source: 'data', target: '/data' }],
    ['without a source', '/cache', {}, { type: 'volume', target: '/cache' }],
  ])('%s', (_, mount, places, expected) => {
    const { service, started } = adapt(
      { x: { image: 'x', volumes: [mount] } },
      { places, top: { volumes: { data: {} } } },
    );
    expect(started).toEqual(['x']);
    expect(service('x')['volumes']).toEqual([expected]);
  });

  test('that leads out of the workspace by a link keeps the service from starting', () => {
    const { started, notStarted } = adapt(
      { x: { image: 'x', volumes: [`${HOME}/data:/data`] } },
      { places: { [`${HOME}/data`]: outside } },
    );
    expect(started).toEqual([]);
    expect(notStarted[0]?.reason).toContain('by a link');
  });

  test('of volumes is of the drill’s own, whatever the real ones are', () => {
    const { file, volumes } = adapt(
      { x: { image: 'x', volumes: ['a:/a', 'b:/b', 'c:/c', 'd:/d'] } },
      {
        top: {
          volumes: {
            a: {},
            b: { name: 'real_b', driver_opts: { type: 'none', o: 'bind', device: '/real' } },
            c: { external: true },
            d: { external: { name: 'real_d' } },
          },
        },
      },
    );
    expect([...volumes].sort()).toEqual(['app_a', 'c', 'real_b', 'real_d']);
    expect(file['volumes']).toEqual({
      a: { external: true, name: `${PREFIX}app_a` },
      b: { external: true, name: `${PREFIX}real_b` },
      c: { external: true, name: `${PREFIX}c` },
      d: { external: true, name: `${PREFIX}real_d` },
    });
  });

  test('both places of a path are looked at, in the drill and on the host', () => {
    const config = parseCompose(
      stringify({ services: { x: { image: 'x', volumes: ['/srv/a:/a', 'v:/v'] } } }),
    );
    expect(bindSources(config, WORKSPACE)).toEqual([`${WORKSPACE}/root/srv/a`, '/srv/a']);
  });
});

describe('a service that needs the host', () => {
  test.each<[Record<string, unknown>, RegExp]>([
    [{ network_mode: 'host' }, /host’s network/],
    [{ network_mode: 'container:real_db' }, /real stack/],
    [{ pid: 'host' }, /pid with the host/],
    [{ ipc: 'container:x' }, /ipc with a container/],
    [{ privileged: true }, /privileged/],
    [{ devices: ['/dev/fuse:/dev/fuse'] }, /devices/],
    [{ deploy: { resources: { reservations: { devices: [{ capabilities: ['gpu'] }] } } } }, /GPU/],
    [{ runtime: 'nvidia' }, /nvidia/],
    [{ cap_add: ['CAP_SYS_ADMIN'] }, /SYS_ADMIN/],
    [{ volumes_from: ['container:real_db'] }, /real stack/],
  ])('%j is not started, and says why', (config, reason) => {
    const { started, notStarted } = adapt({ x: { image: 'x', ...config }, y: { image: 'y' } });
    expect(started).toEqual(['y']);
    expect(notStarted).toEqual([{ service: 'x', reason: expect.stringMatching(reason) }]);
  });

  test.each([
    '/',
    '/var/run/docker.sock',
    '/run/docker.sock',
    '/dev/snd',
    '/proc',
    '/var',
    '/var/lib/docker/volumes',
  ])('%s of the host is not mounted, not even read-only', (path) => {
    expect(unsafePath(path)).toBeDefined();
  });

  test.each(['/etc/localtime', '/srv/data', '/variable', '/runner'])(
    '%s may be looked at',
    (path) => {
      expect(unsafePath(path)).toBeUndefined();
    },
  );

  test('an ordinary one is started', () => {
    expect(unsafeReason({ network_mode: 'none', cap_add: ['NET_ADMIN'], runtime: 'runc' })).toBe(
      undefined,
    );
  });

  test('is no longer a dependency, and what shares its network goes with it', () => {
    const { started, notStarted, service } = adapt({
      vpn: { image: 'vpn', privileged: true },
      web: { image: 'web', network_mode: 'service:vpn' },
      job: { image: 'job', volumes_from: ['web:ro'] },
      api: {
        image: 'api',
        depends_on: { vpn: { condition: 'service_started' }, db: { condition: 'service_healthy' } },
        links: ['vpn', 'db:database'],
      },
      db: { image: 'db' },
    });
    expect(started).toEqual(['api', 'db']);
    expect(notStarted.map((one) => one.service)).toEqual(['vpn', 'web', 'job']);
    expect(service('api')).toMatchObject({
      depends_on: { db: { condition: 'service_healthy' } },
      links: ['db:database'],
    });
  });
});

describe('published ports', () => {
  test.each<[Parameters<typeof publishedPorts>[1], [number, number][]]>([
    [['127.0.0.1:3000:80/tcp'], [[3000, 80]]],
    [['3000:80'], [[3000, 80]]],
    [['[::1]:3000:80'], [[3000, 80]]],
    [['80'], []],
    [[80], []],
    [
      ['100-101:200-201'],
      [
        [100, 200],
        [101, 201],
      ],
    ],
    [[{ published: 3000, target: 80 }], [[3000, 80]]],
    [[{ published: '3000', target: 80, mode: 'ingress', host_ip: '127.0.0.1' }], [[3000, 80]]],
    [[{ target: 80 }], []],
  ])('%j', (entries, expected) => {
    const ports = publishedPorts('web', entries);
    expect(ports.map(({ published, target }) => [published, target])).toEqual(expected);
  });

  test('lead to the container port, and udp is not asked over tcp', () => {
    const ports = publishedPorts('dns', ['53:53/udp', '8053:80']);
    expect(portBehind(8053, ports)).toMatchObject({ service: 'dns', target: 80 });
    expect(portBehind(53, ports)).toBeUndefined();
    expect(portBehind(9, ports)).toBeUndefined();
  });
});
