import type { Measurement } from '../../format/measurement.js';
/** What a restore will meet on the host, and the plan that knows of it. Pure. */
import { withEstimates } from './estimate.js';
import type { RestorePlan, RestoreSourceStep, SpaceNeed } from './restore-types.js';

/** One source's place on the host. */
export interface SurveyedSource {
  readonly service: string;
  readonly source: string;
  readonly exists: boolean;
  /** Names the file system; the same for places that share its room. Absent where it can't be seen. */
  readonly disk?: string;
  /** A path on it, for people. */
  readonly place?: string;
  readonly freeBytes?: number;
}

export interface HostSurvey {
  readonly sources: readonly SurveyedSource[];
  readonly measured: readonly Measurement[];
}

/** The plan with what is there now, the room it takes beside that, and how long it will take. */
export function withSurvey(plan: RestorePlan, survey: HostSurvey): RestorePlan {
  const of = (service: string, { source }: RestoreSourceStep): SurveyedSource | undefined =>
    survey.sources.find((one) => one.service === service && one.source === source);
  const stages = plan.stages.map((stage) =>
    stage.map((service) => ({
      ...service,
      sources: service.sources.map((step) => {
        const found = of(service.service, step);
        return found === undefined ? step : { ...step, exists: found.exists };
      }),
    })),
  );
  const needs = new Map<string, SpaceNeed>();
  for (const service of stages.flat()) {
    for (const step of service.sources) {
      const { disk, place, freeBytes } = of(service.service, step) ?? {};
      if (disk === undefined || place === undefined || freeBytes === undefined) continue;
      const known = needs.get(disk);
      const neededBytes = (known?.neededBytes ?? 0) + step.artifact.contentBytes;
      needs.set(disk, { place: known?.place ?? place, freeBytes, neededBytes });
    }
  }
  return withEstimates({ ...plan, stages, space: [...needs.values()] }, survey.measured);
}

/** The file systems on which new and old do not fit side by side, in words. */
export function spaceProblems(
  space: readonly SpaceNeed[],
  say: (bytes: number) => string,
): string[] {
  return space
    .filter(({ neededBytes, freeBytes }) => neededBytes > freeBytes)
    .map(
      ({ place, neededBytes, freeBytes }) =>
        `the restore needs ${say(neededBytes)} on the disk of ${place}, ${say(freeBytes)} are free`,
    );
}
