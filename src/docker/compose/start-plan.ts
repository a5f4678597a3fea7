/**
 * Which containers of a compose project run after a restore, and how they come up. Pure.
 *
 * What ran before is what runs afterwards. Compose is never asked for all of a project: that starts
 * services that nobody had started, one of which may delete data. It is asked for single services with
 * the number of containers they had; what is still there as it was is started by the engine.
 */
import type { InventoryContainer } from '../../format/manifest.js';
import { wasUp } from '../containers/what-runs.js';

export type DependencyCondition = 'started' | 'healthy' | 'completed';

export interface ServiceDefinition {
  readonly name: string;
  readonly profiles: readonly string[];
  /** Containers compose makes of it when nobody says how many. */
  readonly scale: number;
  readonly dependsOn: readonly {
    readonly service: string;
    readonly condition: DependencyCondition;
  }[];
  /** Services in whose namespaces (network, processes) it lives: made anew with them. */
  readonly joins: readonly string[];
  /** Over the whole definition and what it refers to: equal, nothing has to be made anew. */
  readonly digest: string;
}

export interface StartQuestion {
  /** As the compose files are now. */
  readonly definitions: readonly ServiceDefinition[];
  /** What there is now; one-off containers left out. */
  readonly present: readonly InventoryContainer[];
  /** What there was when the restore began; undefined where nobody noted it. */
  readonly before?: readonly InventoryContainer[] | undefined;
  /** Digests of the definitions from before, by service. */
  readonly digestsBefore?: ReadonlyMap<string, string> | undefined;
  /** What there was when the backup was made; undefined for sets that do not say. */
  readonly saved?: readonly InventoryContainer[] | undefined;
  /** Exactly as before, and nothing more: what the backup had counts for nothing. */
  readonly exactly?: boolean;
}

export interface ServiceStart {
  readonly service: string;
  /** Containers there must be, and how many of them must run. */
  readonly total: number;
  readonly running: number;
  /** Some are missing, or are to be made anew: compose's work. */
  readonly compose: boolean;
  /** Those that are there are made anew where their definition is another one now. */
  readonly anew: boolean;
  /** Names of those that are there and must run. */
  readonly names: readonly string[];
  /** Of those that run: to be paused again. */
  readonly paused: readonly InventoryContainer[];
  /** Of those that run: they were in a crash loop, and nobody waits for them to stay up. */
  readonly crashing: readonly InventoryContainer[];
  /** A job that others wait for, whose container had to be made: it runs once, as by `compose up`. */
  readonly job: boolean;
  readonly waitFor: ServiceDefinition['dependsOn'];
}

/** Groups in the order of starting; within one, nothing depends on another. */
export function planStart(question: StartQuestion): ServiceStart[][] {
  const { definitions } = question;
  const counts = new Map(
    definitions.map((definition) => [definition.name, countOf(definition, question)]),
  );
  const jobs = jobsOf(definitions);
  const anew = madeAnew(question, counts);
  const starts = new Map(
    definitions.map((definition) => {
      const { name } = definition;
      const { total, running, ran, last } = counts.get(name) ?? NONE;
      const present = of(question.present, name);
      const existed = of(question.before ?? question.present, name).length > 0;
      const waitedFor = [...(jobs.get(name) ?? [])].some(
        (dependent) => (counts.get(dependent)?.running ?? 0) > 0,
      );
      const start: ServiceStart = {
        service: name,
        total,
        running,
        compose: total > 0 && (present.length < total || anew.has(name)),
        anew: anew.has(name),
        names: namesToRun(present, ran, running),
        paused: last.filter(({ state }) => state === 'paused'),
        crashing: last.filter(({ state }) => state === 'restarting'),
        job: waitedFor && (running > 0 ? !ranAlready(last) : !existed && question.exactly !== true),
        waitFor: definition.dependsOn,
      };
      // A job runs once: there is one container of it even where none was noted.
      return [name, start.job && start.total === 0 ? { ...start, total: 1, compose: true } : start];
    }),
  );
  return inGroups(definitions, starts);
}

interface Count {
  readonly total: number;
  readonly running: number;
  /** Names of those that ran before the restore. */
  readonly ran: ReadonlySet<string>;
  /** The containers that decided: before the restore, else when the backup was made. */
  readonly last: readonly InventoryContainer[];
}

const NONE: Count = { total: 0, running: 0, ran: new Set(), last: [] };

