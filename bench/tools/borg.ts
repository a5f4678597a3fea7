/** borg without encryption and with its default compression, lz4. */
import path from 'node:path';
import type { Step } from '../measure.js';
import type { Place, Tool } from './tool.js';

export const borg: Tool = {
  name: 'borg',
  label: 'borg',
  how: '`--encryption none`, default compression lz4',
  incremental: true,
  onceOnly: false,
  version: { command: 'borg', args: ['--version'] },
  initialise: (place) => [run(place, ['init', '--encryption', 'none', place.repository])],
  backup: (place, tree, number) => run(place, ['create', archive(place, number), '.'], tree),
  restore: (place, number, target) => run(place, ['extract', archive(place, number)], target),
  restoreOne: (place, number, file, target) =>
    run(place, ['extract', archive(place, number), file], target),
};

function archive(place: Place, number: number): string {
  return `${place.repository}::run-${number}`;
}

function run(place: Place, args: readonly string[], cwd = place.home): Step {
  return {
    command: 'borg',
    args,
    cwd,
    env: {
      BORG_BASE_DIR: path.join(place.home, 'borg'),
      BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
      BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
    },
  };
}
