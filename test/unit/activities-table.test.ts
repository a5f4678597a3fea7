/** The table of docs/activities.md names every activity, with the kind it has. */
import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { PROJECT } from '../support/worker-host.js';

const source = readFileSync(`${PROJECT}/workflows/shared/activity-options.ts`, 'utf8');
const table = readFileSync(`${PROJECT}/docs/activities.md`, 'utf8');

/** Rows of the table: name, kind, what it grows with. */
const rows = [...table.matchAll(/^\| `(\w+)` +\| `(\w+)` +\| (.+?) +\| .+ \| .+ \|$/gm)].map(
  ([, name = '', kind = '', grows = '']) => ({ name, kind, grows }),
);

test('every activity is in the table, by its kind, and nothing else is', () => {
  const kinds = '(quick|look|patient|long|verify|notify|deliver)';
  const inSource = [...source.matchAll(new RegExp(`^ {2}(\\w+): '${kinds}',$`, 'gm'))];
  // What the workflows can call at all: one that has no kind does not compile.
  const called = [...source.matchAll(/^ {4}(\w+): summarised\(on\(/gm)].map(([, name]) => name);
  expect(inSource.map(([, name]) => name).sort()).toEqual(called.sort());
  expect(rows.map(({ name, kind }) => `${name} ${kind}`).sort()).toEqual(
    inSource.map(([, name, kind]) => `${name ?? ''} ${kind ?? ''}`).sort(),
  );
});

test('what has a limit that size could reach grows with nothing', () => {
  const limited = rows.filter(({ kind }) => ['quick', 'notify', 'deliver'].includes(kind));
  for (const { name, grows } of limited) {
    expect([name, grows]).toEqual([name, expect.stringMatching(/^(nothing|lines of the run)/)]);
  }
});
