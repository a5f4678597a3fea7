import { describe, expect, test } from '@jest/globals';
import { namesIn } from '../../../src/format/config/names.js';
import { remapConfig } from '../../../src/config/remap.js';
import { loadConfig } from '../../../src/config/load.js';
import { mapName, mapPath, parseMapping, requireUsed } from '../../../src/format/mapping.js';

describe('other names', () => {
  test.each([
    ['/a/b', { '/a': '/x' }, '/x/b'],
    ['/a', { '/a': '/x' }, '/x'],
    // Whole components: /ab does not lie in /a.
    ['/ab', { '/a': '/x' }, '/ab'],
    ['/a/b/c', { '/a': '/x', '/a/b': '/y' }, '/y/c'],
    ['/a/b', { '/a/': '/x/' }, '/x/b'],
    ['/a', { '/': '/x' }, '/x/a'],
    ['/a/b', { '/a': '/' }, '/b'],
    ['/a', { '/a': '/' }, '/'],
    ['/a', {}, '/a'],
  ])('%s by %j is %s', (path, paths, expected) => {
    expect(mapPath(path, paths)).toBe(expected);
  });

  test('a name that an object has by itself is not mapped', () => {
    expect(mapName('constructor', {})).toBe('constructor');
    expect(mapName('a', { a: 'b' })).toBe('b');
  });

  test('options become one mapping, each kind apart', () => {
    expect(
      parseMapping(['/old=/new', 'volume:a=b', 'container:c=d', 'project:e=f', 'service:g=h']),
    ).toEqual({
      paths: { '/old': '/new' },
      volumes: { a: 'b' },
      containers: { c: 'd' },
      projects: { e: 'f' },
      services: { g: 'h' },
    });
  });

  test.each(['nonsense', 'a=b', '/a=b', 'volumes:a=b', 'volume:a', '/a=/b=/c'])(
    '%s is refused, not guessed at',
    (option) => {
      expect(() => parseMapping([option])).toThrow(`--map ${option} is not understood`);
    },
  );

  test('two names for one thing are refused', () => {
    expect(() => parseMapping(['/a=/b', '/a=/c'])).toThrow('gives /a two names: /b and /c');
    expect(parseMapping(['/a=/b', '/a=/b']).paths).toEqual({ '/a': '/b' });
  });
});

describe('a configuration under other names', () => {
  test('has them in homes, bases, volumes, containers, projects and health checks', async () => {
    const config = await loadConfig('config/ml-stack.yaml');
    const renamed = remapConfig(
      config,
      parseMapping([
        '/home/prohorov=/data',
        '/pgdb=/drill/pgdb',
        'container:ml_postgres=drill_postgres',
        'volume:agent_qdrant_storage=drill_agent',
        'project:webbot=drill_webbot',
      ]),
    );
    const { pgdb, saiga, agent, webbot, webbot2 } = renamed.services;
    expect(pgdb?.home).toBe('/drill/pgdb');
    expect(pgdb?.sources['pgdump']).toMatchObject({ container: 'drill_postgres' });
    expect(pgdb?.health).toContainEqual(expect.objectContaining({ container: 'drill_postgres' }));
    expect(saiga?.sources['model']).toMatchObject({
      base: expect.stringMatching(/^\/data\/\.cache/),
    });
    expect(agent?.sources['qdrant']).toMatchObject({ volume: 'drill_agent' });
    expect(webbot?.compose?.project).toBe('drill_webbot');
    // The name a project has without being given one stays, too.
    expect(webbot2?.compose?.project).toBe('webbot2');
    expect(config.services['pgdb']?.home).toBe('/pgdb');
  });

  test.each([
    ['/pgdb=/drill', undefined],
    ['/home/prohorov=/data', undefined],
    ['volume:agent_qdrant_storage=x', undefined],
    ['container:ml_postgres=x', undefined],
    ['project:webbot=x', undefined],
    ['service:old=pgdb', undefined],
    ['/pgbd=/drill', 'the mapping of /pgbd changes nothing'],
    // Part of a name is not the name.
    ['/pg=/drill', 'the mapping of /pg changes nothing'],
    ['volume:agent_qdrant=x', 'the mapping of volume:agent_qdrant changes nothing'],
    ['container:postgres=x', 'the mapping of container:postgres changes nothing'],
    ['project:web=x', 'the mapping of project:web changes nothing'],
    ['service:pgdb=x', 'the mapping of service:pgdb changes nothing'],
  ])('%s: a name that stands for nothing is refused', async (option, refused) => {
    const config = await loadConfig('config/ml-stack.yaml');
    const names = { ...namesIn(config), services: new Set(['old']) };
    const check = (): void => requireUsed(parseMapping([option]), names);
    if (refused === undefined) expect(check).not.toThrow();
    else expect(check).toThrow(refused);
  });
});
