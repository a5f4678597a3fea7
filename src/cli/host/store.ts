/** The sets on disk, from the configuration's root or from a directory that was named. */
import path from 'node:path';
import { Option } from 'commander';
import { HoldfastError } from '../../base/errors.js';
import { lookAtStore, refusalOf } from '../../store/write/known-store.js';
import { pathExists } from '../../base/files/durable.js';
import type { CliContext } from './context.js';
import type { Catalogue } from './ports.js';
import { oneLine, truncate } from '../render/text.js';

export interface OpenStore extends Catalogue {
  readonly root: string;
}

export function rootOption(
  description = 'the directory of the backups, instead of the configured',
): Option {
  return new Option('--root <directory>', description);
}

/**
 * Reads the catalogue and warns of set files that can't be read.
 * @throws HoldfastError SET_NOT_FOUND when the directory is not there
 */
export async function openStore(
  context: CliContext,
  explicitRoot: string | undefined,
): Promise<OpenStore> {
  const root =
    explicitRoot === undefined
      ? (await context.loadConfig()).backups.root
      : path.resolve(explicitRoot);
  const refusal = refusalOf(root, await lookAtStore(root));
  if (!(await pathExists(root))) {
    if (refusal !== undefined) throw refusal;
    throw new HoldfastError('SET_NOT_FOUND', `there is no directory ${root}`, {
      hint: 'is its disk mounted? the first backup makes the directory',
      facts: { root },
    });
  }
  const { sets, unreadable } = await context.ports.readCatalogue(root);
  // Reading is fine; that it is not what was there before has to be known.
  if (refusal !== undefined) context.warn(`${refusal.message}: ${refusal.hint ?? ''}`);
  if (!context.options.json) {
    for (const sentence of unreadable) context.warn(truncate(oneLine(sentence), 300));
  }
  return { root, sets, unreadable };
}
