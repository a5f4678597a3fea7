/** The configuration a restore works with: under other names where its record says so. */
import { remapConfig } from '../src/config/remap.js';
import type { Config } from '../src/config/schema.js';
import { readRestoreRecord } from '../src/store/restore-record.js';

/**
 * What the steps of a restore are given. The mapping is read from the record on disk, so that whoever
 * takes the restore back, later and without its workflow, looks in the same places.
 * @throws HoldfastError MANIFEST_INVALID when the record can't be read
 */
export async function forRestore<D extends { readonly config: Config }>(
  dependencies: D,
  restoreId: string,
): Promise<D> {
  const record = await readRestoreRecord(dependencies.config.backups.root, restoreId);
  if (record?.map === undefined) return dependencies;
  return { ...dependencies, config: remapConfig(dependencies.config, record.map) };
}
