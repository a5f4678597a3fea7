import { describe, expect, test } from '@jest/globals';
import { artifactName } from '../../../src/config/load.js';
import { configOf, fileWith, problemsOf } from './helpers.js';

describe('services that wait for each other', () => {
  test('a cycle is named with its lines', () => {
    const problems = problemsOf(
      fileWith('a:\n  after: [b]\nb:\n  after:\n    - c\n    - a\nc: {}'),
    );
    expect(problems).toEqual([
      expect.stringContaining('services wait for each other: a → b → a (lines 7, 11)'),
    ]);
  });

  test('a service that waits for itself is one', () => {
    expect(problemsOf(fileWith('a: { after: [a] }')).join()).toContain('a → a (line 6)');
  });

  test('two cycles are both told', () => {
    const text = fileWith(
      'a: { after: [b] }\nb: { after: [a] }\nc: { after: [d] }\nd: { after: [c] }',
    );
    expect(problemsOf(text)).toHaveLength(2);
  });

  test('a diamond is none', () => {
    const text = fileWith('a: {}\nb: { after: [a] }\nc: { after: [a] }\nd: { after: [b, c, a] }');
    expect(problemsOf(text)).toEqual([]);
  });

  test('names of objects are not services', () => {
    expect(problemsOf(fileWith('a: { after: [constructor] }')).join()).toContain(
      'unknown service "constructor"',
    );
  });
});

describe('what can not be found or would be written twice', () => {
  const files = 'sources: { s: { kind: files';
  const cases: readonly (readonly [string, string, string])[] = [
    ['files without a directory', `a: { ${files} } } }`, 'add services.a.home, or a base'],
    ['compose without a home', 'a: { compose: {} }', 'compose needs a home'],
    ['a pattern that is absolute', `a: { home: /a, ${files}, include: [/etc] } } }`, 'is absolute'],
    ['a pattern that leads out', `a: { home: /a, ${files}, exclude: [x/../..] } } }`, 'leads out'],
    ['a pattern that is broken', `a: { home: /a, ${files}, include: ['x['] } } }`, 'not closed'],
    [
      'a compose file that leads out',
      'a: { home: /a, compose: { files: [../x.yml] } }',
      'services.a.compose.files[0]: "../x.yml" leads out',
    ],
    ['no compose file left', "a: { home: /a, compose: { files: ['!x'] } }", 'leaves all files out'],
    [
      'a project name compose refuses',
      'a: { home: /a, compose: { project: Web.Bot } }',
      'does not accept the project name "Web.Bot"',
    ],
    [
      'two services that are one compose project',
      'a: { home: /a, compose: { project: p } }\nb: { home: /b, compose: { project: p } }',
      'the compose project "p" belongs to services.a, too',
    ],
    [
      'two artifacts of one name in one service',
      `a: { home: /a, sources: { s: { kind: files }, t: { kind: files, name: s } } }`,
      'services.a.sources.t: its artifact a/*/data/s is that of services.a.sources.s, too',
    ],
    [
      'a dump and files of one name, both in data',
      `a: { home: /a, sources: { s: { kind: files }, t: { kind: postgres, container: c, name: s } } }`,
      'is that of services.a.sources.s, too',
    ],
    [
      'two large artifacts of one name across the stack',
      'a: { sources: { s: { kind: volume, volume: v, large: true } } }\nb: { sources: { s: { kind: volume, volume: v, large: true } } }',
      'its artifact large_volumes/v is that of services.a.sources.s, too',
    ],
    ['a service named as a directory of the store', 'sets: {}', '"sets" is a directory'],
    ['another one', 'large_volumes: {}', '"large_volumes" is a directory'],
    ['a hidden service', '.trash: {}', '".trash" is not a usable name'],
  ];
  test.each(cases)('%s', (_, services, expected) => {
    const problems = problemsOf(fileWith(services));
    expect(problems.join('\n')).toContain(expected);
    expect(problems).toHaveLength(1);
  });

  test('the same name in different folders or services is fine', () => {
    const text = fileWith(
      'a: { home: /a, sources: { s: { kind: files }, c: { kind: files, name: s, category: configs }, v: { kind: volume, volume: s }, l: { kind: files, name: s, large: true } } }\n' +
        'b: { home: /b, sources: { s: { kind: files } } }',
    );
    expect(problemsOf(text)).toEqual([]);
  });

  test('a database and a container check need no compose', () => {
    const text = fileWith(
      'a: { health: [{ type: containers }], sources: { s: { kind: postgres, container: c } } }',
    );
    expect(problemsOf(text)).toEqual([]);
  });
});

