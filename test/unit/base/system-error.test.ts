import { existsSync, rmdirSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { ERROR_RULES, HoldfastError } from '../../../src/base/errors.js';
import { fromSystemError } from '../../../src/base/files/system-error.js';

const of = (code: string, extras: object = { path: '/backups/x' }): unknown =>
  Object.assign(new Error(`${code}: text, open '/backups/x'`), {
    code,
    syscall: 'open',
    ...extras,
  });

test.each([
  ['EROFS', 'READ_ONLY', 'the file system of /backups/x is read-only'],
  ['EACCES', 'NO_PERMISSION', 'no permission for /backups/x (open)'],
  ['EPERM', 'NO_PERMISSION', 'no permission for /backups/x (open)'],
  ['EDQUOT', 'DISK_FULL', "the quota is used up: /backups/x can't be written"],
  ['ENOSPC', 'DISK_FULL', 'no space left to write /backups/x'],
  ['EIO', 'IO_FAILED', '/backups/x: i/o error (open)'],
  ['ESTALE', 'IO_FAILED', /^\/backups\/x: .*\(open\)$/],
  ['EMFILE', 'IO_FAILED', 'too many files are open to open /backups/x'],
])('%s is %s, with the path, the reason and a way on', (reason, code, message) => {
  const error = fromSystemError(of(reason));
  expect(error).toMatchObject({ code, facts: { reason, path: '/backups/x' } });
  expect(error?.hint).not.toBe('');
  if (typeof message === 'string') expect(error?.message).toBe(message);
  else expect(error?.message).toMatch(message);
});

test('only what does not pass by itself is not tried again', () => {
  expect(ERROR_RULES.IO_FAILED.retryable).toBe(true);
  expect(ERROR_RULES.READ_ONLY.retryable).toBe(false);
});

test('what really fails is known by its own fields', async () => {
  const error = await readFile('/proc/self/no-such-file').catch((thrown: unknown) => thrown);
  expect(fromSystemError(error)).toMatchObject({ code: 'IO_FAILED' });
  const made = await mkdir('/proc/nothing').catch((thrown: unknown) => thrown);
  if (existsSync('/proc/nothing')) rmdirSync('/proc/nothing');
  expect(fromSystemError(made)).toBeInstanceOf(HoldfastError);
});

test('errors of sockets and of our own are left to others', async () => {
  const refused = await new Promise((resolve) => {
    connect(1, '127.0.0.1').once('error', resolve);
  });
  expect(fromSystemError(refused)).toBeUndefined();
  expect(fromSystemError(new HoldfastError('USAGE', 'x'))).toBeUndefined();
  expect(fromSystemError(new Error('x'))).toBeUndefined();
  expect(fromSystemError('x')).toBeUndefined();
});
