/** The configuration a restore works with: under other names where its record says so. */
import { remapConfig } from '../../src/config/remap.js';
import type { Config, ServiceConfig } from '../../src/format/config/schema.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { withProjects } from '../../src/docker/compose/project.js';
import { HoldfastError } from '../../src/base/errors.js';
import {
  drillPrefix,
  drillRoot,
  DRILL_COMPOSE_FILE,
  isBelow,
  isDrillId,
} from '../../src/format/drill-names.js';
import type { VolumeInfo } from '../../src/format/manifest.js';
import type { RestoreRecord } from '../../src/store/records/restore-shapes.js';
import { readRestoreRecord, readStep } from '../../src/store/records/restore-record.js';
import { withFileLock } from '../../src/base/files/lock.js';
import { drillLabels } from '../drill/drill-labels.js';
import { lockFile } from '../shared/places.js';

/**
 * What the steps of a restore are given. The mapping is read from the record on disk, so that whoever
 * takes the restore back, later and without its workflow, looks in the same places.
 * @throws HoldfastError MANIFEST_INVALID when the record can't be read; INTERNAL for a drill that would
 *   touch anything but its own
 */
export async function forRestore<D extends { readonly config: Config; readonly engine: Engine }>(
  dependencies: D,
  restoreId: string,
): Promise<D> {
  const record = await readRestoreRecord(dependencies.config.backups.root, restoreId);
  // Without its record a drill would be a restore of the real stack.
  if (isDrillId(restoreId) && record?.drill === undefined) throw torn(restoreId);
  const config = await withProjects(dependencies.engine, dependencies.config, record?.projects);
  if (record?.map === undefined) return { ...dependencies, config };
  const mapped = remapConfig(config, record.map);
  if (record.drill === undefined) return { ...dependencies, config: mapped };
  for (const service of Object.values(mapped.services)) requireDrillPlaces(service, record);
  const services = Object.fromEntries(
    Object.entries(mapped.services).map(([name, service]) => [
      name,
      service.compose === undefined
        ? service
        : { ...service, compose: { ...service.compose, files: [DRILL_COMPOSE_FILE] } },
    ]),
  );
  return { ...dependencies, config: { ...mapped, services } };
}

/**
 * Reads a restore's record and does something about it, while nobody else does.
 * @throws HoldfastError SET_NOT_FOUND when there is none
 */
export async function withRestoreRecord<T>(
  root: string,
  restoreId: string,
  action: (record: RestoreRecord) => Promise<T>,
): Promise<T> {
  const { signal } = new AbortController();
  return withFileLock(lockFile(root, 'record', restoreId), { mode: 'wait', signal }, async () => {
    const record = await readRestoreRecord(root, restoreId);
    if (record !== undefined) return action(record);
    throw new HoldfastError('SET_NOT_FOUND', `there is no restore ${restoreId}`, {
      hint: '`holdfast restores` lists them',
      facts: { restoreId },
    });
  });
}

/**
 * A step that comes late (its worker died, its run was terminated) must not begin what has been taken
 * back meanwhile.
 * @throws HoldfastError RESTORE_FAILED, which is not retried
 */
export async function requireOpen(
  root: string,
  { restoreId, service, source }: { restoreId: string; service: string; source?: string },
): Promise<void> {
  const record = await readRestoreRecord(root, restoreId);
  const step = source === undefined ? undefined : await readStep(root, restoreId, service, source);
  if (record?.state === 'running' && step?.state !== 'undone') return;
  throw new HoldfastError('RESTORE_FAILED', `restore ${restoreId} is over: nothing more is done`, {
    facts: { restoreId, state: record?.state ?? 'unknown' },
    hint: 'it was taken back meanwhile; start a new one',
  });
}

/**
 * The volume a restore makes. A drill's is an ordinary one whatever the real one is: with the options
 * of a volume that is bound to a directory it would be that very directory.
 */
export async function volumeToRestore(
  config: Config,
  restoreId: string,
  volume: VolumeInfo,
): Promise<VolumeInfo> {
  if (!isDrillId(restoreId)) return volume;
  const record = await readRestoreRecord(config.backups.root, restoreId);
  if (record === undefined) throw torn(restoreId);
  requireOwn(restoreId, volume.name);
  return {
    name: volume.name,
    driver: 'local',
    options: {},
    labels: drillLabels(config, restoreId, record.workflowId),
  };
}

/** A drill must not wait for a restore, nor a restore for a drill: each of them has its own lock. */
export function restoreLock(
  root: string,
  restoreId: string,
  service: string,
  source: string,
): string {
  return isDrillId(restoreId)
    ? lockFile(root, restoreId, service, source)
    : lockFile(root, 'restore', service, source);
}

/** @throws HoldfastError INTERNAL when a drill is about to touch what is not its own */
export function requireDrillPlaces(service: ServiceConfig, record: RestoreRecord): void {
  const { restoreId, drill } = record;
  if (drill === undefined) return;
  const paths = [service.home];
  const names = [service.compose?.project];
  for (const source of Object.values(service.sources)) {
    if (source.kind === 'files') paths.push(source.base);
    if (source.kind === 'volume') names.push(source.volume);
    if (source.kind === 'postgres') {
      names.push(source.container, source.dataVolume);
      if (source.dataDirectory?.startsWith('/') === true) paths.push(source.dataDirectory);
    }
  }
  for (const name of names) if (name !== undefined) requireOwn(restoreId, name);
  for (const path of paths) {
    if (path === undefined || isBelow(path, drillRoot(drill.workspace))) continue;
    throw new HoldfastError('INTERNAL', `the drill ${restoreId} would touch ${path}`);
  }
}

/** @throws HoldfastError INTERNAL */
export function requireOwn(restoreId: string, name: string): void {
  if (name.startsWith(drillPrefix(restoreId))) return;
  throw new HoldfastError('INTERNAL', `the drill ${restoreId} would touch ${name}`);
}

function torn(restoreId: string): HoldfastError {
  return new HoldfastError('RESTORE_FAILED', `the drill ${restoreId} was torn down meanwhile`);
}
