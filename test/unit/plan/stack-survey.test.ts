import { describe, expect, test } from '@jest/globals';
import { parseConfig } from '../../../src/config/load.js';
import type {
  InventoryContainer,
  InventoryMount,
  InventoryVolume,
} from '../../../src/format/inventory.js';
import {
  overlapFindings,
  uncoveredCandidates,
  type StackFacts,
} from '../../../src/plan/backup/stack-survey.js';

const config = (sources: string, root = '/backups') =>
  parseConfig(
    `version: 1
stack: home
backups: { root: ${root} }
services:
  app:
    home: /srv/app
    compose: {}
    sources: ${sources}
`,
    'holdfast.yaml',
  ).config;

const volumeMount = (volume: string, destination = '/v'): InventoryMount => ({
  ...{ type: 'volume', volume, destination, readWrite: true },
  source: `/var/lib/docker/volumes/${volume}/_data`,
});
const bind = (source: string, destination = '/b'): InventoryMount => ({
  ...{ type: 'bind', source, destination, readWrite: true },
});
const container = (
  mounts: readonly InventoryMount[],
  more: Partial<InventoryContainer> = {},
): InventoryContainer => ({
  ...{ id: 'c', name: 'app_1', image: 'app:1', state: 'running', project: 'app', mounts },
  ...more,
});
const volume = (name: string, more: Partial<InventoryVolume> = {}): InventoryVolume => ({
  ...{ name, driver: 'local', options: {}, mountpoint: `/var/lib/docker/volumes/${name}/_data` },
  ...more,
});
const facts = (more: Partial<StackFacts>): StackFacts => ({
  containers: [],
  volumes: [],
  projects: new Map([['app', 'app']]),
  dataDirectories: new Map(),
  real: new Map(),
  ...more,
});
const names = (sources: string, more: Partial<StackFacts>): string[] =>
  uncoveredCandidates(config(sources), facts(more)).map(
    ({ kind, name, partly }) => `${kind} ${name}${partly ? ' partly' : ''}`,
  );