describe('a backup that eats itself', () => {
  const problemsWith = (source: string, root: string): string =>
    problemsOf(
      fileWith(
        `a: { home: /srv/a, sources: { s: { ${source} } } }`,
        '',
        `backups: { root: ${root} }`,
      ),
    ).join('\n');

  test.each([
    ['the whole home', 'kind: files', '/srv/a/backups'],
    ['a directory above the root', 'kind: files, include: [var]', '/srv/a/var/lib/backups'],
    ['a wildcard on the way', "kind: files, include: ['v*/**']", '/srv/a/var/backups'],
    ['another base', 'kind: files, base: /', '/backups'],
    ['an exclude of something else', 'kind: files, exclude: [back]', '/srv/a/backups'],
    ['a detour in the root', 'kind: files', '/srv/b/../a/backups'],
  ])('%s is refused', (_, source, root) => {
    expect(problemsWith(source, root)).toContain('holds the backups themselves');
  });

  test.each([
    ['an exclude of the root', 'kind: files, exclude: [backups]', '/srv/a/backups'],
    ['an exclude of a directory above it', 'kind: files, exclude: [var]', '/srv/a/var/backups'],
    ['an include of something else', 'kind: files, include: [etc]', '/srv/a/backups'],
    ['a root beside the home', 'kind: files', '/srv/a-backups'],
    ['a root elsewhere', 'kind: files', '/backups'],
  ])('%s is fine', (_, source, root) => {
    expect(problemsWith(source, root)).toBe('');
  });

  test('backups of the backups are refused', () => {
    expect(problemsWith('kind: files, base: /backups/x', '/backups')).toContain(
      '/backups/x is inside the backups (/backups)',
    );
  });
});

