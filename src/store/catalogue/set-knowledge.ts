import { count } from '../../base/words.js';
import type { SetKnowledge, UnsoundSet } from '../../format/set-knowledge.js';
import { setName } from '../../format/set-order.js';
import { readAcceptedShrinks } from './accepted-shrinks.js';
import { readCatalogue, type Catalogue } from './catalogue.js';
import { inspectCatalogue, describeLacks, type Inspection, type Lack } from './inspect.js';
import type { SetFile } from '../../format/manifest.js';
import { readPins } from './pins.js';
import {
  readVerifications,
  type RecordedDamage,
  type VerificationRecord,
} from '../verify/verification.js';

export interface StoreKnowledge {
  readonly catalogue: Catalogue;
  /** Sets of the stack, as they were when they were looked at. */
  readonly sets: readonly SetFile[];
  readonly knowledge: Required<SetKnowledge>;
  readonly verifications: ReadonlyMap<string, VerificationRecord>;
}

/** Looks at the catalogue, at every file of its sets and at the records; reads no content. */
export async function readStoreKnowledge(root: string, stack: string): Promise<StoreKnowledge> {
  const catalogue = await readCatalogue(root);
  const own = catalogue.sets.filter((set) => set.stack === stack);
  const [{ sets, inspection }, verifications, pins, accepted] = await Promise.all([
    inspectCatalogue(root, own),
    readVerifications(root),
    readPins(root),
    readAcceptedShrinks(root, stack),
  ]);
  return {
    catalogue,
    sets,
    knowledge: {
      unsound: unsoundSets(sets, inspection, verifications),
      pins: new Map([...pins].map(([name, { note }]) => [name, note])),
      accepted,
    },
    verifications,
  };
}

/** Sets that are not all there, that could not be looked at, or of which damage is recorded. */
export function unsoundSets(
  sets: readonly SetFile[],
  inspection: Inspection,
  verifications: ReadonlyMap<string, VerificationRecord>,
): Map<string, UnsoundSet> {
  return new Map(
    sets.flatMap((set) => {
      const damage = verifications.get(setName(set))?.damage ?? [];
      const unsound = unsoundSet(inspection.lacksOf(set), damage);
      return unsound === undefined ? [] : [[setName(set), unsound]];
    }),
  );
}

/** What is known of one set, put together; undefined where that is nothing bad. */
export function unsoundSet(
  lacks: readonly Lack[],
  damage: readonly Pick<RecordedDamage, 'artifact'>[],
): UnsoundSet | undefined {
  if (lacks.length + damage.length === 0) return undefined;
  const unknown = lacks.every((lack) => lack.unknown);
  const missing = unknown ? 'not to be read' : 'not all there';
  const reasons = [
    ...(lacks.length === 0 ? [] : [`${missing}: ${describeLacks(lacks)}`]),
    ...(damage.length === 0 ? [] : [count(damage.length, 'damaged file')]),
  ];
  return {
    reason: reasons.join(', '),
    artifacts: new Set([...lacks, ...damage].map(({ artifact }) => artifact)),
    state: damage.length > 0 ? 'damaged' : unknown ? 'unknown' : 'incomplete',
  };
}