function countOf(definition: ServiceDefinition, question: StartQuestion): Count {
  const { name, profiles, scale } = definition;
  const before = of(question.before ?? [], name);
  const ran = before.filter(wasUp);
  const names = new Set(ran.map((one) => one.name));
  if (question.exactly === true) {
    return { total: before.length, running: ran.length, ran: names, last: before };
  }
  const saved = question.saved === undefined ? undefined : of(question.saved, name);
  const savedRan = (saved ?? []).filter(wasUp).length;
  const somethingRan = (question.before ?? []).some(wasUp);
  if (somethingRan) {
    if (saved !== undefined && saved.length > before.length) {
      // Some are gone since the backup. Those that are there and stopped were stopped by somebody.
      const missing = saved.length - before.length;
      const running = Math.max(ran.length, Math.min(savedRan, ran.length + missing));
      return { total: saved.length, running, ran: names, last: ran.length > 0 ? before : saved };
    }
    if (before.length > 0) {
      return { total: before.length, running: ran.length, ran: names, last: before };
    }
    // Nobody had started it, as far as is known; unless the restored files brought it.
    const isNew = saved === undefined && question.digestsBefore?.has(name) === false;
    return isNew && profiles.length === 0 ? whole(scale) : NONE;
  }
  if (saved !== undefined && question.saved !== undefined && question.saved.length > 0) {
    const total = Math.max(saved.length, before.length);
    return { total, running: savedRan, ran: namesRunning(saved), last: saved };
  }
  // Nothing ran and nothing is known: as on a bare machine, what `compose up` would start.
  if (profiles.length > 0) return { ...NONE, total: before.length, last: before };
  return whole(Math.max(scale, before.length));
}

function whole(count: number): Count {
  return { total: count, running: count, ran: new Set(), last: [] };
}

function namesRunning(containers: readonly InventoryContainer[]): Set<string> {
  return new Set(containers.filter(wasUp).map(({ name }) => name));
}

function of(containers: readonly InventoryContainer[], service: string): InventoryContainer[] {
  return containers.filter(
    ({ composeService, oneOff }) => composeService === service && oneOff !== true,
  );
}

/** Those that ran; beside them as many as are needed of the others, by number. */
function namesToRun(
  present: readonly InventoryContainer[],
  ran: ReadonlySet<string>,
  running: number,
): string[] {
  const byNumber = [...present].sort((a, b) => (a.number ?? 0) - (b.number ?? 0));
  const first = byNumber.filter(({ name }) => ran.has(name));
  const rest = byNumber.filter(({ name }) => !ran.has(name));
  return [...first, ...rest].slice(0, running).map(({ name }) => name);
}

/** Whose definition is another than before, and who lives in their namespaces. */
function madeAnew(
  { definitions, digestsBefore, present }: StartQuestion,
  counts: ReadonlyMap<string, Count>,
): Set<string> {
  const anew = new Set(
    definitions
      .filter(({ name, digest }) => digestsBefore?.get(name) !== digest)
      .map(({ name }) => name),
  );
  const missing = definitions
    .map(({ name }) => name)
    .filter((name) => of(present, name).length < (counts.get(name)?.total ?? 0));
  for (let size = -1; size !== anew.size;) {
    size = anew.size;
    for (const { name, joins } of definitions) {
      if (joins.some((one) => anew.has(one) || missing.includes(one))) anew.add(name);
    }
  }
  return anew;
}

/** Job → the services that wait for it to end well. */
function jobsOf(definitions: readonly ServiceDefinition[]): Map<string, Set<string>> {
  const jobs = new Map<string, Set<string>>();
  for (const { name, dependsOn } of definitions) {
    for (const { service, condition } of dependsOn) {
      if (condition !== 'completed') continue;
      jobs.set(service, (jobs.get(service) ?? new Set()).add(name));
    }
  }
  return jobs;
}

function ranAlready(last: readonly InventoryContainer[]): boolean {
  return last.some(wasUp);
}

function inGroups(
  definitions: readonly ServiceDefinition[],
  starts: ReadonlyMap<string, ServiceStart>,
): ServiceStart[][] {
  const depth = new Map<string, number>();
  const depthOf = (name: string, path: readonly string[]): number => {
    const known = depth.get(name);
    if (known !== undefined) return known;
    const definition = definitions.find((one) => one.name === name);
    // A circle is for compose to refuse.
    if (definition === undefined || path.includes(name)) return -1;
    const needed = [...definition.dependsOn.map(({ service }) => service), ...definition.joins];
    const deepest = Math.max(-1, ...needed.map((one) => depthOf(one, [...path, name])));
    depth.set(name, deepest + 1);
    return deepest + 1;
  };
  const groups: ServiceStart[][] = [];
  for (const { name } of definitions) {
    const start = starts.get(name);
    if (start === undefined || start.total === 0) continue;
    (groups[depthOf(name, [])] ??= []).push(start);
  }
  return groups.filter((group) => group.length > 0);
}
