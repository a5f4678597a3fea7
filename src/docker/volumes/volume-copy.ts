/** Replacing the content of a volume by copying, in a helper container: works with any driver. */
import { HoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { Engine } from '../engine/engine.js';
import { runHelper, type HelperMount } from './helper.js';

export interface CopyPlace {
  readonly volume: string;
  readonly aside: string;
  readonly id: string;
  readonly helperName: string;
}

/**
 * `cp -a` keeps modes, owners, times, hard links, symlinks and devices, and the root directory's own;
 * `--preserve=xattr` on top makes a lost attribute an error instead of a silence.
 */
const COPY = 'cp -a --preserve=xattr --sparse=always --reflink=auto';
/** Directories made in a setgid one inherit that bit, and `cp -a` does not take it away again. */
const EMPTY = (directory: string): string =>
  `find ${directory} -mindepth 1 -delete && chmod u=rwx,go=,a-st ${directory}`;

/** What is mounted in a volume is not its content: it is neither copied nor, above all, emptied. */
const UNMOUNTED = (directory: string): string =>
  `while read -r _ _ _ _ point _; do case "$point" in ${directory}/*)
     echo "something is mounted on $point in it" >&2; exit 2;; esac; done </proc/self/mountinfo`;

/** Marks in the aside's root directory say how far a swap by copying has come. */
function mark(id: string, step: 'complete' | 'target-checked' | 'put-in'): string {
  return `.holdfast-${id}-${step}`;
}

/** Makes a mark; the root directory's own times are part of the content. */
function setMark(id: string, step: Parameters<typeof mark>[1]): string {
  return `touch -r /aside /reference && touch "/aside/${mark(id, step)}" && touch -r /reference /aside && sync -f /aside`;
}

/** Is the old content whole in the aside? From then on the volume may be changed. */
export function isAsideComplete(engine: Engine, place: CopyPlace, work: Work): Promise<boolean> {
  return test(engine, place, work, `[ -e "/aside/${mark(place.id, 'complete')}" ]`);
}

/** Was the new content copied in to its end? */
export function isPutIn(engine: Engine, place: CopyPlace, work: Work): Promise<boolean> {
  return test(engine, place, work, `[ -e "/aside/${mark(place.id, 'put-in')}" ]`);
}

/** Copies the volume's content to the aside, from the start, and marks it complete. */
export async function copyAside(engine: Engine, place: CopyPlace, work: Work): Promise<void> {
  await run(
    engine,
    place,
    work,
    `${UNMOUNTED('/volume')}; ${EMPTY('/aside')} && ${COPY} /volume/. /aside/ && sync -f /aside &&
     ${setMark(place.id, 'complete')}`,
    '/aside',
    [{ type: 'volume', source: place.volume, target: '/volume', readOnly: true }],
  );
}

/**
 * A volume made anew with a device behind it may come with content of its own, which nobody has
 * put aside. Checked once, before we write there ourselves.
 * @throws HoldfastError INTEGRITY when it isn't empty.
 */
export async function assertNewVolumeEmpty(
  engine: Engine,
  place: CopyPlace,
  work: Work,
): Promise<void> {
  const checked = `/aside/${mark(place.id, 'target-checked')}`;
  const empty = await test(
    engine,
    place,
    work,
    `[ -e "${checked}" ] || { [ -z "$(ls -A /volume)" ] && ${setMark(place.id, 'target-checked')}; }`,
    [{ type: 'volume', source: place.volume, target: '/volume' }],
  );
  if (empty) return;
  throw new HoldfastError(
    'INTEGRITY',
    `volume ${place.volume} was made as it was backed up, and what is behind it holds data already`,
    {
      facts: { volume: place.volume },
      hint: 'look at the device or directory the volume’s options name, and move its content away',
    },
  );
}

/** Empties the volume and copies the new content into it. */
export async function copyIn(
  engine: Engine,
  place: CopyPlace,
  source: string,
  work: Work,
): Promise<void> {
  await run(
    engine,
    place,
    work,
    // Marks of the swap that made the source are no content.
    `${UNMOUNTED('/volume')}; ${EMPTY('/volume')} && ${COPY} /source/. /volume/ &&
     rm -f /volume/.holdfast-*-complete /volume/.holdfast-*-target-checked /volume/.holdfast-*-put-in &&
     touch -r /source /volume && sync -f /volume && ${setMark(place.id, 'put-in')}`,
    '/volume',
    [
      { type: 'volume', source: place.volume, target: '/volume' },
      { type: 'volume', source, target: '/source', readOnly: true },
    ],
  );
}

async function test(
  engine: Engine,
  place: CopyPlace,
  work: Work,
  script: string,
  mounts: readonly HelperMount[] = [],
): Promise<boolean> {
  const { exitCode, stderr } = await helper(engine, place, work, script, mounts);
  if (exitCode === 0 || exitCode === 1) return exitCode === 0;
  throw failed(place, exitCode, stderr);
}

/** Runs a copying script; while it runs, the space taken on the file system of `grows` tells how far it is. */
async function run(
  engine: Engine,
  place: CopyPlace,
  work: Work,
  script: string,
  grows: string,
  mounts: readonly HelperMount[],
): Promise<void> {
  const watched = `( while :; do stat -f -c '%f %S' ${grows}; sleep 2; done ) & ${script}`;
  let freeAtStart: number | undefined;
  const onStdout = (chunk: Buffer): void => {
    const [blocks, blockBytes] = (chunk.toString('utf8').trim().split('\n').at(-1) ?? '').split(
      ' ',
    );
    const free = Number(blocks) * Number(blockBytes);
    if (Number.isNaN(free)) return;
    freeAtStart ??= free;
    const bytes = Math.max(0, freeAtStart - free);
    work.report({ phase: 'copy', bytes, entries: 0, totalBytes: 0 });
  };
  const { exitCode, stderr } = await helper(engine, place, work, watched, mounts, onStdout);
  if (exitCode !== 0) throw failed(place, exitCode, stderr);
}

function failed(place: CopyPlace, exitCode: number, stderr: string): HoldfastError {
  const full = /No space left on device|Disk quota exceeded/i.test(stderr);
  return new HoldfastError(
    full ? 'DISK_FULL' : 'RESTORE_FAILED',
    `copying the content of volume ${place.volume} failed: ${stderr.trim().slice(-500)}`,
    { facts: { volume: place.volume, exitCode } },
  );
}

function helper(
  engine: Engine,
  place: CopyPlace,
  work: Work,
  script: string,
  mounts: readonly HelperMount[],
  onStdout: (chunk: Buffer) => void = () => undefined,
): ReturnType<typeof runHelper> {
  return runHelper(engine, {
    name: place.helperName,
    argv: ['sh', '-c', script],
    mounts: [{ type: 'volume', source: place.aside, target: '/aside' }, ...mounts],
    env: { LC_ALL: 'C' },
    signal: work.signal,
    onStdout,
  });
}
