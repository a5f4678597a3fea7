/** Names, choice and timing of drills. */
import { describe, expect, test } from '@jest/globals';
import {
  drillId,
  drillName,
  drillPath,
  isBelow,
  isDrillId,
} from '../../../src/format/drill-names.js';
import {
  drilledServices,
  drillMapping,
  fitDrill,
  describeMeasured,
  describeSample,
  describeTables,
  restoreTime,
  sumTables,
} from '../../../src/plan/drill/drill.js';
import type { DrillStep } from '../../../src/format/drill-result.js';
import { mapName, mapPath } from '../../../src/format/mapping.js';
import type { RestoreServicePlan } from '../../../src/plan/restore/restore-types.js';
import type { ServiceView } from '../../../src/plan/shared/stack-view.js';

const ID = 'drill-20241212_010000-1a2b';
const WORKSPACE = `/backups/.drill/${ID}`;

const service = (name: string, ...after: string[]): ServiceView => ({
  name,
  after,
  hasContainers: true,
  sources: [],
});
const stack = {
  services: [
    service('db'),
    service('model'),
    service('api', 'db'),
    service('web', 'api'),
    service('docs'),
  ],
};

const sized = (name: string, contentBytes: number): RestoreServicePlan => ({
  service: name,
  hasContainers: true,
  sources: [
    {
      source: 'data',
      kind: 'files',
      replaces: '',
      artifact: {
        service: name,
        source: 'data',
        kind: 'files',
        path: `${name}/data`,
        manifestSha256: '0'.repeat(64),
        contentBytes,
        storedBytes: 0,
        entries: 1,
        consistent: true,
      },
    },
  ],
});

describe('names', () => {
  test('are the drill’s, whatever they were', () => {
    const mapping = drillMapping(ID, WORKSPACE, {
      volumes: ['data'],
      containers: ['ml_postgres'],
      projects: ['pgdb'],
    });
    expect(mapName('data', mapping.volumes)).toBe(`holdfast-${ID}-data`);
    expect(mapName('ml_postgres', mapping.containers)).toBe(`holdfast-${ID}-ml_postgres`);
    expect(mapName('pgdb', mapping.projects)).toBe(`holdfast-${ID}-pgdb`);
    expect(mapPath('/pgdb/data', mapping.paths)).toBe(`${WORKSPACE}/root/pgdb/data`);
  });

  test('are refused for what is no drill, so that no prefix fits everything', () => {
    for (const id of ['', '20241212_010000', 'drill-', `${ID}x`]) {
      expect(isDrillId(id)).toBe(false);
      expect(() => drillName(id, 'data')).toThrow('not the id of a drill');
    }
    expect(isDrillId(drillId('20241212_010000', '1a2bc3d4-0000'))).toBe(true);
  });

  test.each([
    ['/pgdb/data', `${WORKSPACE}/root/pgdb/data`],
    ['/', `${WORKSPACE}/root/`],
    [`${WORKSPACE}/root/pgdb`, `${WORKSPACE}/root/pgdb`],
  ])('a path of the host, %s, lies in the workspace', (path, expected) => {
    expect(drillPath(path, WORKSPACE).replace(/\/$/, '')).toBe(expected.replace(/\/$/, ''));
  });

  test.each([
    ['/a/b', '/a', true],
    ['/a', '/a', true],
    ['/ab', '/a', false],
    ['/', '/a', false],
    ['/a', '/', true],
  ])('%s is below %s: %s', (path, directory, expected) => {
    expect(isBelow(path, directory)).toBe(expected);
  });
});

describe('the services of a drill', () => {
  test.each([
    [undefined, undefined, []],
    [['db'], ['db'], []],
    [['web'], ['web', 'api', 'db'], ['api', 'db']],
    [['web', 'db'], ['web', 'api', 'db'], ['api']],
  ])('asked for %j are %j: what they come after is drilled too', (asked, services, added) => {
    expect(drilledServices(stack, asked)).toEqual({ services, added });
  });

  const plans = [
    sized('db', 50),
    sized('model', 500),
    sized('api', 30),
    sized('web', 10),
    sized('docs', 20),
  ];

  test.each([
    [undefined, ['db', 'model', 'api', 'web', 'docs'], []],
    [110, ['db', 'api', 'web', 'docs'], ['model']],
    [90, ['db', 'api', 'web'], ['model', 'docs']],
    // Without its database the rest of its chain can't be healthy; what is independent still fits.
    [40, ['docs'], ['db', 'model', 'api', 'web']],
    [1, [], ['db', 'model', 'api', 'web', 'docs']],
  ])('within %s bytes are %j, without %j', (maxDisk, services, left) => {
    const fit = fitDrill(stack, plans, { maxDiskBytes: maxDisk });
    expect(fit.services).toEqual(services);
    expect(fit.notTried.map((one) => one.service)).toEqual(left);
  });

  test('say why they are left out', () => {
    expect(
      fitDrill(stack, plans, { maxDiskBytes: 40 }).notTried.map(({ reason }) => reason),
    ).toEqual([
      'its 50 B do not fit into what drill.maxDisk leaves',
      'its 500 B do not fit into what drill.maxDisk leaves',
      'it comes after db, which is left out',
      'it comes after api, which is left out',
    ]);
  });
});