describe('settings', () => {
  const withExtras = (extras: string): string => problemsOf(fileWith('a: {}', extras)).join('\n');
  const withBackups = (backups: string): string =>
    problemsOf(fileWith('a: {}', '', `backups: ${backups}`)).join('\n');

  test.each([
    ['{ type: webhook }', 'no address'],
    [
      '{ type: webhook, urlEnv: A, urlFile: /a }',
      'several addresses: urlFile, urlEnv; give exactly one',
    ],
  ])('a webhook has exactly one address: %s', (webhook, expected) => {
    expect(withExtras(`notifications: [${webhook}]`)).toContain(expected);
  });

  test.each(['url: "https://hooks.example/x"', 'urlFile: /a', 'urlEnv: A'])(
    'one of them is enough: %s',
    (address) => {
      expect(withExtras(`notifications: [{ type: webhook, ${address} }]`)).toBe('');
    },
  );

  const smtp = 'type: email, host: mx.example, from: a@b.example, to: [c@d.example]';
  test.each([
    [
      '{ type: webhook, url: "https://a.example", body: { t: "{{mesage}}" } }',
      'did you mean "message"?',
    ],
    ['{ type: ping }', 'no address for success and failure'],
    ['{ type: ping, success: "https://a.example" }', 'no address for failure'],
    ['{ type: ping, urlEnv: A, urlFile: /a }', 'several addresses'],
    [`{ ${smtp}, user: u }`, 'a user without a password'],
    [`{ ${smtp}, passwordEnv: P }`, 'a password without a user'],
    [`{ ${smtp}, user: u, passwordEnv: P, security: none }`, 'plain text'],
    ['{ type: mail }', 'did you mean "email"?'],
    ['{ type: email, host: h, from: a@b.example, to: [] }', 'is empty; at least 1'],
    ['{ type: webhook, urlEnv: A, name: x }, { type: ping, urlEnv: B, name: x }', 'called "x"'],
  ])('a channel that could not work is refused: %s', (channel, expected) => {
    expect(withExtras(`notifications: [${channel}]`)).toContain(expected);
  });

  test.each([
    '{ type: ping, urlEnv: A }',
    '{ type: ping, success: { env: A }, failure: { file: /b } }',
    `{ ${smtp} }`,
    `{ ${smtp}, user: u, passwordFile: /p, security: tls, port: 465 }`,
    '{ type: webhook, urlEnv: A, body: "{{title}}", headers: { A: { env: B, prefix: "Bearer " } } }',
  ])('a whole channel is accepted: %s', (channel) => {
    expect(withExtras(`notifications: [${channel}]`)).toBe('');
  });

  test.each([
    ['Europe/Moskow', 'did you mean "Europe/Moscow"?'],
    ['europe/moscow', 'did you mean "Europe/Moscow"?'],
    ['"+03:00"', 'use an IANA name'],
    ['Nowhere/Atall', 'unknown time zone'],
  ])('a time zone the server would not know is refused: %s', (zone, expected) => {
    expect(withExtras(`schedules: { timezone: ${zone} }`)).toContain(expected);
  });

  test.each(['UTC', 'Europe/Berlin', 'Europe/Kiev', 'Asia/Kolkata'])('%s is a zone', (zone) => {
    expect(withExtras(`schedules: { timezone: ${zone} }`)).toBe('');
  });

  test.each([
    ['verify: { cron: "0 25 * * *" }', 'hour "25" is not within 0-23'],
    ['drill: { cron: "0 5 31 2 *" }', 'never fires'],
    ['drill: { cron: "0 5 * * 6", services: [aa] }', 'no service "aa"'],
    ['drill: { cron: "0 5 * * 6", set: newest }', 'a set id'],
  ])('a verification or drill that could never be is refused: %s', (schedule, expected) => {
    expect(withExtras(`schedules: { ${schedule} }`)).toContain(expected);
  });

  test('verification and drill by their defaults', () => {
    const { schedules } = configOf(
      fileWith(
        'a: {}',
        'schedules: { verify: { cron: "0 4 * * *" }, drill: { cron: "0 5 * * 6", services: [a] } }',
      ),
    );
    expect(schedules).toMatchObject({
      verify: { cron: '0 4 * * *', budget: 3_600_000 },
      drill: { cron: '0 5 * * 6', set: 'latest', services: ['a'] },
    });
  });

  test('a cron line for either of two day fields fires also where one of them never does', () => {
    expect(withExtras('schedules: { check: "0 5 31 2 0" }')).toBe('');
  });

  test.each([
    ['{ fileMode: "0440" }', '"0440" locks the owner out; write "0640"'],
    ['{ directoryMode: "0640" }', '"0640" locks the owner out; write "0740"'],
    ['{ fileMode: "0666" }', '"0666" lets everyone alter the backups; write "0664"'],
    ['{ fileMode: "2775" }', 'has bits that make no sense here; write "2664"'],
    ['{ fileMode: "888" }', 'an octal mode in quotes'],
  ])('modes that can not be meant: %s', (backups, expected) => {
    expect(withBackups(backups)).toContain(expected);
  });

  test("the guide's modes are fine", () => {
    expect(withBackups('{ fileMode: "2664", directoryMode: "2775" }')).toBe('');
  });
});

describe('names of artifacts', () => {
  test("the source's key, for a volume the volume's name, or as given", () => {
    const { services } = configOf(
      fileWith(
        'a: { home: /a, sources: { f: { kind: files }, v: { kind: volume, volume: vol }, p: { kind: postgres, container: c }, n: { kind: volume, volume: vol, name: other } } }',
      ),
    );
    const sources = services['a']?.sources ?? {};
    expect(Object.entries(sources).map(([key, source]) => artifactName(key, source))).toEqual([
      'f',
      'vol',
      'p',
      'other',
    ]);
  });
});
