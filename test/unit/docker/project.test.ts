import { describe, expect, it } from '@jest/globals';
import { declaredIn, parseDotenv } from '../../../src/docker/compose/project-files.js';
import {
  findProjects,
  normaliseProject,
  projectByRule,
  type HostProjects,
  type ProjectContainer,
  type ProjectService,
} from '../../../src/docker/compose/project-rule.js';

const made = (project: string, change: Partial<ProjectContainer> = {}): ProjectContainer => ({
  name: `${project}_web_1`,
  project,
  workingDirectory: '/srv/web',
  configFiles: ['docker-compose.yml'],
  ...change,
});
const service = (change: Partial<ProjectService> = {}): ProjectService => ({
  service: 'web',
  homes: ['/srv/web'],
  files: ['docker-compose.yml'],
  containers: [],
  volumes: [],
  ownVolumes: [],
  byRule: 'web',
  ...change,
});
const host = (change: Partial<HostProjects>): HostProjects => ({
  containers: [],
  volumes: [],
  ...change,
});

describe('the name compose gives a project', () => {
  it('is the directory, in the form of the compose that is there', () => {
    expect(projectByRule({ directory: '/srv/My.App_2-x' }, 1)).toBe('myapp_2-x');
    expect(projectByRule({ directory: '/srv/My.App_2-x' }, 2)).toBe('myapp_2-x');
    expect(projectByRule({ directory: '/srv/_old' }, 1)).toBe('_old');
    expect(projectByRule({ directory: '/srv/_old' }, 2)).toBe('old');
    expect(projectByRule({ directory: '/srv/тест' }, 2)).toBe('default');
    expect(normaliseProject('-_-', 2)).toBe('');
  });

  it('is what the environment says, then .env, then the file, which v1 does not read', () => {
    const all = { environment: 'env', dotenv: 'dot', inFile: 'file', directory: '/srv/web' };
    expect(projectByRule(all, 2)).toBe('env');
    expect(projectByRule({ ...all, environment: '' }, 2)).toBe('dot');
    expect(projectByRule({ ...all, environment: undefined, dotenv: undefined }, 2)).toBe('file');
    expect(projectByRule({ ...all, environment: undefined, dotenv: undefined }, 1)).toBe('web');
  });

  it('is read from .env and the files as compose reads them', () => {
    const dotenv = parseDotenv(
      '# no\nexport COMPOSE_PROJECT_NAME="from env" # why\r\nA=b # c\nB=\'#x\'\nnothing\nC=\n',
    );
    expect([...dotenv]).toEqual([
      ['COMPOSE_PROJECT_NAME', 'from env'],
      ['A', 'b'],
      ['B', '#x'],
      ['C', ''],
    ]);
    const texts = [
      'name: x\nvolumes: { a: , b: { external: true }, c: { name: c }, d: { external: false } }',
      'name: ${STAGE:-prod}-app',
      'broken: [',
    ];
    expect(declaredIn(texts, new Map())).toEqual({ name: 'prod-app', ownVolumes: ['a', 'd'] });
    expect(declaredIn(texts, new Map([['STAGE', 'test']])).name).toBe('test-app');
  });
});

