/** What the store knows of its sets besides their files: what is damaged or gone, pinned, accepted. */
import type { SetKnowledge, UnsoundSet } from '../plan/retention.js';
import { setName } from '../plan/set-order.js';
import { readAcceptedShrinks } from './accepted-shrinks.js';
import { readCatalogue, type Catalogue } from './catalogue.js';
import type { SetFile } from './manifest.js';
import { readPins } from './pins.js';
import { readVerifications, type VerificationRecord } from './verification.js';

export interface StoreKnowledge {
  readonly catalogue: Catalogue;
  /** Sets of the stack. */
  readonly sets: readonly SetFile[];
  readonly knowledge: Required<SetKnowledge>;
  readonly verifications: ReadonlyMap<string, VerificationRecord>;
}

/** Looks at the catalogue and the records; reads no content. */
export async function readStoreKnowledge(root: string, stack: string): Promise<StoreKnowledge> {
  const [catalogue, verifications, pins, accepted] = await Promise.all([
    readCatalogue(root),
    readVerifications(root),
    readPins(root),
    readAcceptedShrinks(root, stack),
  ]);
  return {
    catalogue,
    sets: catalogue.sets.filter((set) => set.stack === stack),
    knowledge: {
      unsound: unsoundSets(catalogue, verifications),
      pins: new Map([...pins].map(([name, { note }]) => [name, note])),
      accepted,
    },
    verifications,
  };
}

/** Sets with artifacts that are not there, and with recorded damage. */
export function unsoundSets(
  { sets, missing }: Pick<Catalogue, 'sets' | 'missing'>,
  verifications: ReadonlyMap<string, VerificationRecord>,
): Map<string, UnsoundSet> {
  const unsound = new Map<string, UnsoundSet>();
  for (const set of sets) {
    const gone = missing.filter((one) => one.set === set).map(({ path }) => path);
    const damage = verifications.get(setName(set))?.damage ?? [];
    if (gone.length + damage.length === 0) continue;
    const reasons = [
      ...(gone.length === 0 ? [] : [`${gone.length} of ${set.artifacts.length} artifacts missing`]),
      ...(damage.length === 0 ? [] : [`${damage.length} damaged ${plural(damage.length)}`]),
    ];
    unsound.set(setName(set), {
      reason: reasons.join(', '),
      artifacts: new Set([...gone, ...damage.map(({ artifact }) => artifact)]),
    });
  }
  return unsound;
}

function plural(files: number): string {
  return files === 1 ? 'file' : 'files';
}
