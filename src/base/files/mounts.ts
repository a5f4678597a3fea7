/**
 * What is mounted where, by the kernel's own list. A device number does not tell it: a bind mount of
 * the same file system has the number of what is around it.
 */
import { readFile } from 'node:fs/promises';

export interface Mount {
  readonly id: number;
  /** `major:minor`. */
  readonly device: string;
  /** Which directory of the file system is mounted, from that system's root; bytes as in `point`. */
  readonly root: string;
  /** Absolute, one character a byte (latin1). */
  readonly point: string;
  readonly readOnly: boolean;
  readonly fsType: string;
}

/** All mounts this process sees, in the order they were made. */
export async function readMounts(): Promise<readonly Mount[]> {
  return parseMountinfo(await readFile('/proc/self/mountinfo', 'latin1'));
}

/** @param text proc_pid_mountinfo(5), one character a byte */
export function parseMountinfo(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [id, , device, root, point, options = ''] = left.split(' ');
    const [fsType = '', , superOptions = ''] = right.split(' ');
    if (id === undefined || device === undefined || root === undefined || point === undefined) {
      return [];
    }
    // The directory it was mounted on is gone, and it with it: in another namespace it may live on.
    if (point.endsWith('//deleted')) return [];
    return [
      {
        id: Number(id),
        device,
        root: unescape(root),
        point: unescape(point),
        readOnly: isReadOnly(options) || isReadOnly(superOptions),
        fsType,
      },
    ];
  });
}

function isReadOnly(options: string): boolean {
  return options.split(',').includes('ro');
}

/** Blank, tab, newline, backslash and `#` are written as `\040` and so on. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/**
 * Mount points at or below a directory, without its own where `except` says so.
 * @param directory absolute and without links, bytes as in {@link Mount.point}
 */
export function mountPointsIn(
  mounts: readonly Mount[],
  directory: string,
  which: 'below' | 'at-or-below',
): readonly string[] {
  const prefix = directory === '/' ? '/' : `${directory}/`;
  const points = mounts
    .map(({ point }) => point)
    .filter(
      (point) =>
        (point.startsWith(prefix) && point !== directory) ||
        (which === 'at-or-below' && point === directory),
    );
  return [...new Set(points)].sort();
}

/** The mount a path lies on: of those whose point leads to it the longest, of equal ones the last. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    const { point } = mount;
    if (point !== path && !path.startsWith(point === '/' ? '/' : `${point}/`)) continue;
    if (found === undefined || point.length >= found.point.length) found = mount;
  }
  return found;
}