describe('the project of a service that configures none', () => {
  it('is the one whose containers were made from its files, not its key', () => {
    const [found] = findProjects([service()], host({ containers: [made('real')] }));
    expect(found).toEqual({ service: 'web', project: 'real', by: 'containers' });
  });

  it('is found by files named from elsewhere, below the home, or by links to it', () => {
    const cases: [Partial<ProjectService>, Partial<ProjectContainer>][] = [
      [{}, { configFiles: ['/srv/web/docker-compose.yml'], workingDirectory: '/elsewhere' }],
      [{}, { configFiles: ['srv/web/docker-compose.yml'] }],
      [
        { files: ['stacks/a.yml'] },
        { configFiles: ['a.yml'], workingDirectory: '/srv/web/stacks' },
      ],
      [{ homes: ['/link', '/srv/web'] }, {}],
      [{}, { configFiles: [] }],
    ];
    for (const [ours, theirs] of cases) {
      const containers = [made('real', theirs), made('other', { workingDirectory: '/other' })];
      expect(findProjects([service(ours)], host({ containers }))[0]?.project).toBe('real');
    }
  });

  it('is told apart from another stack of the same directory by what the service names', () => {
    const containers = [made('prod'), made('staging')];
    const [unclear] = findProjects([service()], host({ containers }));
    expect(unclear?.project).toBeUndefined();
    expect(unclear?.problem?.message).toMatch(/"prod" or "staging"/);
    const [named] = findProjects(
      [service({ containers: ['staging_web_1'] })],
      host({ containers }),
    );
    expect(named?.project).toBe('staging');
    const volumes = [{ name: 'prod_data', project: 'prod', key: 'data' }];
    const [used] = findProjects(
      [service({ volumes: ['prod_data'], ownVolumes: ['data'] })],
      host({ containers, volumes }),
    );
    expect(used?.project).toBe('prod');
  });

  it('is that of the volumes that are left when the containers are gone', () => {
    const volumes = [{ name: 'real_data', project: 'real', key: 'data' }];
    const ours = { volumes: ['real_data'], ownVolumes: ['data'] };
    expect(findProjects([service(ours)], host({ volumes }))[0]).toEqual({
      service: 'web',
      project: 'real',
      by: 'volumes',
    });
    // Another project's, used as an external one: that says nothing of ours.
    const external = { ...ours, ownVolumes: [] };
    expect(findProjects([service(external)], host({ volumes }))[0]?.by).toBe('rule');
  });

  it('is what compose would call it on a bare machine, and never that of another service', () => {
    expect(findProjects([service({ byRule: 'dir' })], host({}))[0]).toEqual({
      service: 'web',
      project: 'dir',
      by: 'rule',
    });
    const database = service({ service: 'db', homes: ['/srv/db'], byRule: 'db' });
    const web = service({ containers: ['db_web_1'] });
    const containers = [made('db', { workingDirectory: '/srv/db' })];
    expect(
      findProjects([database, web], host({ containers })).map(({ project }) => project),
    ).toEqual(['db', 'web']);
  });

  it('is refused where two services come out as one', () => {
    const [, second] = findProjects(
      [service(), service({ service: 'too', homes: ['/other'] })],
      host({}),
    );
    expect(second?.problem?.message).toMatch(/belongs to services.web, too/);
  });
});

describe('a configured project', () => {
  it('that is not what runs would be a second stack', () => {
    const [found] = findProjects(
      [service({ configured: 'wrong' })],
      host({ containers: [made('real')] }),
    );
    expect(found?.problem?.message).toMatch(/"wrong".*real_web_1.*"real".*second stack/);
  });

  it('is believed where something of it is there, or nothing of anything', () => {
    const containers = [made('real'), made('right')];
    const ours = [service({ configured: 'right' })];
    expect(findProjects(ours, host({ containers }))[0]?.problem).toBeUndefined();
    expect(findProjects(ours, host({}))[0]?.problem).toBeUndefined();
    const both = [...ours, service({ service: 'b', configured: 'real' })];
    expect(findProjects(both, host({ containers: [made('real')] }))[0]?.problem).toBeUndefined();
  });

  it('that would not use the volume it is to restore is refused, unless it is named there', () => {
    const volumes = [{ name: 'real_data', project: 'real', key: 'data' }];
    const ours = service({ configured: 'x', volumes: ['real_data'], ownVolumes: ['data'] });
    expect(findProjects([ours], host({ volumes }))[0]?.problem?.message).toMatch(/real_data/);
    const named = { ...ours, ownVolumes: [] };
    expect(findProjects([named], host({ volumes }))[0]?.problem).toBeUndefined();
  });
});
