/** Choosing a set by what is on disk: only those that come into question are looked at. */
import { HoldfastError } from '../../base/errors.js';
import type { UnsoundSet } from '../../format/set-knowledge.js';
import { setName } from '../../format/set-order.js';
import { inspectSets, describeLacks } from './inspect.js';
import type { SetArtifact, SetFile } from '../../format/manifest.js';
import { unsoundSet } from './set-knowledge.js';
import { readVerification } from '../verify/verification.js';

/**
 * Chooses again and again, each time with the chosen set looked at, until one is chosen of which is
 * known how it is. @param choose is given what is known to be wrong, by `<id>-<tier>`
 * @param sets those of the catalogue: others can't be looked at
 */
export async function chooseLooking<Choice extends { readonly set: SetFile }>(
  root: string,
  sets: readonly SetFile[],
  choose: (unsound: ReadonlyMap<string, UnsoundSet>) => Choice,
): Promise<Choice> {
  const known = new Set(sets.map(setName));
  const unsound = new Map<string, UnsoundSet>();
  const looked = new Set<string>();
  for (;;) {
    const chosen = choose(unsound);
    const name = setName(chosen.set);
    if (looked.has(name) || !known.has(name)) return chosen;
    looked.add(name);
    const [inspection, record] = await Promise.all([
      inspectSets(root, [chosen.set]),
      readVerification(root, chosen.set),
    ]);
    const found = unsoundSet(inspection.lacksOf(chosen.set), record?.damage ?? []);
    if (found !== undefined) unsound.set(name, found);
  }
}

/**
 * @throws HoldfastError INTEGRITY where something of the artifacts is plainly not there, or can't be
 *   looked at, so that nobody finds it out later
 */
export async function requireThere(
  root: string,
  name: string,
  artifacts: readonly SetArtifact[],
): Promise<void> {
  const lacks = (await inspectSets(root, [{ artifacts }])).lacksOf({ artifacts });
  if (lacks.length === 0) return;
  throw new HoldfastError('INTEGRITY', `set ${name} is not all there: ${describeLacks(lacks)}`, {
    hint: 'nothing was touched; `latest` means the newest set that is whole, `holdfast list` shows the others',
    facts: {
      set: name,
      files: lacks.slice(0, 50).map(({ artifact, file }) => `${artifact}/${file}`),
    },
  });
}
