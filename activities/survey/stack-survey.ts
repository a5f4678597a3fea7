/**
 * The survey of the host: everything configured is held against what is there, and what is there
 * against the configuration. One for `config check --host`, the worker's start and a backup's
 * first step. It changes nothing and takes a second.
 */
import { toldDataDirectory } from '../shared/postgres-source.js';
import { missingOnHost } from '../../src/config/check/check-host.js';
import { filesBase } from '../../src/format/config/artifacts.js';
import type { Config } from '../../src/format/config/schema.js';
import { findContainer } from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { hostProbe } from './host-probe.js';
import { readInventory, type Inventory } from '../../src/docker/engine/inventory.js';
import { surveyProjects } from '../../src/docker/compose/project.js';
import { sharesVolumes } from '../../src/docker/volumes/volumes.js';
import {
  overlapFindings,
  uncoveredCandidates,
  type StackFacts,
  type SurveyFinding,
} from '../../src/plan/backup/stack-survey.js';
import { fixUncovered, describeUncovered } from '../../src/plan/backup/uncovered.js';
import type { Uncovered } from '../../src/format/manifest.js';
import { gateFindings } from './survey-gates.js';
import {
  holdsData,
  programFindings,
  realPath,
  rootFindings,
  treeFindings,
  volumeFindings,
} from './survey-places.js';
import { holdFindings } from './survey-holds.js';
import { serverFindings } from './survey-servers.js';

export interface StackSurvey {
  /** Errors and notes, what no source covers among the notes. */
  readonly findings: readonly SurveyFinding[];
  readonly uncovered: readonly Uncovered[];
}

/** @throws HoldfastError DOCKER_UNREACHABLE, DOCKER_FAILED, or the signal's reason */
export async function surveyStack(
  config: Config,
  engine: Engine,
  signal: AbortSignal,
): Promise<StackSurvey> {
  const [inventory, projects] = await Promise.all([
    readInventory(engine),
    surveyProjects(engine, config),
  ]);
  const facts: StackFacts = {
    ...inventory,
    projects: new Map(
      projects.flatMap(({ service, project }) =>
        project === undefined ? [] : [[service, project]],
      ),
    ),
    dataDirectories: await dataDirectories(engine, config, inventory),
    real: await realPaths(config, inventory),
  };
  const missing = await missingOnHost(config, hostProbe(inventory));
  const found = await Promise.all([
    programFindings(config),
    rootFindings(config),
    treeFindings(config),
    volumeFindings(config, engine, inventory.volumes),
    serverFindings(config, engine, signal),
    gateFindings(config),
    holdFindings(config, engine),
  ]);
  signal.throwIfAborted();
  const uncovered = await uncoveredIn(config, engine, facts);
  return {
    findings: [
      ...missing.map(({ path, message, fix }): SurveyFinding => ({
        ...{ severity: 'error', code: 'not-there', path, message, fix },
      })),
      ...projects.flatMap(({ service, problem }): SurveyFinding[] =>
        problem === undefined
          ? []
          : [
              {
                severity: 'error',
                code: 'project',
                path: ['services', service, 'compose'],
                ...problem,
              },
            ],
      ),
      ...found.flat(),
      ...overlapFindings(config, facts),
      ...uncovered.map(({ partly, ...one }): SurveyFinding => ({
        severity: 'note',
        code: 'uncovered',
        path: ['services', one.service],
        message: describeUncovered(one, partly),
        fix: fixUncovered(one),
      })),
    ],
    uncovered: uncovered.map(({ service, kind, name, usedBy }) => ({
      service,
      kind,
      name,
      usedBy,
    })),
  };
}

/** Of servers only: the environment of a container costs a call. */
async function dataDirectories(
  engine: Engine,
  config: Config,
  { containers }: Inventory,
): Promise<Map<string, string>> {
  const configured = new Set(
    Object.values(config.services).flatMap(({ sources }) =>
      Object.values(sources).flatMap((source) =>
        source.kind === 'postgres' ? [source.container] : [],
      ),
    ),
  );
  const found = new Map<string, string>();
  for (const { name, image } of containers) {
    if (!configured.has(name) && !/postg|timescale|pgvector/.test(image)) continue;
    const container = await findContainer(engine, name);
    const pgdata = container === undefined ? undefined : toldDataDirectory(container);
    if (pgdata !== undefined) found.set(name, pgdata);
  }
  return found;
}

async function realPaths(config: Config, inventory: Inventory): Promise<Map<string, string>> {
  const bases = Object.values(config.services).flatMap((service) =>
    Object.values(service.sources).flatMap((source) =>
      source.kind === 'files' ? (filesBase(service, source) ?? []) : [],
    ),
  );
  const paths = new Set([
    config.backups.root,
    ...bases,
    ...inventory.volumes.flatMap(({ options, mountpoint }) => [options['device'] ?? mountpoint]),
    ...inventory.containers.flatMap(({ mounts }) =>
      mounts.flatMap(({ type, source }) => (type === 'bind' ? [source] : [])),
    ),
  ]);
  const real = new Map<string, string>();
  for (const one of paths) if (one.startsWith('/')) real.set(one, await realPath(one));
  return real;
}

/** Only where there is data: an engine elsewhere can't be looked into, and there all counts as data. */
async function uncoveredIn(
  config: Config,
  engine: Engine,
  facts: StackFacts,
): Promise<(Uncovered & { readonly partly: boolean })[]> {
  const candidates = uncoveredCandidates(config, facts);
  if (candidates.length === 0) return [];
  const here = await sharesVolumes(engine);
  const found: (Uncovered & { readonly partly: boolean })[] = [];
  for (const { place, ...candidate } of candidates) {
    if (!here || place === '' || (await holdsData(place))) found.push(candidate);
  }
  return found;
}
