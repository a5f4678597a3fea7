import { describe, expect, test } from '@jest/globals';
import { checkHost } from '../../../src/config/check/check-host.js';
import type { HostProbe } from '../../../src/config/check/check-host.js';
import { parseConfig } from '../../../src/config/load.js';
import { FILE, fileWith } from './helpers.js';

const text = fileWith(
  `pgdb:
  home: /pgdb
  compose: { files: [docker-compose.yml, 'x.*.yml', '!x.test.yml'] }
  health: [{ type: sql, container: ml_postgres, query: select 1 }]
  sources:
    dump: { kind: postgres, container: ml_postgres, passwordFile: /run/pw, dataVolume: pgdata }
    model: { kind: files, base: /models, afterRestore: { owner: 'ann:100' } }
    vol: { kind: volume, volume: grafana_dat, quiesce: { container: hook, before: [a], after: [b] } }`,
  'notifications: [{ type: webhook, urlFile: /run/url }]',
  "backups: { owner: 'bob:staff' }",
);

function probe(there: readonly string[]): HostProbe {
  const has = (name: string): Promise<boolean> => Promise.resolve(there.includes(name));
  return {
    pathExists: has,
    volumeExists: has,
    containerExists: has,
    userExists: has,
    groupExists: has,
    volumeNames: () => Promise.resolve(['grafana_data']),
  };
}

const everything = [
  '/pgdb',
  '/pgdb/docker-compose.yml',
  'ml_postgres',
  '/run/pw',
  'pgdata',
  '/models',
  'ann',
  'grafana_dat',
  'hook',
  '/run/url',
  'bob',
  'staff',
];

describe('the configuration against the host', () => {
  test('nothing is said where all is there', async () => {
    const { config, locate } = parseConfig(text, FILE);
    expect(await checkHost(config, probe(everything), locate)).toEqual([]);
  });

  test('everything missing is told at once, with its line', async () => {
    const { config, locate } = parseConfig(text, FILE);
    const problems = await checkHost(config, probe([]), locate);
    expect(problems.map(({ path }) => path)).toEqual([
      'backups.owner',
      'backups.owner',
      'notifications[0].urlFile',
      'services.pgdb.home',
      'services.pgdb.compose.files[0]',
      'services.pgdb.health[0].container',
      'services.pgdb.sources.dump.container',
      'services.pgdb.sources.dump.passwordFile',
      'services.pgdb.sources.dump.dataVolume',
      'services.pgdb.sources.model.base',
      'services.pgdb.sources.model.afterRestore.owner',
      'services.pgdb.sources.vol.volume',
      'services.pgdb.sources.vol.quiesce.container',
    ]);
    expect(problems.every(({ line }) => line !== undefined && line > 2)).toBe(true);
    expect(problems.at(-2)).toMatchObject({
      line: 13,
      message: 'there is no volume "grafana_dat"',
      fix: 'did you mean "grafana_data"?',
    });
  });

  test.each(everything)('only %s missing is told alone', async (missing) => {
    const { config } = parseConfig(text, FILE);
    const there = everything.filter((name) => name !== missing);
    const problems = await checkHost(config, probe(there));
    expect(problems.length).toBeGreaterThanOrEqual(1);
    expect(problems.every(({ message }) => message.includes(missing))).toBe(true);
    expect(problems[0]?.line).toBeUndefined();
  });

  test('an engine that does not answer is not taken for a missing volume', async () => {
    const { config } = parseConfig(text, FILE);
    const broken: HostProbe = {
      ...probe(everything),
      volumeExists: () => Promise.reject(new Error('no engine')),
    };
    await expect(checkHost(config, broken)).rejects.toThrow('no engine');
  });
});
