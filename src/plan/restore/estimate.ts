import type { DrillResult } from '../../format/drill-result.js';
import type { RestorePlan, RestoreServicePlan, RestoreSourceStep } from './restore-types.js';
import type { Measurement } from '../../format/measurement.js';

/**
 * What drills have measured, in the form that restores do.
 * @param kindOf what a source of the configuration is; measurements of others are left out
 */
export function measuredByDrills(
  drills: readonly Pick<DrillResult, 'status' | 'finishedAt' | 'steps'>[],
  kindOf: (service: string, source: string) => 'files' | 'volume' | 'postgres' | undefined,
): Measurement[] {
  return drills
    .filter(({ status }) => status === 'passed')
    .flatMap(({ steps, finishedAt: at }) => {
      const found = new Map<string, Measurement>();
      const add = (one: Omit<Measurement, 'at'>): void => {
        const key = `${one.kind} ${one.service}/${one.source}`;
        const known = found.get(key);
        const durationMs = (known?.durationMs ?? 0) + one.durationMs;
        // All artifacts are checked; unpacking and swapping are about the same one.
        const bytes =
          one.kind === 'check'
            ? (known?.bytes ?? 0) + one.bytes
            : Math.max(known?.bytes ?? 0, one.bytes);
        found.set(key, { ...one, bytes, durationMs, at });
      };
      for (const { service, source = '', step, durationMs, bytes = 0 } of steps) {
        switch (step) {
          case 'check':
            add({ kind: 'check', service: '', source: '', bytes, durationMs });
            break;
          case 'unpack':
          case 'swap':
          case 'load': {
            const kind = kindOf(service, source);
            if (kind !== undefined) add({ kind, service, source, bytes, durationMs });
            break;
          }
          case 'start':
          case 'gate':
            add({ kind: 'start', service, source: '', bytes: 0, durationMs });
            break;
          case 'compare':
          case 'sample':
            break;
        }
      }
      return [...found.values()];
    });
}

/** How many of the latest measurements count. */
const LATEST = 3;
/** Below this, what a step takes is its fixed cost: it says nothing of larger ones. */
const RATE_FROM_BYTES = 1024 * 1024;

/** The plan with an estimate wherever something like it was measured. */
export function withEstimates(plan: RestorePlan, measured: readonly Measurement[]): RestorePlan {
  const newest = [...measured].sort((left, right) => (left.at < right.at ? 1 : -1));
  const stages = plan.stages.map((stage) =>
    stage.map((service) => estimateService(service, newest)),
  );
  const checkMs = byBytes(
    newest.filter(({ kind }) => kind === 'check'),
    plan.contentBytes,
  );
  const stageMs = stages.map((stage) => longest(stage.map(serviceTotal)));
  const estimateMs = checkMs === undefined ? undefined : sum([checkMs, ...stageMs]);
  return { ...plan, stages, ...(estimateMs === undefined ? {} : { estimateMs }) };
}

function estimateService(
  service: RestoreServicePlan,
  newest: readonly Measurement[],
): RestoreServicePlan {
  const starts = newest.filter((one) => one.kind === 'start' && one.service === service.service);
  const startMs = service.hasContainers ? median(starts.map(({ durationMs }) => durationMs)) : 0;
  return {
    ...service,
    ...(startMs === undefined ? {} : { estimateMs: startMs }),
    sources: service.sources.map((source) => {
      const estimateMs = estimateSource(service.service, source, newest);
      return estimateMs === undefined ? source : { ...source, estimateMs };
    }),
  };
}

/** The same source's own pace first, else that of its kind. */
function estimateSource(
  service: string,
  { source, kind, artifact }: RestoreSourceStep,
  newest: readonly Measurement[],
): number | undefined {
  const ofKind = newest.filter((one) => one.kind === kind);
  const own = ofKind.filter((one) => one.service === service && one.source === source);
  return byBytes(own, artifact.contentBytes) ?? byBytes(ofKind, artifact.contentBytes);
}

/** Scaled by size; what was small took its time whatever its size. */
function byBytes(measured: readonly Measurement[], bytes: number): number | undefined {
  const estimates = measured.slice(0, LATEST).map((one) => {
    const from = Math.max(one.bytes, RATE_FROM_BYTES);
    return one.durationMs * Math.max(1, bytes / from);
  });
  return median(estimates);
}

function serviceTotal({ sources, estimateMs }: RestoreServicePlan): number | undefined {
  return sum([estimateMs, ...sources.map((source) => source.estimateMs)]);
}

/** Services of a stage run side by side. */
function longest(values: readonly (number | undefined)[]): number | undefined {
  return values.reduce(
    (most, value) =>
      most === undefined || value === undefined ? undefined : Math.max(most, value),
    0,
  );
}

function sum(values: readonly (number | undefined)[]): number | undefined {
  return values.reduce(
    (total, value) => (total === undefined || value === undefined ? undefined : total + value),
    0,
  );
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  return middle === undefined ? undefined : Math.round(middle);
}
