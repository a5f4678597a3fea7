/** From a chosen set to the plan of a restore, the same by a run and beside one. Pure. */
import { withSurvey, type HostSurvey } from './host-survey.js';
import type { restoreStackInputSchema } from '../shared/inputs.js';
import { pauseStage, planRestore } from './restore-plan.js';
import type { RestorePlan } from './restore-types.js';
import type { StackView } from '../shared/stack-view.js';
import type { SetFile } from '../../format/manifest.js';

export interface ChosenForPlan {
  readonly set: SetFile;
  readonly otherSets: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
  readonly survey: HostSurvey;
}

type Input = Pick<
  ReturnType<typeof restoreStackInputSchema.parse>,
  'services' | 'sources' | 'databases' | 'dependents' | 'serverSettings' | 'pauseBefore'
>;

/** @throws HoldfastError as {@link planRestore}; INPUT_INVALID where there is no such stage */
export function planChosen(
  view: StackView,
  { set, otherSets, warnings, survey }: ChosenForPlan,
  { services, sources, databases, dependents, serverSettings, pauseBefore: wanted }: Input,
): RestorePlan {
  const plan = planRestore(view, set, {
    services,
    sources,
    databases,
    dependents,
    otherSets,
    serverSettings,
  });
  const pauseBefore = pauseStage(plan, wanted);
  return {
    ...withSurvey(plan, survey),
    ...(pauseBefore === undefined ? {} : { pauseBefore }),
    warnings: [...new Set([...warnings, ...plan.warnings])],
  };
}
