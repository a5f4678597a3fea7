/** Which set a restore starts from where the old script's backups lie beside the catalogue. Pure. */
import { isHoldfastError } from '../../base/errors.js';
import type { SetFile } from '../../format/manifest.js';
import { chooseSet, type ChoiceKnowledge, type ChosenSet } from '../../plan/restore/choose-set.js';
import { newestFirst, setName } from '../../format/set-order.js';

/**
 * As {@link chooseSet}; sets of the old script that were not imported count only where the catalogue
 * has nothing that would do, or where one is named: nobody has verified them.
 * @throws HoldfastError SET_NOT_FOUND with the nearest ids of both as hint
 */
export function chooseAmongAll(
  sets: readonly SetFile[],
  oldSets: readonly SetFile[],
  wanted: string,
  services?: readonly string[],
  knowledge: ChoiceKnowledge = {},
): ChosenSet {
  if (oldSets.length === 0) return chooseSet(sets, wanted, services, knowledge);
  if (wanted !== 'latest') {
    const known = sets.some((set) => set.id === wanted || setName(set) === wanted);
    if (known) return chooseSet(sets, wanted, services, knowledge);
    const isOld = oldSets.some((set) => set.id === wanted || setName(set) === wanted);
    if (isOld) return unverified(chooseSet(oldSets, wanted, services));
    return chooseSet([...sets, ...oldSets], wanted, services);
  }
  try {
    const chosen = chooseSet(sets, wanted, services, knowledge);
    const newer = newestFirst(oldSets).filter(
      ({ startedAt }) => Date.parse(startedAt) > Date.parse(chosen.set.startedAt),
    );
    if (newer.length === 0) return chosen;
    const names = newer.slice(0, 3).map(setName).join(', ');
    const more = newer.length > 3 ? ` and ${newer.length - 3} more` : '';
    const warning = `newer than ${setName(chosen.set)}, but made by the old script and not imported: ${names}${more}`;
    return { ...chosen, warnings: [...chosen.warnings, warning] };
  } catch (error) {
    if (!isHoldfastError(error) || error.code !== 'SET_NOT_FOUND') throw error;
    return unverified(chooseSet(oldSets, wanted, services));
  }
}

function unverified({ set, warnings }: ChosenSet): ChosenSet {
  return {
    set,
    warnings: [
      ...warnings,
      `the set ${setName(set)} was made by the old script and is not verified: each file is read to its end first`,
    ],
  };
}
