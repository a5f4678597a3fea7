/** The old script's backups as the commands see them. */
import { HoldfastError, isHoldfastError } from '../base/errors.js';
import { chooseSet, type ChosenSet } from '../plan/restore/choose-set.js';
import type { SetFile } from '../format/manifest.js';
import { chooseLooking } from '../store/catalogue/choose-whole.js';
import { findOldFiles } from '../legacy/old-files.js';
import { readOldBackups, type OldBackups } from '../legacy/old-sets.js';
import type { CliContext } from './host/context.js';
import { count } from '../base/words.js';
import type { OpenStore } from './host/store.js';
import { setName } from './views/sets/set-rows.js';

const NONE: OldBackups = { backups: [], unknown: [] };

/**
 * What was not imported yet. Which file is which only the configuration tells: without one, where a
 * root was named, it is only said that there are some.
 */
export async function openOldBackups(
  context: CliContext,
  { root, sets }: OpenStore,
  explicitRoot: string | undefined,
): Promise<OldBackups> {
  try {
    return await readOldBackups(root, await context.loadConfig(), sets);
  } catch (error) {
    if (explicitRoot === undefined || !isMissingConfig(error)) throw error;
  }
  const { files } = await findOldFiles(root);
  if (files.length > 0) {
    context.warn(
      `${count(files.length, 'file')} of the old backup script can't be told apart without the configuration`,
    );
  }
  return NONE;
}

/**
 * A set of the catalogue, for commands that need an artifact with its papers.
 * @throws HoldfastError SET_NOT_FOUND; USAGE for a set of the old script that was not imported
 */
export async function chooseImported(
  context: CliContext,
  store: OpenStore,
  wanted: {
    readonly root: string | undefined;
    readonly name: string;
    /** Is `latest` the newest, also where it is not all there? */
    readonly asItIs?: boolean;
  },
  services?: readonly string[],
): Promise<ChosenSet> {
  try {
    if (wanted.asItIs === true) return chooseSet(store.sets, wanted.name, services);
    return await chooseLooking(store.root, store.sets, (unsound) =>
      chooseSet(store.sets, wanted.name, services, { unsound, now: new Date() }),
    );
  } catch (error) {
    if (!isHoldfastError(error) || error.code !== 'SET_NOT_FOUND') throw error;
    const { backups } = await openOldBackups(context, store, wanted.root);
    const old = backups.map(({ set }) => set).filter((set) => isCalled(set, wanted.name));
    if (old.length === 0) throw error;
    const names = old.map(setName).join(', ');
    throw new HoldfastError('USAGE', `${names} was made by the old script and is not imported`, {
      hint: `\`holdfast import ${wanted.name}\` makes it a set like the others; \`holdfast show ${wanted.name}\` and \`holdfast restore ${wanted.name}\` work without`,
      facts: { sets: old.map(setName) },
    });
  }
}

function isCalled(set: SetFile, name: string): boolean {
  return set.id === name || setName(set) === name;
}

function isMissingConfig(error: unknown): boolean {
  return isHoldfastError(error) && error.code === 'CONFIG_NOT_FOUND';
}
