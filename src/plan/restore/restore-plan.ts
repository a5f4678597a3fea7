/** What a restore will do, as data. Pure. */
import { HoldfastError } from '../../base/errors.js';
import type { SetArtifact } from '../../format/manifest.js';
import { dependentsOf, requireKnown, stagesOf, stopOrder } from '../shared/order.js';
import type { RestorePlan, RestoreServicePlan, RestoreSourceStep } from './restore-types.js';
import { planSteps } from './restore-steps.js';
import { setName } from '../../format/set-order.js';
import { serviceOrder } from '../shared/stack-view.js';
import type { ServiceView, SourceView, StackView } from '../shared/stack-view.js';
import {
  type RestorableSet,
  type RestoreSelection,
  selector,
  requireSources,
  selectedServices,
} from './restore-selection.js';

function isWhole(source: SourceView): boolean {
  return source.include?.length === 1 && source.include[0] === '**';
}

/**
 * Wide before narrow: a whole home would otherwise put back what a narrower source has just
 * restored in it. A server comes last: its configuration must be there when it starts.
 */
function rank(source: SourceView): number {
  switch (source.kind) {
    case 'files':
      return isWhole(source) ? 0 : 1;
    case 'volume':
      return 2;
    case 'postgres':
      return 3;
  }
}

/** What a restore of the source puts aside, in words. */
function replaces(source: SourceView, databases: readonly string[] | undefined): string {
  switch (source.kind) {
    case 'files': {
      const { include = [], exclude = [] } = source;
      const what = isWhole(source)
        ? `everything in ${source.target}`
        : `in ${source.target}: ${include.join(', ')}`;
      return exclude.length === 0 ? what : `${what}, without ${exclude.join(', ')}`;
    }
    case 'volume':
      return `the volume ${source.target}`;
    case 'postgres':
      return databases === undefined
        ? `all data of the server in ${source.target}`
        : `in the server ${source.target}: ${databases.join(', ')}`;
  }
}

/** What a restore of the source leaves alone within what it replaces, in words. */
function keeps({ kind, target, include = [], exclude = [] }: SourceView): string | undefined {
  if (kind !== 'files') return undefined;
  const whole = include.length === 1 && include[0] === '**';
  const parts = [
    ...(whole ? [] : [`what else is in ${target}`]),
    ...(exclude.length === 0 ? [] : [exclude.join(', ')]),
  ];
  return parts.length === 0 ? undefined : parts.join(', and ');
}

/** Sources with their artifacts, in the order they are restored in. */
function steps(
  service: ServiceView,
  artifacts: readonly SetArtifact[],
  { databases, serverSettings }: RestoreSelection,
): RestoreSourceStep[] {
  const leaves = serverSettings === false && databases === undefined;
  return [...service.sources]
    .filter(({ kind }) => databases === undefined || kind === 'postgres')
    .sort((left, right) => rank(left) - rank(right))
    .flatMap((source) => {
      const artifact = artifactOf(source, artifacts);
      if (artifact === undefined || coveredBy(source, service, artifacts) !== undefined) return [];
      const kept = keeps(source);
      return [
        {
          source: source.source,
          kind: source.kind,
          artifact,
          replaces: replaces(source, databases),
          ...(kept === undefined ? {} : { keeps: kept }),
          ...(databases === undefined ? {} : { databases }),
          ...(leaves && source.kind === 'postgres' ? { serverSettings } : {}),
        },
      ];
    });
}

function artifactOf(
  source: SourceView,
  artifacts: readonly SetArtifact[],
): SetArtifact | undefined {
  return artifacts.find((each) => each.source === source.source && each.kind === source.kind);
}

/**
 * The source whose artifact brings all of this one's files with it: the whole of the same directory,
 * nothing left out. Restoring a part of it once more would only touch the directories around it.
 */