describe('what no source covers', () => {
  test('a volume that a container of the project mounts, once, with all who use it', () => {
    const found = uncoveredCandidates(
      config('{}'),
      facts({
        containers: [
          container([volumeMount('data')]),
          container([volumeMount('data')], { name: 'b' }),
        ],
        volumes: [volume('data', { project: 'app' })],
      }),
    );
    expect(found).toMatchObject([
      { service: 'app', kind: 'volume', name: 'data', usedBy: ['app_1', 'b'] },
    ]);
  });

  test('not what belongs to another project, is in memory, or is our own', () => {
    expect(
      names('{}', {
        containers: [
          container([volumeMount('theirs')], { project: 'other' }),
          container([volumeMount('ram'), volumeMount('data.holdfast-aside-1')]),
        ],
        volumes: [
          volume('theirs', { project: 'other' }),
          volume('ram', { options: { type: 'tmpfs', device: 'tmpfs' } }),
          volume('data.holdfast-aside-1'),
        ],
      }),
    ).toEqual([]);
  });

  test('a volume of the project that no container uses now', () => {
    expect(names('{}', { volumes: [volume('cold', { project: 'app' })] })).toEqual(['volume cold']);
  });

  test.each([
    ['{ d: { kind: files } }', []],
    ["{ d: { kind: files, include: ['data/**'] } }", []],
    ['{ d: { kind: files, exclude: [data] } }', []],
    ["{ d: { kind: files, include: ['*.yml'] } }", ['directory /srv/app/data']],
    ['{ d: { kind: files, base: /srv/app/data/db } }', ['directory /srv/app/data partly']],
    ['{ d: { kind: files, base: /link } }', []],
  ])('a directory held against %s', (sources, expected) => {
    const real = new Map([['/link', '/srv/app']]);
    expect(names(sources, { containers: [container([bind('/srv/app/data')])], real })).toEqual(
      expected,
    );
  });

  test('not what is the host’s own, nor the backups', () => {
    const mounts = ['/', '/var/run/docker.sock', '/sys', '/proc', '/backups/x'];
    expect(names('{}', { containers: [container(mounts.map((one) => bind(one)))] })).toEqual([]);
  });

  test('the host’s files are its own for who reads them, and data for who writes there', () => {
    const mounts = ['/etc/localtime', '/usr/local/app', '/etc/app'].map((one) => ({
      ...bind(one),
      readWrite: false,
    }));
    expect(names('{}', { containers: [container(mounts)] })).toEqual(['directory /etc/app']);
    const written = [container([bind('/usr/local/app')])];
    expect(names('{}', { containers: written })).toEqual(['directory /usr/local/app']);
  });

  test('a volume that is a directory of the host is covered by who saves the directory', () => {
    const volumes = [
      volume('data', { options: { type: 'none', o: 'bind', device: '/srv/app/d' } }),
    ];
    const containers = [container([volumeMount('data')])];
    expect(names('{ d: { kind: files } }', { containers, volumes })).toEqual([]);
    expect(names('{}', { containers, volumes })).toEqual(['volume data']);
  });

  test('a database server, and not once more its volume; a dump covers both', () => {
    const mount = volumeMount('pg', '/var/lib/postgresql/data');
    const containers = [container([mount], { name: 'db', image: 'reg/team/postgres:16' })];
    const volumes = [volume('pg', { project: 'app' })];
    expect(names('{}', { containers, volumes })).toEqual(['database db']);
    expect(names('{ d: { kind: postgres, container: db } }', { containers, volumes })).toEqual([]);
    const stopped = '{ d: { kind: volume, volume: pg, quiesce: stop } }';
    expect(names(stopped, { containers, volumes })).toEqual([]);
  });

  test('the data directory is where the server says, the mount beside it is data of its own', () => {
    const mounts = [volumeMount('pg', '/data'), volumeMount('wal', '/wal')];
    const containers = [container(mounts, { name: 'db', image: 'odd:1' })];
    const volumes = [volume('pg'), volume('wal')];
    const dataDirectories = new Map([['db', '/data/pg']]);
    const sources = '{ d: { kind: postgres, container: db } }';
    expect(names(sources, { containers, volumes, dataDirectories })).toEqual(['volume wal']);
  });

  test('what runs under another project than the configured one is looked at, too', () => {
    expect(
      names('{ v: { kind: volume, volume: one } }', {
        projects: new Map([['app', 'wrong']]),
        containers: [container([volumeMount('one'), volumeMount('two')], { project: 'real' })],
        volumes: [volume('one', { project: 'real' }), volume('two', { project: 'real' })],
      }),
    ).toEqual(['volume two']);
  });
});

describe('sources that get in each other’s way', () => {
  const codes = (sources: string, more: Partial<StackFacts>, root?: string): string[] =>
    overlapFindings(config(sources, root), facts(more)).map(
      ({ severity, code, path }) => `${severity} ${code} ${path.at(-1) ?? ''}`,
    );

  test('the same volume, or the same files, twice', () => {
    const volumes = [volume('v')];
    expect(
      codes('{ a: { kind: volume, volume: v }, b: { kind: volume, volume: v, name: w } }', {
        volumes,
      }),
    ).toEqual(['note saved-twice b']);
    const two = '{ a: { kind: files, include: [x] }, b: { kind: files, include: [y] } }';
    expect(codes(two, {})).toEqual([]);
  });

  test('a volume that holds the backups', () => {
    const volumes = [volume('v', { mountpoint: '/mnt/v' })];
    expect(codes('{ a: { kind: volume, volume: v } }', { volumes }, '/mnt/v/backups')).toEqual([
      'error saves-itself a',
    ]);
  });

  test('the files of a server that runs, read while it writes them', () => {
    const containers = [
      container([bind('/srv/app/pg', '/var/lib/postgresql/data')], { image: 'postgres:16' }),
    ];
    expect(codes('{ a: { kind: files } }', { containers })).toEqual(['note database-read-live a']);
    expect(codes('{ a: { kind: files, exclude: [pg] } }', { containers })).toEqual([]);
    expect(codes('{ a: { kind: files, quiesce: stop } }', { containers })).toEqual([]);
  });
});
