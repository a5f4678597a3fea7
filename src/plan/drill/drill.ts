import type {
  ComparedTables,
  DrillResult,
  DrillStep,
  NotTried,
  SampledSource,
} from '../../format/drill-result.js';
import type { Mapping } from '../../format/mapping.js';
import { serviceOrder, type StackView } from '../shared/stack-view.js';
import { count, formatBytes, formatDuration } from '../../base/words.js';
import type { RestorePlan, RestoreServicePlan } from '../restore/restore-types.js';
import { drillName, drillRoot } from '../../format/drill-names.js';
import { own } from '../../base/own.js';

/** What a stack calls its things, as far as configuration and manifests tell. */
export interface StackNames {
  readonly volumes: readonly string[];
  readonly containers: readonly string[];
  readonly projects: readonly string[];
}

/** Every path below the workspace, every name with the drill's prefix. */
export function drillMapping(id: string, workspace: string, names: StackNames): Mapping {
  const renamed = (all: readonly string[]): Record<string, string> =>
    Object.fromEntries(all.map((name) => [name, drillName(id, name)]));
  return {
    paths: { '/': drillRoot(workspace) },
    volumes: renamed(names.volumes),
    containers: renamed(names.containers),
    projects: renamed(names.projects),
    services: {},
  };
}

/**
 * The services to drill when some were asked for: these and all they come after, since a service is
 * healthy only with what it needs. Undefined (all that the set holds) where none were.
 */
export function drilledServices(
  stack: Pick<StackView, 'services'>,
  asked: readonly string[] | undefined,
): { readonly services: readonly string[] | undefined; readonly added: readonly string[] } {
  if (asked === undefined) return { services: undefined, added: [] };
  const order = serviceOrder(stack);
  const all = new Set<string>();
  const add = (name: string): void => {
    if (all.has(name)) return;
    all.add(name);
    for (const before of own(order, name)?.after ?? []) add(before);
  };
  asked.forEach(add);
  const services = [...all];
  return { services, added: services.filter((name) => !asked.includes(name)) };
}

/** Without services that are only stopped and started again: a drill stops nothing. */
export function drillStages(plan: RestorePlan): readonly (readonly RestoreServicePlan[])[] {
  return plan.stages
    .map((stage) => stage.filter(({ sources }) => sources.length > 0))
    .filter((stage) => stage.length > 0);
}

export interface DrillFit {
  /** Drilled whole. */
  readonly services: readonly string[];
  /** Of these only a sample is compared. */
  readonly sampled: readonly string[];
  /** What the services leave of `maxDiskBytes`. */
  readonly leftBytes: number;
  readonly notTried: readonly NotTried[];
}

/**
 * The services that can be copied and fit what a drill may unpack, in their order; what comes after one
 * that is left out could not be healthy, and is left out with it. With `sample`, those that are left out
 * for their size, or after such a one, are sampled where they have files; that is not a drill of them.
 */
export function fitDrill(
  stack: Pick<StackView, 'services'>,
  services: readonly RestoreServicePlan[],
  limits: {
    readonly maxDiskBytes?: number | undefined;
    /** Service → why a copy of it can't be made at all. */
    readonly impossible?: ReadonlyMap<string, string>;
    readonly sample?: boolean;
  },
): DrillFit {
  const order = serviceOrder(stack);
  const fitting: string[] = [];
  const notTried: NotTried[] = [];
  const tooLarge = new Set<string>();
  const sampled: string[] = [];
  const leftOut = (name: string): boolean => notTried.some(({ service }) => service === name);
  let used = 0;
  for (const { service, sources } of services) {
    const bytes = sources.reduce((sum, { artifact }) => sum + artifact.contentBytes, 0);
    const missing = own(order, service)?.after.find(leftOut);
    const impossible = limits.impossible?.get(service);
    const isTooLarge = used + bytes > (limits.maxDiskBytes ?? Infinity);
    if (missing === undefined && impossible === undefined && !isTooLarge) {
      used += bytes;
      fitting.push(service);
      continue;
    }
    const reason =
      missing === undefined
        ? (impossible ?? `its ${formatBytes(bytes)} do not fit into what drill.maxDisk leaves`)
        : `it comes after ${missing}, which is left out`;
    const after = (own(order, service)?.after ?? []).filter(leftOut);
    if (impossible === undefined && after.every((name) => tooLarge.has(name)))
      tooLarge.add(service);
    const isSampled =
      limits.sample === true &&
      tooLarge.has(service) &&
      sources.some(({ kind }) => kind !== 'postgres');
    if (isSampled) sampled.push(service);
    notTried.push({ service, what: isSampled ? 'more than a sample' : 'all of it', reason });
  }
  const leftBytes = (limits.maxDiskBytes ?? Infinity) - used;
  return { services: fitting, sampled, leftBytes, notTried };
}