function coveredBy(
  source: SourceView,
  service: ServiceView,
  artifacts: readonly SetArtifact[],
): SourceView | undefined {
  if (source.kind !== 'files' || isWhole(source)) return undefined;
  return service.sources.find(
    (other) =>
      other.kind === 'files' &&
      other.target === source.target &&
      isWhole(other) &&
      (other.exclude ?? []).length === 0 &&
      artifactOf(other, artifacts) !== undefined,
  );
}

/** What is restored without a step of its own. */
function coveredNotes(service: ServiceView, artifacts: readonly SetArtifact[]): string[] {
  return service.sources.flatMap((source) => {
    const wide = coveredBy(source, service, artifacts);
    if (wide === undefined || artifactOf(source, artifacts) === undefined) return [];
    return [`${service.name}/${source.source} comes with ${service.name}/${wide.source}`];
  });
}

function requireInSet(set: RestorableSet, missing: readonly string[], held: readonly string[]) {
  if (missing.length === 0) return;
  const hint =
    held.length === 0
      ? 'Choose another set.'
      : `Choose another set, or of this one: ${held.join(', ')}.`;
  throw new HoldfastError(
    'SET_NOT_FOUND',
    `the set ${setName(set)} holds nothing of ${missing.join(', ')}`,
    { hint, facts: { set: setName(set), missing, held } },
  );
}

/** What a person should know before agreeing to restore from this set. */
function setWarnings(stack: StackView, set: RestorableSet): string[] {
  const warnings: string[] = [];
  if (set.stack !== stack.stack) {
    warnings.push(`the set is of the stack ${set.stack}, this is ${stack.stack}`);
  }
  if (set.status !== 'success') {
    const named = set.problems.map((each) => `${each.service}/${each.source}: ${each.message}`);
    const problems = named.length === 0 ? 'no problems are named' : named.join('; ');
    warnings.push(`the set ${setName(set)} is ${set.status}: ${problems}`);
  }
  return warnings;
}

/** What of one chosen service the set does not hold, does not fit, or holds in doubt. */
function serviceWarnings(service: ServiceView, artifacts: readonly SetArtifact[]): string[] {
  const warnings: string[] = [];
  for (const source of service.sources) {
    const what = `${service.name}/${source.source}`;
    const found = artifacts.find((each) => each.source === source.source);
    if (found === undefined) {
      warnings.push(`${what} is not in the set and stays as it is`);
    } else if (found.kind !== source.kind) {
      warnings.push(`${what} is ${found.kind} in the set, ${source.kind} now, and stays as it is`);
    } else if (!found.consistent) {
      const expected = source.changesExpected ? ' (expected by the configuration)' : '';
      warnings.push(`${what} changed while it was backed up${expected}`);
    }
  }
  for (const artifact of artifacts) {
    if (service.sources.some((source) => source.source === artifact.source)) continue;
    warnings.push(
      `${service.name}/${artifact.source} is in the set, but no longer in the configuration; it is not restored`,
    );
  }
  return warnings;
}

/**
 * Plans a restore from `set`: of all services it holds, or of those selected. Whatever comes
 * after a restored service and has containers is stopped first and started again in its stage
 * (with no sources), since it must not see its dependency's state change beneath it; unless it is
 * to be left running.
 *
 * `stopOrder` holds all services of the plan that have containers, the restored ones, too: the
 * exact reverse of the order in which the stages start them. A server of which only some databases
 * are replaced is not stopped: it does the work.
 *
 * @throws UNKNOWN_SERVICE, UNKNOWN_SOURCE naming all unknown; SET_NOT_FOUND when the set holds
 *   nothing of a service.
 */
