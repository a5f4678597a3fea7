import { describe, expect, it } from '@jest/globals';
import { composeModel } from '../../../src/docker/compose/compose-model.js';
import {
  planStart,
  type ServiceDefinition,
  type StartQuestion,
} from '../../../src/docker/compose/start-plan.js';
import type { InventoryContainer } from '../../../src/format/manifest.js';

const definition = (name: string, change: Partial<ServiceDefinition> = {}): ServiceDefinition => ({
  name,
  profiles: [],
  scale: 1,
  dependsOn: [],
  joins: [],
  digest: 'same',
  ...change,
});
const container = (
  composeService: string,
  state: InventoryContainer['state'] = 'running',
  number = 1,
): InventoryContainer => ({
  name: `p_${composeService}_${number}`,
  composeService,
  number,
  state,
  exitCode: 0,
});
const stopped = (all: readonly InventoryContainer[]): InventoryContainer[] =>
  all.map((one) => ({ ...one, state: 'exited' }));
const same = (...names: string[]): ReadonlyMap<string, string> =>
  new Map(names.map((name) => [name, 'same']));

/** `service: running/total`, with what is left to compose in brackets. */
function told(question: StartQuestion): string[][] {
  return planStart(question).map((group) =>
    group.map(({ service, total, running, compose, anew, job }) =>
      [
        `${service}: ${running}/${total}`,
        ...(compose ? [anew ? '(made anew)' : '(made)'] : []),
        ...(job ? ['job'] : []),
      ].join(' '),
    ),
  );
}

describe('what runs after a restore', () => {
  const definitions = [
    definition('web', { dependsOn: [{ service: 'db', condition: 'healthy' }] }),
    definition('db'),
    definition('debug'),
    definition('reset', { profiles: ['maintenance'] }),
    definition('never'),
  ];
  const digestsBefore = same('web', 'db', 'debug', 'reset', 'never');
  const before = [
    container('db'),
    container('web', 'running', 1),
    container('web', 'exited', 2),
    container('web', 'running', 3),
    container('debug', 'exited'),
  ];

  it('is what ran before, in its number, and nothing that nobody had started', () => {
    const plan = planStart({ definitions, present: stopped(before), before, digestsBefore });
    expect(plan.map((group) => group.map(({ service }) => service))).toEqual([
      ['db', 'debug'],
      ['web'],
    ]);
    expect(plan[1]?.[0]).toMatchObject({ compose: false, names: ['p_web_1', 'p_web_3'] });
    expect(plan[0]?.[1]).toMatchObject({ service: 'debug', running: 0, names: [] });
  });

  it('is made anew by compose where the restored files say something else', () => {
    const changed = new Map([...digestsBefore, ['web', 'other']]);
    expect(
      told({ definitions, present: stopped(before), before, digestsBefore: changed })[1],
    ).toEqual(['web: 2/3 (made anew)']);
    // Nobody could read the files before: compose decides.
    expect(told({ definitions, present: stopped(before), before })[0]).toEqual([
      'db: 1/1 (made anew)',
      'debug: 0/1 (made anew)',
    ]);
  });

  it('is made again where the backup had more of it, but what is stopped stays stopped', () => {
    const saved = [
      container('db'),
      ...[1, 2, 3].map((number) => container('web', 'running', number)),
      container('debug'),
      container('never'),
    ];
    const now = [container('db'), container('web'), container('debug', 'exited')];
    expect(told({ definitions, present: stopped(now), before: now, digestsBefore, saved })).toEqual(
      [['db: 1/1', 'debug: 0/1', 'never: 1/1 (made)'], ['web: 3/3 (made)']],
    );
    // More than the backup had: they ran, and run again.
    const more = [1, 2, 3, 4].map((number) => container('web', 'running', number));
    expect(
      told({ definitions, present: stopped(more), before: more, digestsBefore, saved })[1],
    ).toEqual(['web: 4/4']);
  });

  it('is, of a service that the restored files bring, what compose makes of it', () => {
    const known = same('web', 'db', 'debug', 'reset');
    const groups = told({ definitions, present: stopped(before), before, digestsBefore: known });
    expect(groups[0]).toContain('never: 1/1 (made anew)');
    expect(groups.flat().join()).not.toContain('reset');
  });

  it('is on a bare machine what ran when the backup was made', () => {
    const saved = [
      container('db'),
      container('web', 'running', 1),
      container('web', 'exited', 2),
      container('debug', 'exited'),
      container('reset', 'running'),
    ];
    expect(told({ definitions, present: [], before: [], saved })).toEqual([
      ['db: 1/1 (made anew)', 'debug: 0/1 (made anew)', 'reset: 1/1 (made anew)'],
      ['web: 1/2 (made anew)'],
    ]);
  });

  it('is on a bare machine, of a backup that does not say, all but what is in a profile', () => {
    const scaled = definitions.map((one) => (one.name === 'web' ? { ...one, scale: 2 } : one));
    expect(told({ definitions: scaled, present: [] }).flat()).toEqual([
      'db: 1/1 (made anew)',
      'debug: 1/1 (made anew)',
      'never: 1/1 (made anew)',
      'web: 2/2 (made anew)',
    ]);
    // After a crash everything is down: nobody had stopped it.
    const down = [container('db', 'exited'), container('reset', 'exited')];
    expect(
      told({ definitions, present: down, before: down, digestsBefore }).flat().slice(0, 2),
    ).toEqual(['db: 1/1', 'debug: 1/1 (made)']);
  });

  it('leaves one-off containers to the record, and paused and crashing ones out of the gate', () => {
    const odd = [
      { ...container('db'), name: 'p_db_run_1', oneOff: true },
      container('db', 'paused'),
      container('debug', 'restarting'),
    ];
    const [group] = planStart({ definitions, present: stopped(odd), before: odd, digestsBefore });
    expect(group).toMatchObject([
      { service: 'db', total: 1, running: 1, paused: [{ name: 'p_db_1' }], crashing: [] },
      { service: 'debug', running: 1, paused: [], crashing: [{ name: 'p_debug_1' }] },
    ]);
  });

  it('is exactly what it was for an undo, whatever the backup had', () => {
    const was = [container('web'), container('debug', 'exited')];
    const present = [...stopped(was), container('web', 'exited', 2)];
    const saved = [container('db'), container('web'), container('web', 'running', 2)];
    expect(
      told({ definitions, present, before: was, digestsBefore, saved, exactly: true }).flat(),
    ).toEqual(['debug: 0/1', 'web: 1/1']);
  });
});