describe('services that do not fit', () => {
  const limits = { maxDiskBytes: 100, sample: true };
  const fit = (...services: RestoreServicePlan[]) => fitDrill(stack, services, limits);

  test('are sampled, and those that come after them, within what the others leave', () => {
    expect(fit(sized('db', 500), sized('api', 30), sized('web', 10), sized('docs', 20))).toEqual({
      services: ['docs'],
      sampled: ['db', 'api', 'web'],
      leftBytes: 80,
      notTried: [
        {
          service: 'db',
          what: 'more than a sample',
          reason: 'its 500 B do not fit into what drill.maxDisk leaves',
        },
        {
          service: 'api',
          what: 'more than a sample',
          reason: 'it comes after db, which is left out',
        },
        {
          service: 'web',
          what: 'more than a sample',
          reason: 'it comes after api, which is left out',
        },
      ],
    });
  });

  test('are left out as ever where nobody asked for samples', () => {
    const { sampled, notTried } = fitDrill(stack, [sized('db', 500)], { maxDiskBytes: 100 });
    expect([sampled, notTried.map(({ what }) => what)]).toEqual([[], ['all of it']]);
  });

  test('are left out where they are databases only', () => {
    const dumps = sized('db', 500).sources.map((one) => ({ ...one, kind: 'postgres' as const }));
    const { sampled, notTried } = fit({ ...sized('db', 500), sources: dumps }, sized('api', 30));
    expect(sampled).toEqual(['api']);
    expect(notTried.map(({ what }) => what)).toEqual(['all of it', 'more than a sample']);
  });

  test('are left out where a copy is impossible, or of what they come after', () => {
    const impossible = new Map([['db', 'no compose file makes it']]);
    expect(
      fitDrill(stack, [sized('db', 500), sized('api', 500)], { ...limits, impossible }).sampled,
    ).toEqual([]);
  });
});

describe('what was sampled', () => {
  const sample = {
    service: 'mlopsnew',
    source: 'qdrant',
    files: 312,
    bytes: 1024 ** 3,
    ofBytes: 98 * 1024 ** 3,
  };
  const told = 'mlopsnew/qdrant: sampled 1.0 GiB of 98.0 GiB, 312 files';

  test('is told with how much of how much', () => {
    expect(describeSample(sample)).toBe(told);
    expect(describeSample({ ...sample, files: 1 })).toMatch(/, 1 file$/);
  });

  test('is no measurement of a restore', () => {
    const drill = { services: ['pgdb'], restoreMs: 4_000 };
    expect(describeMeasured(drill)).toBe('a restore takes 4.0s');
    expect(describeMeasured({ ...drill, sampled: [sample] })).toBe(
      `a restore takes 4.0s, without what was only sampled; ${told}`,
    );
    expect(describeMeasured({ ...drill, services: [], sampled: [sample] })).toBe(
      `nothing was restored whole; ${told}`,
    );
  });
});

test('a service that can’t be copied is left out, and what comes after it', () => {
  const impossible = new Map([['db', 'no compose file makes it']]);
  const plan = (name: string): RestoreServicePlan => ({
    service: name,
    sources: [],
    hasContainers: true,
  });
  expect(fitDrill(stack, [plan('db'), plan('api'), plan('docs')], { impossible })).toMatchObject({
    services: ['docs'],
    sampled: [],
    notTried: [
      { service: 'db', what: 'all of it', reason: 'no compose file makes it' },
      { service: 'api', what: 'all of it', reason: 'it comes after db, which is left out' },
    ],
  });
});

describe('the time a restore takes', () => {
  const step = (name: string, what: DrillStep['step'], durationMs: number): DrillStep => ({
    service: name,
    step: what,
    durationMs,
  });

  test('is the check, then of each stage the slowest service; comparing is not part of it', () => {
    const steps = [
      step('a', 'check', 999),
      step('a', 'unpack', 10),
      step('a', 'compare', 500),
      step('a', 'gate', 5),
      step('b', 'unpack', 40),
      step('c', 'load', 7),
      step('c', 'start', 3),
    ];
    expect(restoreTime(100, [['a', 'b'], ['c']], steps)).toBe(100 + 40 + 10);
    expect(restoreTime(100, [], [])).toBe(100);
  });
});

describe('how tables were compared', () => {
  test('is told so that a count is not taken for a comparison of content', () => {
    expect(describeTables({ byContent: 1, byCount: 0 })).toBe('1 table compared by content');
    expect(describeTables({ byContent: 12, byCount: 1 })).toBe(
      '12 tables compared by content, 1 by number of rows only',
    );
    expect(describeTables({ byContent: 0, byCount: 2 })).toBe(
      '2 tables compared by number of rows only',
    );
  });

  test('is summed over all servers, and is nothing where there were none', () => {
    const one = { byContent: 2, byCount: 1 };
    expect(sumTables([one, one])).toEqual({ byContent: 4, byCount: 2 });
    expect(sumTables([])).toEqual({ byContent: 0, byCount: 0 });
  });
});
