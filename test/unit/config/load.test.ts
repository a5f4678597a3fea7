import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  findConfigFile,
  hostIdOf,
  loadConfig,
  loadConfigFile,
  parseConfig,
} from '../../../src/config/load.js';
import { HoldfastError } from '../../../src/base/errors.js';
import { FILE, configOf, fileWith, problemsOf } from './helpers.js';

function errorOf(run: () => unknown): HoldfastError {
  try {
    run();
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error('did not fail');
}

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-config-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

describe('finding the file', () => {
  test('a file asked for is never replaced by a default that happens to be there', async () => {
    await writeFile(path.join(directory, 'holdfast.yaml'), '');
    await expect(findConfigFile('other.yaml', {}, directory)).rejects.toMatchObject({
      code: 'CONFIG_NOT_FOUND',
      facts: { looked: [path.join(directory, 'other.yaml')] },
    });
    await expect(
      findConfigFile(undefined, { HOLDFAST_CONFIG: 'env.yaml' }, directory),
    ).rejects.toThrow(path.join(directory, 'env.yaml'));
  });

  test('the argument beats the environment, which beats the directory', async () => {
    for (const name of ['holdfast.yaml', 'env.yaml', 'arg.yaml']) {
      await writeFile(path.join(directory, name), '');
    }
    const env = { HOLDFAST_CONFIG: 'env.yaml' };
    const at = (name: string): string => path.join(directory, name);
    expect(await findConfigFile('arg.yaml', env, directory)).toBe(at('arg.yaml'));
    expect(await findConfigFile(undefined, env, directory)).toBe(at('env.yaml'));
    expect(await findConfigFile(undefined, {}, directory)).toBe(at('holdfast.yaml'));
    expect(await findConfigFile(undefined, { HOLDFAST_CONFIG: '' }, directory)).toBe(
      at('holdfast.yaml'),
    );
  });

  test('every place looked at is named', async () => {
    await expect(findConfigFile(undefined, {}, directory)).rejects.toMatchObject({
      code: 'CONFIG_NOT_FOUND',
      facts: { looked: [path.join(directory, 'holdfast.yaml'), '/etc/holdfast/config.yaml'] },
    });
  });
});

describe('reading the file', () => {
  test('digest is that of the bytes, file is absolute', async () => {
    const file = path.join(directory, 'c.yaml');
    const text = '\ufeff' + fileWith('a: {}');
    await writeFile(file, text);
    const config = await loadConfig(file);
    expect(config.digest).toBe(createHash('sha256').update(Buffer.from(text)).digest('hex'));
    expect(config.file).toBe(file);
    expect(config.stack).toBe('test');
  });

  test('lines can be found for later checks', async () => {
    const file = path.join(directory, 'c.yaml');
    await writeFile(file, 'version: 1\nstack: s\nbackups: {}\nservices:\n  a:\n    home: /a\n');
    const { locate } = await loadConfigFile(file);
    expect(locate(['services', 'a', 'home'])).toEqual({ line: 6, column: 11 });
    expect(locate(['services', 'a', 'home'], true)).toEqual({ line: 6, column: 5 });
    expect(locate(['services', 'a', 'health', 0, 'type'])).toEqual({ line: 5, column: 3 });
  });

  test('a file that is no text is refused, not decoded with question marks', async () => {
    const file = path.join(directory, 'c.yaml');
    await writeFile(file, Buffer.from([0x61, 0x3a, 0xff, 0xfe]));
    await expect(loadConfig(file)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('a missing file is said to be missing', async () => {
    await expect(loadConfig(path.join(directory, 'no.yaml'))).rejects.toMatchObject({
      code: 'CONFIG_NOT_FOUND',
    });
  });
});

describe('YAML that can not be trusted', () => {
  test.each([
    ['a duplicate key, whose first value would be lost', 'version: 1\nversion: 2', '2:1', 'twice'],
    ['a tab', 'services:\n\ta: 1', '2:1', 'indent with spaces'],
    ['an open bracket', 'a: [1,\nb', '2:1', 'Flow sequence'],
    ['two documents', 'version: 1\n---\nversion: 1', '2:1', 'several documents'],
    ['an unknown anchor', 'a: *nobody', '1:', 'nobody'],
    ['nothing at all', '# nothing\n', '1:1', 'empty'],
    ['a list', '- a', '1:1', 'needs a map of keys, is a list'],
  ])('%s is reported with its place', (_, text, place, words) => {
    const problems = problemsOf(text).join('\n');
    expect(problems).toContain(`${FILE}:${place}`);
    expect(problems).toContain(words);
  });

  test('after a syntax error nothing is said about keys that may be there', () => {
    expect(problemsOf('version: 1\nstack: [a\nbackups: {}\n').join()).not.toContain('missing');
  });

  test('aliases of aliases can not eat the memory', () => {
    const lines = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (let index = 1; index < 9; index += 1) {
      const before = String.fromCharCode(96 + index);
      const name = String.fromCharCode(97 + index);
      lines.push(`${name}: &${name} [${Array(10).fill(`*${before}`).join(', ')}]`);
    }
    expect(problemsOf(lines.join('\n'))).not.toEqual([]);
  });
});

describe('values that do not fit', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      'an unknown key suggests the nearest known one, on its line',
      fileWith('a:\n  hom: /a'),
      'holdfast.yaml:7:5 services.a.hom: unknown key "hom"; did you mean "home"?',
    ],
    [
      'an unknown key of a source suggests keys of its kind',
      fileWith('a:\n  sources:\n    s: { kind: volume, volume: v, exclud: [x] }'),
      'services.a.sources.s.exclud: unknown key "exclud"; did you mean "exclude"?',
    ],
    [
      'an unknown kind names the choices',
      fileWith('a:\n  sources:\n    s: { kind: volum }'),
      'services.a.sources.s.kind: unknown kind "volum"; one of "files", "volume", "postgres"; did you mean "volume"?',
    ],
    [
      'a missing kind names the choices',
      fileWith('a:\n  sources:\n    s: {}'),
      'services.a.sources.s.kind: missing kind; one of "files", "volume", "postgres"',
    ],
    [
      'a union names its forms',
      fileWith('a:\n  sources:\n    s: { kind: volume, volume: v, quiesce: paus }'),
      'unknown value "paus"; one of "live", "pause", "stop", or a map of keys; did you mean "pause"?',
    ],
    [
      'half a hook names the other half',
      fileWith(
        'a:\n  sources:\n    s: { kind: volume, volume: v, quiesce: { container: c, before: [x] } }',
      ),
      'services.a.sources.s.quiesce.after: missing; needs a list',
    ],
    [
      'an octal mode without quotes is not read as decimal',
      fileWith('a: {}', '', 'backups: { fileMode: 0640 }'),
      'backups.fileMode: a number where text is needed; write it in quotes',
    ],
    [
      'an empty value is said to be empty',
      fileWith('a:\n  home:'),
      'services.a.home: needs text, is nothing; give it a value or remove the key',
    ],
    [
      'a name that is no directory name is refused',
      fileWith('"a/b": {}'),
      'services.a/b: "a/b" is not a usable name',
    ],
    [
      'no services at all are refused',
      'version: 1\nstack: s\nbackups: {}\nservices: {}\n',
      'services: no services',
    ],
    [
      'a format of the future is refused',
      'version: 2\nstack: s\nbackups: {}\nservices: { a: {} }\n',
      'holdfast.yaml:1:10 version: unknown version 2; write 1',
    ],
  ];
  test.each(cases)('%s', (_, text, expected) => {
    expect(problemsOf(text).join('\n')).toContain(expected);
  });

  test('a webhook URL with a mistake is not repeated in the message', () => {
    const text = fileWith('a: {}', 'notifications: [{ type: webhook, url: "hooks/SECRET" }]');
    expect(problemsOf(text).join()).toContain('notifications[0].url: is not a URL');
    expect(problemsOf(text).join()).not.toContain('SECRET');
  });

  test('a typo in one place does not hide the problems of the others', () => {
    const text = fileWith(
      'pgdb: { hom: /p }\nagent:\n  after: [pgbd]\n  stopGrace: 30\nsets: {}',
      'tiers: { daily: { keep: 0 }, weekly: { schedule: "0 25 * * *" } }\nschedules: { timezone: Mars/Base }',
    );
    const problems = problemsOf(text);
    expect(problems).toHaveLength(7);
    for (const words of [
      'services.pgdb.hom',
      'services.agent.after[0]: unknown service "pgbd"; did you mean "pgdb"?',
      'services.agent.stopGrace',
      'services.sets',
      'tiers.daily.keep',
      'tiers.weekly.schedule',
      'schedules.timezone',
    ]) {
      expect(problems.join('\n')).toContain(words);
    }
  });

  test('one error carries them all, in the order of the text', () => {
    const text = fileWith('a: { hom: /a, after: [b] }');
    const error = errorOf(() => parseConfig(text, FILE));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.exitCode).toBe(2);
    expect(error.message.split('\n')).toEqual(problemsOf(text));
    expect(error.facts['problems']).toEqual(problemsOf(text));
    expect(problemsOf(text)).toHaveLength(2);
  });
});