describe('jobs that others wait for', () => {
  const definitions = [
    definition('web', { dependsOn: [{ service: 'migrate', condition: 'completed' }] }),
    definition('migrate'),
  ];

  it('are not run again where they are there', () => {
    const before = [container('web'), container('migrate', 'exited')];
    expect(
      told({
        definitions,
        present: stopped(before),
        before,
        digestsBefore: same('web', 'migrate'),
      }),
    ).toEqual([['migrate: 0/1'], ['web: 1/1']]);
  });

  it('run once where they had to be made, as by compose itself', () => {
    const saved = [container('web'), container('migrate', 'exited')];
    expect(told({ definitions, present: [], before: [], saved })).toEqual([
      ['migrate: 0/1 (made anew) job'],
      ['web: 1/1 (made anew)'],
    ]);
    expect(told({ definitions, present: [] })[0]).toEqual(['migrate: 1/1 (made anew) job']);
  });
});

describe('the definitions of a compose file', () => {
  const of = (service: unknown): ServiceDefinition | undefined =>
    composeModel('p', { services: { a: service } }).definitions[0];

  it('tell what depends on what, in both forms, and what lives in whose namespace', () => {
    expect(
      of({
        depends_on: { b: { condition: 'service_healthy', required: true }, c: null },
        links: ['d:alias'],
        network_mode: 'service:e',
        deploy: { replicas: 3 },
        profiles: ['x'],
      }),
    ).toMatchObject({
      profiles: ['x'],
      scale: 3,
      joins: ['e'],
      dependsOn: [
        { service: 'b', condition: 'healthy' },
        { service: 'c', condition: 'started' },
        { service: 'd', condition: 'started' },
      ],
    });
    expect(of({ depends_on: ['b'], scale: 2 })).toMatchObject({
      scale: 2,
      dependsOn: [{ service: 'b', condition: 'started' }],
    });
  });

  it('have one digest whatever the order, and another for another value', () => {
    const digest = of({ image: 'x', environment: { A: '1', B: '2' } })?.digest;
    expect(of({ environment: { B: '2', A: '1' }, image: 'x' })?.digest).toBe(digest);
    expect(of({ environment: { B: '3', A: '1' }, image: 'x' })?.digest).not.toBe(digest);
  });

  it('make anew what lives in the namespace of what is made anew', () => {
    const definitions = [definition('vpn'), definition('app', { joins: ['vpn'] })];
    const before = [container('vpn'), container('app')];
    const digestsBefore = new Map([
      ['vpn', 'other'],
      ['app', 'same'],
    ]);
    expect(told({ definitions, present: stopped(before), before, digestsBefore })).toEqual([
      ['vpn: 1/1 (made anew)'],
      ['app: 1/1 (made anew)'],
    ]);
  });
});