export function planRestore(
  stack: StackView,
  set: RestorableSet,
  input: RestoreSelection,
): RestorePlan {
  const order = serviceOrder(stack);
  const byName = new Map(stack.services.map((service) => [service.name, service]));
  const services = selectedServices(stack, set, input);
  requireKnown([...byName.keys()], services ?? []);
  requireSources(stack, input.sources ?? []);
  const isMeant = selector(input);
  const artifactsOf = (name: string): SetArtifact[] =>
    set.artifacts.filter(({ service, source }) => service === name && isMeant(service, source));
  const stepsOf = (name: string): RestoreSourceStep[] => {
    const service = byName.get(name);
    return service === undefined ? [] : steps(service, artifactsOf(name), input);
  };
  const held = [...byName.keys()].filter((name) => stepsOf(name).length > 0);
  const chosen = services === undefined ? held : [...new Set(services)];
  requireInSet(
    set,
    chosen.length === 0 ? [stack.stack] : chosen.filter((name) => !held.includes(name)),
    held,
  );
  const runs = (name: string): boolean => byName.get(name)?.hasContainers ?? false;
  const dependents = dependentsOf(order, chosen).filter(runs);
  const left = input.dependents === 'leave' ? dependents : [];
  const involved = [...chosen, ...dependents.filter((name) => !left.includes(name))];
  const stages = stagesOf(order, involved).map((stage) =>
    stage.map((name): RestoreServicePlan => ({
      service: name,
      sources: chosen.includes(name) ? stepsOf(name) : [],
      // A server of which only databases are replaced runs all the time.
      hasContainers: runs(name) && !(input.databases !== undefined && chosen.includes(name)),
    })),
  );
  const warnings = [
    ...setWarnings(stack, set),
    ...left.map((name) => `${name} keeps running while what it comes after is replaced`),
  ];
  const notes: string[] = [];
  if (services === undefined) {
    for (const service of stack.services) {
      if (service.sources.length === 0 || held.includes(service.name)) continue;
      warnings.push(`${service.name} is not in the set and stays as it is`);
    }
    const strange = set.artifacts.map((each) => each.service).filter((name) => !byName.has(name));
    for (const name of new Set(strange)) {
      warnings.push(`${name} is in the set, but not in the configuration; it is not restored`);
    }
  }
  for (const name of chosen) {
    const service = byName.get(name);
    if (service === undefined) continue;
    const meant = {
      ...service,
      sources: service.sources.filter(
        ({ source, kind }) =>
          isMeant(name, source) && (input.databases === undefined || kind === 'postgres'),
      ),
    };
    if (input.databases === undefined) warnings.push(...serviceWarnings(meant, artifactsOf(name)));
    notes.push(...coveredNotes(meant, artifactsOf(name)));
  }
  const kept = (name: string): boolean => input.databases !== undefined && chosen.includes(name);
  const stopped = stopOrder(order, involved.filter(runs)).filter((name) => !kept(name));
  return {
    setId: set.id,
    setTier: set.tier,
    stopOrder: stopped,
    stages,
    steps: planSteps({ stopOrder: stopped, stages }),
    ...(Object.keys(input.otherSets ?? {}).length === 0 ? {} : { otherSets: input.otherSets }),
    ...(left.length === 0 ? {} : { leftRunning: left }),
    contentBytes: stages
      .flat()
      .flatMap((service) => service.sources)
      .reduce((sum, source) => sum + source.artifact.contentBytes, 0),
    space: [],
    notes,
    warnings,
  };
}

/**
 * The number of the stage to pause before.
 * @throws HoldfastError INPUT_INVALID when the plan has no such stage or service
 */
export function pauseStage(
  { stages }: Pick<RestorePlan, 'stages'>,
  wanted: number | string | undefined,
): number | undefined {
  if (wanted === undefined) return undefined;
  const index =
    typeof wanted === 'number'
      ? wanted - 1
      : stages.findIndex((stage) => stage.some(({ service }) => service === wanted));
  if (stages[index] !== undefined) return index + 1;
  throw new HoldfastError('INPUT_INVALID', `the plan has no stage ${wanted} to pause before`, {
    hint: `It has ${stages.map((stage, at) => `${at + 1} (${stage.map(({ service }) => service).join(', ')})`).join(', ')}.`,
    facts: { wanted, stages: stages.length },
  });
}
