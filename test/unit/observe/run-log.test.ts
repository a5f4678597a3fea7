import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  attendedRunLog,
  formatLogLine,
  localTimestamp,
  RunLog,
} from '../../../src/observe/run-log.js';

const at = new Date(2024, 11, 12, 1, 2, 3, 456);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-log-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('the line', () => {
  test('is the one the old script wrote, in local time', () => {
    expect(formatLogLine('PostgreSQL dump created successfully', at)).toBe(
      '[2024-12-12 01:02:03] PostgreSQL dump created successfully\n',
    );
    expect(localTimestamp(new Date(2024, 0, 2, 3, 4, 5))).toBe('2024-01-02 03:04:05');
  });

  test('stays one line whatever the message holds', () => {
    const line = formatLogLine('a\nb\r\nc\td\u001b[31me\u2028f\u0085', at);
    expect(line).toBe('[2024-12-12 01:02:03] a\\nb\\r\\nc\\td\\u001b[31me\\u2028f\\u0085\n');
  });

  test('keeps letters of any language', () => {
    expect(formatLogLine('том qdrant готов', at)).toContain('том qdrant готов');
  });
});

describe('the file', () => {
  test('and its directory are made when missing, not readable by everyone', async () => {
    const file = path.join(directory, 'new', 'deeper', 'backup.log');
    await new RunLog(file, { now: () => at }).write('first');
    expect(await readFile(file, 'utf8')).toBe('[2024-12-12 01:02:03] first\n');
    expect((await stat(file)).mode & 0o007).toBe(0);
  });

  test('gets lines in the order of the calls, also when nobody waits', async () => {
    const file = path.join(directory, 'backup.log');
    const log = new RunLog(file);
    await Promise.all(Array.from({ length: 50 }, (_, index) => log.write(`line ${index}`)));
    const numbers = [...(await readFile(file, 'utf8')).matchAll(/line (\d+)/g)].map((m) => m[1]);
    expect(numbers).toEqual(Array.from({ length: 50 }, (_, index) => String(index)));
  });

  test('is not needed: without one the line goes to the structured log', async () => {
    const info = jest.fn();
    await new RunLog(undefined, { logger: { warn: jest.fn(), info } }).write('hello');
    expect(info.mock.calls).toEqual([['hello']]);
  });

  test('that cannot be written never fails the caller, and warns once, not per line', async () => {
    const blocker = path.join(directory, 'not-a-directory');
    await writeFile(blocker, '');
    const warn = jest.fn();
    const log = new RunLog(path.join(blocker, 'backup.log'), { logger: { warn, info: jest.fn() } });
    await log.write('one');
    await log.write('two');
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]?.[0]).toMatchObject({ code: 'ENOTDIR' });
  });

  test('is written again as soon as the trouble is over', async () => {
    const place = path.join(directory, 'place');
    await writeFile(place, '');
    const info = jest.fn();
    const log = new RunLog(path.join(place, 'backup.log'), { logger: { warn: jest.fn(), info } });
    await log.write('lost');
    await rm(place);
    await log.write('kept');
    expect(await readFile(path.join(place, 'backup.log'), 'utf8')).toMatch(/\] kept\n$/);
    expect(info).toHaveBeenCalledTimes(1);
  });
});

test('a command that is watched keeps standard output for itself, and still tells of trouble', async () => {
  const told = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  const before = process.env['HOLDFAST_LOG_LEVEL'];
  delete process.env['HOLDFAST_LOG_LEVEL'];
  try {
    await attendedRunLog(undefined).write('said by the command itself');
    expect(told).not.toHaveBeenCalled();
    const blocker = path.join(directory, 'not-a-directory');
    await writeFile(blocker, '');
    await attendedRunLog(path.join(blocker, 'backup.log')).write('lost');
    expect(told).toHaveBeenCalledTimes(1);
    expect(told.mock.calls[0]?.[0]).toContain('cannot write the log file');
  } finally {
    told.mockRestore();
    if (before !== undefined) process.env['HOLDFAST_LOG_LEVEL'] = before;
  }
});
