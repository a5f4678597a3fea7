/**
 * A run and the children that work for it, as one snapshot. A parent hears of its child when that
 * ends; what the child itself says of its steps is newer.
 */
import type { StepView } from '../../plan/shared/inputs.js';
import type { ActivitySnapshot, RunSnapshot } from '../host/ports.js';

/** Services whose child may have more to tell than the parent. */
export function servicesAtWork({ view }: RunSnapshot): string[] {
  const open = (view?.steps ?? []).filter(
    ({ service, state }) => service !== '' && (state === 'pending' || state === 'running'),
  );
  return [...new Set(open.map(({ service }) => service))];
}

/** Pure; children that are not there yet are simply not given. */
export function mergeSnapshots(parent: RunSnapshot, children: readonly RunSnapshot[]): RunSnapshot {
  const activities = new Map<string, ActivitySnapshot>();
  for (const { activities: own } of [parent, ...children]) {
    for (const activity of own) activities.set(keyOf(activity), activity);
  }
  return {
    ...parent,
    ...(parent.view === undefined
      ? {}
      : { view: { ...parent.view, steps: mergeSteps(parent.view.steps, children) } }),
    activities: [...activities.values()],
  };
}

function mergeSteps(
  steps: readonly StepView[],
  children: readonly RunSnapshot[],
): readonly StepView[] {
  const merged = [...steps];
  for (const step of children.flatMap(({ view }) => view?.steps ?? [])) {
    const at = merged.findIndex((own) => own.service === step.service && own.step === step.step);
    const own = merged[at];
    if (own === undefined) {
      // Beside the other steps of its service, so that the picture keeps its order.
      const last = merged.findLastIndex(({ service }) => service === step.service);
      merged.splice(last + 1, 0, step);
    } else if (progressOf(step.state) > progressOf(own.state)) {
      merged[at] = step;
    }
  }
  return merged;
}

/** How far a step is: pending, running, over. */
export function progressOf(state: StepView['state']): number {
  switch (state) {
    case 'pending':
      return 0;
    case 'running':
      return 1;
    case 'done':
    case 'failed':
    case 'skipped':
      return 2;
  }
}

function keyOf({ activityType, service, source }: ActivitySnapshot): string {
  return [activityType, service, source].join('\u0000');
}