describe('what a good file becomes', () => {
  test('durations are milliseconds, modes numbers, omitted parts their defaults', () => {
    const config = configOf(
      fileWith('a: { stopGrace: 007s }', '', 'backups: { fileMode: "2664" }'),
    );
    expect(config.services['a']?.stopGrace).toBe(7_000);
    expect(config.backups).toMatchObject({
      root: '/backups',
      fileMode: 0o2664,
      directoryMode: 0o750,
    });
    expect(config.tiers).toEqual({
      daily: { keep: 3 },
      weekly: { keep: 2 },
      monthly: { keep: 2 },
    });
    expect(config.schedules).toEqual({
      timezone: 'UTC',
      catchUp: 43_200_000,
      jitter: 0,
      apply: 'onStart',
    });
  });

  test('a tier with a schedule only keeps its own number of sets', () => {
    const { tiers } = configOf(fileWith('a: {}', 'tiers: { weekly: { schedule: "0 1 * * 0" } }'));
    expect(tiers.weekly).toEqual({ keep: 2, schedule: '0 1 * * 0' });
    expect(tiers.daily).toEqual({ keep: 3 });
  });

  test('the host id is the one given, else the host name made a name', () => {
    expect(configOf(fileWith('a: {}')).hostId).toBe('host');
    expect(configOf(fileWith('a: {}', 'host: { id: box }')).hostId).toBe('box');
    expect(hostIdOf("Ann's MacBook.local")).toBe('Ann-s-MacBook.local');
    expect(hostIdOf('-x')).toBe('x');
    expect(hostIdOf('äöü')).toBe('host');
    expect(hostIdOf('a'.repeat(300))).toHaveLength(100);
  });

  test('YAML anchors and merge keys are resolved', () => {
    const config = configOf(
      fileWith('a: &base\n  stopGrace: 1m\nb:\n  <<: *base\n  home: /b\n  after: [a]'),
    );
    expect(config.services['b']).toMatchObject({ stopGrace: 60_000, home: '/b' });
  });
});
