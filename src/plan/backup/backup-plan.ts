/** What a backup run will do, as data. Pure. */
import { HoldfastError } from '../../base/errors.js';
import { stagesOf } from '../shared/order.js';
import { artifactPath } from '../../format/artifact-paths.js';
import type { PlanTier } from '../../format/artifact-paths.js';
import { serviceOrder } from '../shared/stack-view.js';
import type { ServiceView, StackView } from '../shared/stack-view.js';

export interface PlannedSource {
  readonly source: string;
  readonly kind: 'files' | 'volume' | 'postgres';
  /** Name of the artifact. */
  readonly name: string;
  /** Directory of the artifact, relative to the root of the backups. */
  readonly artifactPath: string;
  /** Is it held still while it is read? */
  readonly quiesced: boolean;
}

export interface PlannedService {
  readonly service: string;
  /** In the order of the configuration; never empty. */
  readonly sources: readonly PlannedSource[];
}

export interface BackupPlan {
  readonly setId: string;
  readonly tier: PlanTier;
  /** Services of one stage may be read side by side, what they come after is in earlier stages. */
  readonly stages: readonly (readonly PlannedService[])[];
}

/**
 * Plans the backup of the whole stack or of some services, with what each comes after first.
 * `setId` is `YYYYMMDD_HHMMSS`. Services without sources have no part in a backup.
 *
 * @throws UNKNOWN_SERVICE naming all unknown services; UNKNOWN_SOURCE when there is nothing to save.
 */
export function planBackup(
  stack: StackView,
  input: { readonly tier: PlanTier; readonly services?: readonly string[] },
  setId: string,
): BackupPlan {
  const byName = new Map(stack.services.map((service) => [service.name, service]));
  const planService = (service: ServiceView): PlannedService => ({
    service: service.name,
    sources: service.sources.map(({ source, kind, name, category, large, quiesced }) => ({
      source,
      kind,
      name,
      artifactPath: artifactPath(service.name, input.tier, category, name, setId, large),
      quiesced,
    })),
  });
  const stages = stagesOf(serviceOrder(stack), input.services)
    .map((stage) =>
      stage.flatMap((name) => {
        const service = byName.get(name);
        return service === undefined || service.sources.length === 0 ? [] : [planService(service)];
      }),
    )
    .filter((stage) => stage.length > 0);
  if (stages.length === 0) {
    const asked = input.services?.join(', ') ?? stack.stack;
    throw new HoldfastError('UNKNOWN_SOURCE', `nothing to back up: ${asked} has no sources`, {
      hint: 'Add sources to the service in the configuration.',
      facts: { services: [...(input.services ?? byName.keys())] },
    });
  }
  return { setId, tier: input.tier, stages };
}
