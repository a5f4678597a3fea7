/** One restore from several sets. Pure. */
import { HoldfastError } from '../../base/errors.js';
import type { SetArtifact, SetFile } from '../../format/manifest.js';
import { mapName } from '../../format/mapping.js';
import { setName } from '../../format/set-order.js';

export interface MixedSet extends SetFile {
  /** Services that come from another set, with its name. */
  readonly otherSets: Readonly<Record<string, string>>;
}

/**
 * `base` with all artifacts of each picked service taken from the set picked for it.
 * @throws HoldfastError SET_NOT_FOUND when a picked set holds nothing of the service
 */
export function mixSets(base: SetFile, picks: Readonly<Record<string, SetFile>>): MixedSet {
  const others: Record<string, string> = {};
  const picked: SetArtifact[] = [];
  const problems = [...base.problems];
  for (const [service, set] of Object.entries(picks)) {
    const own = set.artifacts.filter((artifact) => artifact.service === service);
    if (own.length === 0) {
      throw new HoldfastError(
        'SET_NOT_FOUND',
        `the set ${setName(set)} holds nothing of ${service}`,
        {
          hint: `holdfast show ${setName(set)} lists what it holds`,
          facts: { set: setName(set), service },
        },
      );
    }
    picked.push(...own);
    if (setName(set) !== setName(base)) others[service] = setName(set);
    problems.push(...set.problems.filter((problem) => problem.service === service));
  }
  const rest = base.artifacts.filter(({ service }) => !Object.hasOwn(picks, service));
  return { ...base, problems, artifacts: [...rest, ...picked], otherSets: others };
}

/** The set's services under the names they have in the configuration. */
export function renameServices(set: SetFile, names: Readonly<Record<string, string>>): SetFile {
  const renamed = <T extends { readonly service: string }>(one: T): T => ({
    ...one,
    service: mapName(one.service, names),
  });
  return {
    ...set,
    artifacts: set.artifacts.map(renamed),
    problems: set.problems.map(renamed),
    scope: set.scope === 'all' ? 'all' : set.scope.map((name) => mapName(name, names)),
  };
}
