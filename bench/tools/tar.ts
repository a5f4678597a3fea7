/** The guide's script: `tar czf` of the directory, `tar xf` to get it back. */
import path from 'node:path';
import type { Place, Tool } from './tool.js';

export const tar: Tool = {
  name: 'tar',
  label: 'tar czf',
  how: 'as the usual script runs it: one gzip, everything every time, nothing flushed or verified; one round',
  incremental: false,
  onceOnly: true,
  version: { command: 'tar', args: ['--version'] },
  initialise: () => [],
  backup: (place, tree) => ({
    command: 'tar',
    args: ['czf', file(place), '-C', path.dirname(tree), path.basename(tree)],
  }),
  restore: (place, _run, target) => ({
    command: 'tar',
    args: ['xf', file(place), '-C', target, '--strip-components=1'],
  }),
  restoreOne: (place, _run, wanted, target) => ({
    command: 'tar',
    args: ['xf', file(place), '-C', target, '--strip-components=1', `tree/${wanted}`],
  }),
};

function file({ repository }: Place): string {
  return path.join(repository, 'backup.tar.gz');
}
