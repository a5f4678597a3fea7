/**
 * Tablespaces outside of what a restore puts aside with the data directory. A new cluster can't use a
 * directory in which the old one has its part, so that part is put aside, too, as a step of its own.
 */
import path from 'node:path';
import { planSwap, stagePath, swapIn } from '../../src/tree/swap/replace.js';
import type { PostgresSource } from '../../src/format/config/sources.js';
import { findContainer, inspectContainer } from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { readableMountpoint, sharesVolumes } from '../../src/docker/volumes/volumes.js';
import { isBelow, isDrillId } from '../../src/format/drill-names.js';
import { containerExec } from '../../src/postgres/client/container.js';
import { dataLocation, type DataLocation } from '../../src/postgres/client/data-location.js';
import type { TablespacesToMake } from '../../src/postgres/load/restore.js';
import { makeTablespaceDirectories, tablespacesIn } from '../../src/postgres/load/tablespaces.js';
import type { Work } from '../../src/base/progress.js';
import type { VolumeInfo } from '../../src/format/manifest.js';
import type { TreeStep } from '../../src/store/records/restore-shapes.js';
import { readStep, writeStep } from '../../src/store/records/restore-record.js';
import { pathExists, removeTree } from '../../src/base/files/durable.js';
import { pgdataOf } from '../shared/postgres-source.js';
import type { RestoreReference } from './restore-tree.js';

/** What is swapped when all of a server is restored. */
export type DataPlace =
  | { readonly type: 'bind'; readonly path: string }
  | { readonly type: 'volume'; readonly volume: VolumeInfo };

interface Host {
  readonly root: string;
  readonly engine: Engine;
}

/**
 * Makes directories that are missing; puts aside what an old cluster has in those that are there.
 * Repeatable: what an earlier attempt has made is removed.
 * @throws HoldfastError RESTORE_FAILED for what can't be put aside
 */
export async function prepareTablespaces(
  { root, engine }: Host,
  input: RestoreReference,
  {
    source,
    place,
    tablespaces,
    versionDirectory,
    dataDirectory,
  }: TablespacesToMake & { readonly source: PostgresSource; readonly place: DataPlace },
  work: Work,
): Promise<void> {
  const asRoot = containerExec(engine, { container: source.container, osUser: '0' });
  const locations = tablespaces.map(({ location }) => location);
  await makeTablespaceDirectories(asRoot, locations, dataDirectory, work.signal);
  // A drill's server has directories of the drill, which are empty.
  if (isDrillId(input.restoreId)) return;
  const { mounts } = await inspectContainer(engine, source.container);
  for (const { name, location } of tablespaces) {
    const found = dataLocation(mounts, location);
    if (isWithin(found, place)) continue;
    const directory = await onHost(engine, found);
    // Preflight has refused what would be in the way there.
    if (directory === undefined || !(await pathExists(directory))) continue;
    await putAside(
      root,
      { ...input, source: `${input.source} tablespace ${name}` },
      {
        directory,
        entry: versionDirectory,
      },
    );
  }
}

/**
 * @returns what stands in the way of the tablespaces of a dump, a sentence each: an old cluster's part of
 *   one that can't be put aside, since this process does not see it
 */
export async function tablespacesInTheWay(
  engine: Engine,
  source: PostgresSource,
  script: string,
  work: Work,
): Promise<string[]> {
  const container = await findContainer(engine, source.container);
  // Of one that does not run nothing can be asked; a missing one has nothing.
  if (container?.state !== 'running') return [];
  const data = dataLocation(container.mounts, pgdataOf(container));
  const asRoot = containerExec(engine, { container: container.name, osUser: '0' });
  const problems: string[] = [];
  for (const { name, location } of await tablespacesIn(script, work.signal)) {
    const found = dataLocation(container.mounts, location);
    if (isWithin(found, data) || (await onHost(engine, found)) !== undefined) continue;
    const { exitCode } = await asRoot.capture(['sh', '-c', HAS_VERSION, 'holdfast', location], {
      signal: work.signal,
    });
    if (exitCode !== 0) continue;
    const where = found.type === 'volume' ? `in volume ${found.name}` : 'in the container itself';
    problems.push(
      `the data of tablespace ${name} lies ${where} (${location}), from where it can't be put aside`,
    );
  }
  return problems;
}

const HAS_VERSION = `for one in "$1"/PG_[0-9]*; do [ -d "$one" ] && exit 0; done; exit 1`;

/** Is it put aside, and emptied by each attempt, with the data directory? */
function isWithin(found: DataLocation, place: DataPlace | DataLocation): boolean {
  if (found.type === 'volume') return place.type === 'volume' && volumeOf(place) === found.name;
  return found.type === 'bind' && place.type === 'bind' && isBelow(found.path, place.path);
}

function volumeOf(place: Extract<DataPlace | DataLocation, { readonly type: 'volume' }>): string {
  return 'name' in place ? place.name : place.volume.name;
}

/** Where this process sees the directory; undefined where it does not. */
async function onHost(engine: Engine, found: DataLocation): Promise<string | undefined> {
  if (found.type === 'unknown') return undefined;
  if (found.type === 'bind') return (await sharesVolumes(engine)) ? found.path : undefined;
  const mountpoint = await readableMountpoint(engine, found.name);
  return mountpoint === undefined ? undefined : path.join(mountpoint, found.subpath);
}

async function putAside(
  root: string,
  input: RestoreReference,
  { directory, entry }: { readonly directory: string; readonly entry: string },
): Promise<void> {
  const earlier = await readStep(root, input.restoreId, input.service, input.source);
  if (earlier?.undo.kind === 'tree' && earlier.state === 'done') {
    await removeTree(path.join(earlier.undo.base, entry), { ours: true });
    return;
  }
  const { service, source } = input;
  const at = earlier?.at ?? new Date().toISOString();
  const units = [Buffer.from(entry).toString('base64')];
  const undo =
    earlier?.undo.kind === 'tree'
      ? earlier.undo
      : await planTablespace(input.restoreId, directory, entry, units);
  const step = { service, source, at, undo };
  await writeStep(root, input.restoreId, { ...step, state: 'registered' });
  await swapIn(undo);
  await writeStep(root, input.restoreId, { ...step, state: 'done' });
}

/** Nothing is brought by the swap itself; what the server will make is removed by the way back. */
async function planTablespace(
  restoreId: string,
  directory: string,
  entry: string,
  newUnits: readonly string[],
): Promise<TreeStep> {
  const place = { base: directory, include: [entry], exclude: [] };
  const swap = await planSwap(place, await stagePath(directory, restoreId), restoreId);
  return {
    ...swap,
    kind: 'tree',
    existed: swap.oldUnits.length > 0,
    oldUnits: [...swap.oldUnits],
    newUnits: [...newUnits],
    carried: [],
    kept: undefined,
  };
}
