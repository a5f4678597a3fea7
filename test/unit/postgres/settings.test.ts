import { describe, expect, test } from '@jest/globals';
import { settingsIn } from '../../../src/postgres/settings/apply-settings.js';
import { isMountedInside } from '../../../src/postgres/settings/read-settings.js';
import { packTar, unpackTar } from '../../../src/postgres/settings/settings-tar.js';
import {
  actsOutside,
  authInclusions,
  confInclusions,
  confLines,
  overridesForLoad,
  withLines,
  withoutLines,
} from '../../../src/postgres/settings/settings-text.js';
import { runCommand } from '../../../src/base/process/process.js';

describe('a configuration file', () => {
  test('is read as the server reads it', () => {
    const text = [
      '# max_connections = 7',
      'Max_Connections = 345   # many',
      "work_mem '77MB'",
      'fsync off',
      "log_line_prefix='it''s \\'%m\\' # no comment'",
      "cron.database_name = 'jobs'",
      '  = nothing',
      'shared_preload_libraries = \'a, "b"\'',
    ].join('\n');
    expect(confLines(text)).toEqual([
      { line: 2, name: 'max_connections', value: '345' },
      { line: 3, name: 'work_mem', value: '77MB' },
      { line: 4, name: 'fsync', value: 'off' },
      { line: 5, name: 'log_line_prefix', value: "it's '%m' # no comment" },
      { line: 6, name: 'cron.database_name', value: 'jobs' },
      { line: 8, name: 'shared_preload_libraries', value: 'a, "b"' },
    ]);
  });

  test('includes files and directories', () => {
    const text = "include 'a b.conf'\ninclude_if_exists maybe.conf\ninclude_dir = 'conf.d' # all";
    expect(confInclusions(text)).toEqual([
      { kind: 'file', path: 'a b.conf' },
      { kind: 'file', path: 'maybe.conf' },
      { kind: 'directory', path: 'conf.d' },
    ]);
  });

  test('of logins includes lists of names, and files', () => {
    const text = [
      '# local @no all trust',
      'local @them,"@quoted" +group trust # @nor',
      'include "more hba"',
      'include_dir hba.d',
      'host all include 10.0.0.0/8 trust',
    ].join('\n');
    expect(authInclusions(text)).toEqual([
      { kind: 'file', path: 'them' },
      { kind: 'file', path: 'more hba' },
      { kind: 'directory', path: 'hba.d' },
    ]);
  });

  test('loses lines by name and gains lines that win, and keeps all other bytes', () => {
    const text = 'a = 1\nb = gr\xfcn\n';
    expect(withoutLines(text, [1], 'because')).toBe('# because: a = 1\nb = gr\xfcn\n');
    expect(withLines('a = 1', { a: "it's \\" })).toBe("a = 1\na = 'it''s \\\\'\n");
    expect(withLines('a = 1', {})).toBe('a = 1');
  });

  test('and those it includes set what the last of them says', () => {
    const file = (text: string): Buffer => Buffer.from(text);
    const files = new Map([
      ['postgresql.conf', file("a = 1\nb = 1\ninclude_dir 'conf.d'\nc = 1\ninclude 'x/y.conf'")],
      ['conf.d/2.conf', file('a = 3\nc = 3')],
      ['conf.d/1.conf', file('a = 2')],
      ['x/y.conf', file("include '/data/x/z.conf'")],
      ['x/z.conf', file('d = 1')],
      ['postgresql.auto.conf', file('b = 9')],
    ]);
    expect(Object.fromEntries(settingsIn(files, 'postgresql.conf', '/data'))).toEqual({
      a: '3',
      b: '9',
      c: '1',
      d: '1',
    });
  });

  test('that includes itself is read to an end', () => {
    const files = new Map([['postgresql.conf', Buffer.from("include 'postgresql.conf'\na = 1")]]);
    expect(settingsIn(files, 'postgresql.conf', '/data').get('a')).toBe('1');
  });
});

describe('while a dump is loaded', () => {
  const facts = { freshHba: '/data/pg_hba.conf', freshSharedBuffers: '128MB', drill: false };

  test('a plain server has nothing otherwise', () => {
    const settings = new Map([
      ['max_connections', '345'],
      ['shared_preload_libraries', 'pg_stat_statements, "auto_explain"'],
    ]);
    expect(overridesForLoad({ ...facts, settings })).toEqual({});
    expect(overridesForLoad({ ...facts, settings, drill: true })).toEqual({});
  });

  test('nothing is archived, waited for, scheduled, or asked of roles that are not there', () => {
    const settings = new Map([
      ['archive_mode', 'on'],
      ['archive_command', 'cp %p /archive'],
      ['synchronous_standby_names', '*'],
      ['shared_preload_libraries', 'pg_stat_statements,some_scheduler'],
      ['hba_file', '/etc/hba'],
      ['shared_buffers', '64GB'],
    ]);
    const overrides = {
      archive_mode: 'off',
      synchronous_standby_names: '',
      max_worker_processes: '0',
      hba_file: '/data/pg_hba.conf',
    };
    expect(overridesForLoad({ ...facts, settings })).toEqual(overrides);
    expect(overridesForLoad({ ...facts, settings, drill: true })).toEqual({
      ...overrides,
      shared_buffers: '128MB',
    });
    expect(actsOutside(settings)).toHaveLength(2);
    expect(actsOutside(new Map([['archive_mode', 'off']]))).toEqual([]);
  });
});

test('what is mounted into the data directory is the host’s; the mount that holds it is not', () => {
  const mounted = [
    '/var/lib/postgresql',
    '/var/lib/postgresql/data',
    '/var/lib/postgresql/data/tls',
  ];
  const at = (file: string): boolean =>
    isMountedInside(`/var/lib/postgresql/data/${file}`, '/var/lib/postgresql/data', mounted);
  expect(at('pg_hba.conf')).toBe(false);
  expect(at('tls/server.key')).toBe(true);
  expect(at('tlsx')).toBe(false);
});

describe('the tar of settings', () => {
  const files = [
    { path: 'pg_hba.conf', content: Buffer.from('local all all trust\n') },
    { path: `${'d/'.repeat(60)}${'n'.repeat(90)}.conf`, content: Buffer.alloc(512, 7) },
    { path: 'empty', content: Buffer.alloc(0), mode: 0o644 },
  ];

  test('is what tar understands, and comes back', async () => {
    const tar = packTar(files);
    const { stdout } = await runCommand('tar', ['-tf', '-'], { input: tar });
    expect(stdout.trim().split('\n')).toEqual(files.map(({ path }) => path));
    expect(unpackTar(tar)).toEqual(files.map((file) => ({ mode: 0o600, ...file })));
  });

  test('that is cut short, or would leave the data directory, is refused', () => {
    const tar = packTar(files);
    const evil = packTar([{ path: '../outside', content: Buffer.from('x') }]);
    for (const bad of [tar.subarray(0, 700), tar.subarray(0, 1024), evil, Buffer.alloc(0)]) {
      expect(() => unpackTar(bad)).toThrow(expect.objectContaining({ code: 'INTEGRITY' }));
    }
  });
});
