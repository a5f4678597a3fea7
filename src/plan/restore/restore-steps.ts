/** A restore plan as the list of its steps. Pure. */
import type {
  RestorePlan,
  RestoreServicePlan,
  RestoreSourceStep,
  RestoreStep,
} from './restore-types.js';

/** What is done for one source, in order. */
export function sourceSteps({
  source,
  kind,
}: Pick<RestoreSourceStep, 'source' | 'kind'>): string[] {
  switch (kind) {
    case 'files':
    case 'volume':
      return [`unpack ${source}`, `swap ${source}`];
    case 'postgres':
      return [`load ${source}`];
  }
}

/** What is done for one service within its stage, in order. */
export function serviceSteps({ sources, hasContainers }: RestoreServicePlan): string[] {
  return [...sources.flatMap(sourceSteps), ...(hasContainers ? ['start', 'health'] : [])];
}

/** All steps: what is stopped, then stage by stage, the services of a stage one after the other. */
export function planSteps({
  stopOrder,
  stages,
}: Pick<RestorePlan, 'stopOrder' | 'stages'>): RestoreStep[] {
  return [
    ...stopOrder.map((service) => ({ stage: 0, service, step: 'stop' })),
    ...stages.flatMap((services, index) =>
      services.flatMap((service) =>
        serviceSteps(service).map((step) => ({ stage: index + 1, service: service.service, step })),
      ),
    ),
  ];
}
