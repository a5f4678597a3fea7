/** What the promises say of a described stack: how runs end, and what is there afterwards. Pure. */
import type { StackDescription } from './description.js';
import type { Layout } from './layout.js';
import type { Snapshot } from './observe.js';

/** How a run ends: 0, or 3 with what has to be named. */
export interface Ending {
  readonly exitCode: 0 | 3;
  readonly named: readonly string[];
}

/** A mount that the configuration does not leave out is skipped, and named. */
export function backupEnding({ trees }: StackDescription): Ending {
  const skipped = trees.filter(({ mount, mountExcluded }) => mount !== 'none' && !mountExcluded);
  return {
    exitCode: skipped.length > 0 ? 3 : 0,
    named: skipped.length > 0 ? ['MOUNT_SKIPPED', 'way/mounted'] : [],
  };
}

/**
 * After a restore: everything that was saved as it was saved; containers as they ran before the restore,
 * those that were gone as they ran when the backup was made.
 * @param saved the snapshot at the backup
 * @param wrecked the one before the restore
 */
export function afterRestore(layout: Layout, saved: Snapshot, wrecked: Snapshot): Snapshot {
  const containers: Record<string, readonly string[]> = {};
  const projects = [...layout.stack.projects, ...layout.stack.servers].map((one) =>
    layout.project(one),
  );
  for (const [name, states] of Object.entries(saved.containers)) {
    const project = projects.find((one) => name.startsWith(`${one}/`));
    const somethingRan = Object.entries(wrecked.containers).some(
      ([other, now]) => other.startsWith(`${project ?? ''}/`) && now.some((one) => one !== 'down'),
    );
    const now = wrecked.containers[name] ?? [];
    containers[name] = somethingRan ? withMissing(states, now) : states;
  }
  return { ...saved, containers };
}

/**
 * After an undo: what was there before the restore. A home that was gone under running containers that
 * mount it is no content of theirs; the engine makes an empty directory when it starts them again.
 */
export function afterUndo({ stack }: Layout, wrecked: Snapshot): Snapshot {
  const remade = stack.projects.filter(
    ({ wreckHome, containers }) => wreckHome === 'remove' && containers.some(({ bind }) => bind),
  );
  const isRemade = (place: string): boolean => remade.some(({ service }) => service === place);
  const trees = Object.entries(wrecked.trees).filter(
    ([place, entries]) => entries !== undefined || !isRemade(place),
  );
  return { ...wrecked, trees: Object.fromEntries(trees) };
}

/** What is there stays as it is; what is missing comes back as it was. */
function withMissing(saved: readonly string[], now: readonly string[]): string[] {
  const missing = [...saved];
  for (const state of now) {
    const same = missing.indexOf(state);
    missing.splice(same === -1 ? missing.findIndex((one) => one !== 'down') : same, 1);
  }
  return [...now, ...missing].sort();
}
