/** A reader that lets a test interfere between the scan and the reading. */
import { directReader, type TreeReader } from '../../../src/tree/scan/reader.js';
import { startCommand } from '../../../src/base/process/process.js';

export interface Disturbed {
  readonly reader: TreeReader;
  /** How often each program was started. */
  readonly starts: { find: number; tar: number; cmp: number };
}

export function disturbedReader(
  root: string,
  before: (command: 'find' | 'tar' | 'cmp', nth: number) => void,
): Disturbed {
  const direct = directReader(root);
  const starts = { find: 0, tar: 0, cmp: 0 };
  const reader: TreeReader = {
    ...direct,
    start: (command, args, options) => {
      starts[command] += 1;
      before(command, starts[command]);
      return direct.start(command, args, options);
    },
  };
  return { reader, starts };
}

/** Reads as the owner of everything, who has no other rights. */
export function powerlessReader(root: string): TreeReader {
  return {
    ...directReader(root),
    start: (command, args, options) =>
      startCommand('setpriv', ['--bounding-set=-all', '--inh-caps=-all', command, ...args], {
        ...options,
        cwd: root,
        env: { LC_ALL: 'C' },
      }),
  };
}
