/** The random stacks themselves: the same for a seed, valid, and able to tell two states apart. */
import { describe, expect, it } from '@jest/globals';
import { describeStack } from '../../random/description.js';
import { Layout } from '../../random/layout.js';
import type { Snapshot } from '../../random/observe.js';
import { afterRestore, backupEnding } from '../../random/predict.js';
import { configOf } from '../config/helpers.js';

const seeds = Array.from({ length: 200 }, (_, index) => index + 1);
const layoutOf = (seed: number): Layout =>
  new Layout(describeStack(seed), 'hfr000000', '/srv/random', 'run');

describe('a random stack', () => {
  it('is the same whenever it is described, and another for each seed', () => {
    const all = seeds.map((seed) => JSON.stringify(describeStack(seed)));
    expect(seeds.map((seed) => JSON.stringify(describeStack(seed)))).toEqual(all);
    expect(new Set(all).size).toBe(seeds.length);
  });

  it('has a configuration that is valid, whatever its names are', () => {
    for (const seed of seeds) {
      const { services } = configOf(layoutOf(seed).config());
      expect(Object.keys(services).length).toBeGreaterThan(0);
    }
  });
});

describe('what is predicted', () => {
  const layout = layoutOf(1);
  const [project] = layout.stack.projects;
  const name = project === undefined ? '' : `${layout.project(project)}/web`;
  const snapshot = (states: readonly string[]): Snapshot => ({
    containers: { [name]: states },
    trees: {},
    volumes: {},
    servers: {},
  });

  it.each([
    ['all gone', ['paused', 'running'], [], ['paused', 'running']],
    ['one gone', ['running', 'running'], ['running'], ['running', 'running']],
    ['one stopped since', ['running', 'running'], ['down', 'running'], ['down', 'running']],
    ['nothing ran', ['down', 'running'], ['down', 'down'], ['down', 'running']],
  ])('of containers, %s', (_, saved, wrecked, wanted) => {
    const { containers } = afterRestore(layout, snapshot(saved), snapshot(wrecked));
    expect(containers[name]).toEqual(wanted);
  });

  it('of a mount that is in the way: it is named', () => {
    const tree = {
      ...{ service: 'a', directory: 'b', source: 'c', features: [], wreck: 'change' as const },
      afterwards: 'nothing' as const,
      ...{ mount: 'tmpfs' as const, mountExcluded: false },
    };
    const stack = { ...describeStack(1), trees: [tree] };
    expect(backupEnding(stack)).toMatchObject({ exitCode: 3 });
    expect(backupEnding({ ...stack, trees: [{ ...tree, mountExcluded: true }] }).exitCode).toBe(0);
  });
});
