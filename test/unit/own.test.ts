/** Services may be called `toString`: what every object inherits is not taken for theirs. */
import { describe, expect, it } from '@jest/globals';
import { connectEngine } from '../../src/docker/engine/engine.js';
import { projectsIn, withProjects } from '../../src/docker/compose/project.js';
import { own } from '../../src/base/own.js';
import { configOf } from './config/helpers.js';

const INHERITED = ['toString', 'constructor', 'valueOf', 'hasOwnProperty'];

describe('what a record holds under a name', () => {
  it.each([...INHERITED, '__proto__'])('is nothing under %s, which nobody put there', (name) => {
    expect(own({}, name)).toBeUndefined();
    expect(own(Object.fromEntries([[name, 'mine']]), name)).toBe('mine');
  });
});

it('finds the projects of services with inherited names', async () => {
  const services = Object.fromEntries(
    INHERITED.map((name) => [
      name,
      { home: `/srv/${name}`, compose: { project: `p-${name.toLowerCase()}` } },
    ]),
  );
  const config = configOf(JSON.stringify({ version: 1, stack: 's', backups: {}, services }));
  expect(projectsIn(await withProjects(connectEngine(), config))).toEqual(
    Object.fromEntries(INHERITED.map((name) => [name, `p-${name.toLowerCase()}`])),
  );
});
