import { describe, expect, test } from '@jest/globals';
import {
  foundNoServer,
  parsePostmasterFile,
} from '../../../src/docker/engine/postgres-endpoint.js';

const file = (port: string, socket: string, address: string): string =>
  [
    '1',
    '/var/lib/postgresql/data',
    '1764327600',
    port,
    socket,
    address,
    ' 5432001 0',
    'ready',
  ].join('\n');

describe('where a server listens', () => {
  test.each([
    ['5432', '/var/run/postgresql', '*', { PGPORT: '5432', PGHOST: '/var/run/postgresql' }],
    ['6000', '/tmp', '', { PGPORT: '6000', PGHOST: '/tmp' }],
    ['6000', '', '*', { PGPORT: '6000', PGHOST: '127.0.0.1' }],
    ['6000', '', '::', { PGPORT: '6000', PGHOST: '::1' }],
    ['6000', '', '10.0.0.7', { PGPORT: '6000', PGHOST: '10.0.0.7' }],
  ])('port %s, socket %j, address %j', (port, socket, address, expected) => {
    expect(parsePostmasterFile(file(port, socket, address))).toEqual(expected);
  });

  test('is not known while it has only begun to start', () => {
    expect(parsePostmasterFile('1\n/data\n1764327600\n')).toBeUndefined();
    expect(parsePostmasterFile(file('5432', '', ''))).toBeUndefined();
  });

  test('a client that finds none says so, in the words of every version', () => {
    expect(
      foundNoServer(
        'psql: error: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: No such file or directory',
      ),
    ).toBe(true);
    expect(
      foundNoServer('psql: error: could not connect to server: No such file or directory'),
    ).toBe(true);
    expect(
      foundNoServer(
        'psql: error: connection to server at "127.0.0.1", port 5432 failed: Connection refused',
      ),
    ).toBe(true);
    expect(
      foundNoServer(
        'psql: error: connection to server on socket "/tmp/.s.PGSQL.5432" failed: FATAL:  the database system is starting up',
      ),
    ).toBe(false);
  });
});
