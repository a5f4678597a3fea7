import { describe, expect, test } from '@jest/globals';
import {
  dataDirectoryIn,
  dataLocation,
  type ContainerMount,
} from '../../../src/postgres/client/data-location.js';

const bind = (source: string, destination: string): ContainerMount => ({
  type: 'bind',
  source,
  destination,
});
const volume = (name: string, destination: string): ContainerMount => ({
  type: 'volume',
  volume: name,
  destination,
});
const PGDATA = '/var/lib/postgresql/data';

describe('where a server keeps its data', () => {
  test('a bind mount on the data directory', () => {
    expect(dataLocation([bind('/pgdb/data', PGDATA)], PGDATA)).toEqual({
      type: 'bind',
      path: '/pgdb/data',
    });
  });

  test('a data directory below the mount: only that directory is the data', () => {
    expect(dataLocation([bind('/pgdb/data', PGDATA)], `${PGDATA}/pgdata/`)).toEqual({
      type: 'bind',
      path: '/pgdb/data/pgdata',
    });
    expect(dataLocation([volume('v', '/var/lib/postgresql')], PGDATA)).toEqual({
      type: 'volume',
      name: 'v',
      subpath: 'data',
    });
  });

  test('the nearest mount wins over the one above it', () => {
    const mounts = [
      bind('/outer', '/var/lib/postgresql'),
      volume('inner', PGDATA),
      bind('/', '/host'),
    ];
    expect(dataLocation(mounts, PGDATA)).toEqual({ type: 'volume', name: 'inner', subpath: '' });
    expect(dataLocation([...mounts].reverse(), PGDATA)).toMatchObject({ name: 'inner' });
  });

  test.each([
    ['mounts below it (configuration, initialisation scripts)', [bind('/x', `${PGDATA}/conf.d`)]],
    ['a mount whose name only begins the same', [volume('v', '/var/lib/postgresql/data2')]],
    ['no mounts', []],
    ['memory', [{ type: 'tmpfs', destination: PGDATA }]],
    ['a volume without a name', [{ type: 'volume', volume: '', destination: PGDATA }]],
  ])('%s: unknown', (_name, mounts) => {
    expect(dataLocation(mounts, PGDATA)).toEqual({ type: 'unknown' });
  });
});

describe('the data directory a server is started with', () => {
  test.each([
    [['postgres'], undefined],
    [['postgres', '-D', '/data/pg'], '/data/pg'],
    [['postgres', '-D/data/pg', '-c', 'port=6000'], '/data/pg'],
    [['-c', 'max_connections=5', '--pgdata=/data/pg'], '/data/pg'],
    [['postgres', '-D', '/etc/pg', '-c', 'data_directory=/data/pg'], '/data/pg'],
    [['postgres', '--data-directory=/data/pg'], '/data/pg'],
    [['postgres', '-cdata_directory=/data/pg'], '/data/pg'],
    [['postgres', '-c', 'log_directory=/var/log', '-d', '3'], undefined],
  ])('%j', (args, expected) => {
    expect(dataDirectoryIn(args)).toBe(expected);
  });
});
