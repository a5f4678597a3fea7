/** `cp -a`: what a plain copy takes. */
import path from 'node:path';
import type { Place, Tool } from './tool.js';

export const cp: Tool = {
  name: 'cp',
  label: 'cp -a',
  how: 'a plain copy, everything every time, nothing flushed or verified',
  incremental: false,
  onceOnly: false,
  version: { command: 'cp', args: ['--version'] },
  initialise: () => [],
  backup: (place, tree) => ({ command: 'cp', args: ['-a', tree, copy(place)] }),
  restore: (place, _run, target) => ({
    command: 'cp',
    args: ['-a', `${copy(place)}/.`, target],
  }),
  restoreOne: (place, _run, file, target) => ({
    command: 'cp',
    args: ['-a', '--parents', file, target],
    cwd: copy(place),
  }),
};

function copy({ repository }: Place): string {
  return path.join(repository, 'copy');
}
