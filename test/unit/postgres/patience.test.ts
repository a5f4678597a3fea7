import { describe, expect, test } from '@jest/globals';
import { HoldfastError } from '../../../src/base/errors.js';
import { clientError } from '../../../src/postgres/client/client-error.js';
import type { DatabaseDump } from '../../../src/postgres/dump/dump-database.js';
import { captureConnected, untilConnected } from '../../../src/postgres/client/patience.js';
import { ScarceSessions } from '../../../src/postgres/dump/scarce-sessions.js';
import { fakeExec } from '../../support/postgres-fake.js';

const { signal } = new AbortController();
const FULL =
  'psql: error: connection to server on socket "/x" failed: FATAL:  sorry, too many clients already';
const full = (): HoldfastError => new HoldfastError('NO_FREE_CONNECTION', 'too many clients');

test.each([
  'sorry, too many clients already',
  'remaining connection slots are reserved for non-replication superuser connections',
  'remaining connection slots are reserved for roles with the SUPERUSER attribute',
  'remaining connection slots are reserved for roles with privileges of the "pg_use_reserved_connections" role',
  'too many connections for database "x"',
  'too many connections for role "x"',
])('a server is full: %s', (text) => {
  const stderr = `psql: error: connection to server on socket "/x" failed: FATAL:  ${text}`;
  expect(clientError('psql', { exitCode: 2, stderr }, 'DUMP_FAILED').code).toBe(
    'NO_FREE_CONNECTION',
  );
});

describe('psql', () => {
  const answers = async (...all: { stderr: string; exitCode: number }[]): Promise<unknown[]> => {
    let call = 0;
    const pg = fakeExec(() => all[call++] ?? { stdout: 'good' });
    const result = await captureConnected(pg, ['psql'], { input: 'x', signal });
    return [result.stdout, result.exitCode, pg.calls.length];
  };

  test('is run again when it found no connection free', async () => {
    expect(await answers({ stderr: FULL, exitCode: 2 })).toEqual(['good', 0, 2]);
  });

  test('is not where it was connected: its statements may have done something', async () => {
    expect(await answers({ stderr: FULL, exitCode: 3 })).toEqual(['', 3, 1]);
  });

  test('is not where the server is not there at all', async () => {
    expect(await answers({ stderr: 'could not connect to server', exitCode: 2 })).toEqual([
      '',
      2,
      1,
    ]);
  });

  test('is not waited for once the work is cancelled', async () => {
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const pg = fakeExec(() => {
      controller.abort(reason);
      return { stderr: FULL, exitCode: 2 };
    });
    const asking = captureConnected(pg, ['psql'], { input: 'x', signal: controller.signal });
    await expect(asking).rejects.toBe(reason);
    expect(pg.calls).toHaveLength(1);
  });
});

test('what fails for another reason is not tried again', async () => {
  let tries = 0;
  const attempt = (): Promise<never> => {
    tries += 1;
    return Promise.reject(new HoldfastError('DUMP_FAILED', 'a lock'));
  };
  await expect(untilConnected(attempt, [1, 1], signal)).rejects.toMatchObject({
    code: 'DUMP_FAILED',
  });
  expect(tries).toBe(1);
});

describe('a server with few sessions', () => {
  const done: DatabaseDump = {
    file: { name: 'a.dump.zst', role: 'database', sizeBytes: 1, sha256: '' },
    info: {
      name: 'a',
      owner: 'x',
      encoding: 'UTF8',
      collate: 'C',
      ctype: 'C',
      sizeBytes: 1,
      tables: [],
      largeObjects: 0,
      extensions: [],
    },
    warnings: [],
  };

  test('is waited for once; then each database is dumped uncounted after a short try', async () => {
    const asked: string[] = [];
    const dump = (uncounted?: string): Promise<DatabaseDump> => {
      asked.push(uncounted === undefined ? 'counted' : 'alone');
      return uncounted === undefined ? Promise.reject(full()) : Promise.resolve(done);
    };
    const scarce = new ScarceSessions([1, 1]);
    await scarce.dump(dump, signal);
    await scarce.dump(dump, signal);
    expect(asked).toEqual([
      ...['counted', 'counted', 'counted', 'alone'],
      ...['counted', 'counted', 'alone'],
    ]);
  });

  test('is dumped counted as soon as there are two again', async () => {
    let isFull = true;
    const asked: (string | undefined)[] = [];
    const scarce = new ScarceSessions([1, 1]);
    const dump = (uncounted?: string): Promise<DatabaseDump> => {
      asked.push(uncounted);
      if (isFull && uncounted === undefined) return Promise.reject(full());
      return Promise.resolve(done);
    };
    await scarce.dump(dump, signal);
    isFull = false;
    asked.length = 0;
    await scarce.dump(dump, signal);
    expect(asked).toEqual([undefined]);
  });

  test('that fails otherwise is not dumped with less', async () => {
    const failure = new HoldfastError('DISK_FULL', 'full');
    const asked: (string | undefined)[] = [];
    const dump = (uncounted?: string): Promise<DatabaseDump> => {
      asked.push(uncounted);
      return Promise.reject(failure);
    };
    await expect(new ScarceSessions([1]).dump(dump, signal)).rejects.toBe(failure);
    expect(asked).toEqual([undefined]);
  });
});
