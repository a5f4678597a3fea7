/** Holdfast: one source, as an activity saves it, in a process of its own. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Place, Tool } from './tool.js';
import type { Step } from '../measure.js';

const program = path.join(
  path.dirname(path.dirname(fileURLToPath(import.meta.url))),
  'holdfast.js',
);

export const holdfast: Tool = {
  name: 'holdfast',
  label: 'Holdfast',
  how:
    'one source as a run saves it: scan, parts, papers, everything flushed to disk, fresh files read ' +
    'again and verified; the start of its process is in the time',
  incremental: true,
  onceOnly: false,
  version: run(['version']),
  initialise: () => [],
  backup: (place, tree, number) =>
    run([
      'backup',
      tree,
      place.repository,
      name(number),
      ...(number > 1 ? [artifact(place, number - 1)] : []),
    ]),
  restore: (place, number, target) => run(['restore', artifact(place, number), target]),
  restoreOne: (place, number, file, target) =>
    run(['restore-one', artifact(place, number), file, target]),
};

function name(number: number): string {
  return `tree_${String(number).padStart(3, '0')}`;
}

function artifact({ repository }: Place, number: number): string {
  return path.join(repository, name(number));
}

function run(args: readonly string[]): Step {
  return { command: process.execPath, args: [program, ...args] };
}