/** `12 tables compared by content, 1 by number of rows only`. */
export function describeTables({ byContent, byCount }: ComparedTables): string {
  if (byCount === 0) return `${count(byContent, 'table')} compared by content`;
  if (byContent === 0) return `${count(byCount, 'table')} compared by number of rows only`;
  return `${count(byContent, 'table')} compared by content, ${byCount} by number of rows only`;
}

/** `mlopsnew/qdrant: sampled 1.0 GiB of 98.0 GiB, 312 files`. */
export function describeSample(sample: SampledSource): string {
  return `${sample.service}/${sample.source}: ${describeExtent(sample)}`;
}

/** `sampled 1.0 GiB of 98.0 GiB, 312 files`. */
export function describeExtent({
  files,
  bytes,
  ofBytes,
}: Pick<SampledSource, 'files' | 'bytes' | 'ofBytes'>): string {
  return `sampled ${formatBytes(bytes)} of ${formatBytes(ofBytes)}, ${count(files, 'file')}`;
}

/** How long a restore takes, as far as it was measured. */
export function describeTime({
  services,
  restoreMs,
  sampled = [],
}: Pick<DrillResult, 'services' | 'restoreMs' | 'sampled'>): string {
  if (services.length === 0 && sampled.length > 0) return 'nothing was restored whole';
  const without = sampled.length === 0 ? '' : ', without what was only sampled';
  return `a restore takes ${formatDuration(restoreMs)}${without}`;
}

/** {@link describeTime} and all samples, for messages. */
export function describeMeasured(drill: Parameters<typeof describeTime>[0]): string {
  return [describeTime(drill), ...(drill.sampled ?? []).map(describeSample)].join('; ');
}

/** All databases of a server, or all servers of a drill, together. */
export function sumTables(all: readonly ComparedTables[]): ComparedTables {
  return {
    byContent: all.reduce((sum, { byContent }) => sum + byContent, 0),
    byCount: all.reduce((sum, { byCount }) => sum + byCount, 0),
  };
}

/**
 * What a real restore of the same would have taken, in milliseconds: the check of everything, then
 * stage by stage the slowest of its services, without what only a drill does (compare, prepare).
 */
export function restoreTime(
  checkMs: number,
  stages: readonly (readonly string[])[],
  steps: readonly DrillStep[],
): number {
  const ofService = (name: string): number =>
    steps
      .filter(({ service, step }) => service === name && isPartOfRestore(step))
      .reduce((sum, { durationMs }) => sum + durationMs, 0);
  return stages.reduce((sum, stage) => sum + Math.max(0, ...stage.map(ofService)), checkMs);
}

function isPartOfRestore(step: DrillStep['step']): boolean {
  switch (step) {
    case 'unpack':
    case 'swap':
    case 'load':
    case 'start':
    case 'gate':
      return true;
    case 'check': // counted once, for all artifacts side by side
    case 'compare':
    case 'sample':
      return false;
  }
}
