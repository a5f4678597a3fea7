/** restic with its defaults: encrypted, compressed (`auto`), repository format 2 where it knows it. */
import path from 'node:path';
import { writeFileSync } from 'node:fs';
import type { Step } from '../measure.js';
import type { Place, Tool } from './tool.js';

export const restic: Tool = {
  name: 'restic',
  label: 'restic',
  how: 'default settings: repository format 2, compression `auto` (zstd), encrypted as always; a password file',
  incremental: true,
  onceOnly: false,
  version: { command: 'restic', args: ['version'] },
  initialise: (place) => {
    writeFileSync(passwordFile(place), 'benchmark\n', { mode: 0o600 });
    return [run(place, ['init'])];
  },
  // "." as path: the snapshot holds the tree without the directories above it.
  backup: (place, tree) => run(place, ['backup', '.'], tree),
  restore: (place, _run, target) => run(place, ['restore', 'latest', '--target', target]),
  restoreOne: (place, _run, file, target) =>
    run(place, ['restore', 'latest', '--include', `/${file}`, '--target', target]),
};

function passwordFile({ home }: Place): string {
  return path.join(home, 'restic-password');
}

function run(place: Place, args: readonly string[], cwd = place.home): Step {
  return {
    command: 'restic',
    args: ['--quiet', '--repo', place.repository, '--password-file', passwordFile(place), ...args],
    cwd,
    env: { RESTIC_CACHE_DIR: path.join(place.home, 'restic-cache') },
  };
}
