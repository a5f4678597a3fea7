/** Starting what a restore has replaced, and what it had stopped, as it ran before. */
import type { ServiceConfig } from '../../src/format/config/schema.js';
import type { ComposeProject } from '../../src/docker/compose/compose.js';
import { resolveCompose, type ComposeModel } from '../../src/docker/compose/compose-model.js';
import { findContainer } from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { ensureExternals } from '../../src/docker/compose/externals.js';
import { isOneOff, takeInventory } from '../../src/docker/containers/what-runs.js';
import {
  readRecord,
  startRecorded,
  type RunningRecord,
} from '../../src/docker/containers/running-record.js';
import { planStart } from '../../src/docker/compose/start-plan.js';
import { startServices } from '../../src/docker/compose/start-services.js';
import { isHoldfastError, messageOf } from '../../src/base/errors.js';
import type { Work } from '../../src/base/progress.js';
import { readSet } from '../../src/store/catalogue/catalogue.js';
import type { InventoryContainer, ServiceInventory } from '../../src/format/manifest.js';
import {
  noteDefinitionsBefore,
  readDefinitionsBefore,
  readRunningBefore,
  writeAskedToRun,
} from '../../src/store/records/restore-running.js';
import { composeProjectOf } from '../shared/compose-of.js';
import { stoppedFile } from '../shared/places.js';
import { serviceOf, type ActivityDependencies } from '../shared/runtime.js';
import { own } from '../../src/base/own.js';

/** The configuration under the names of the restore: see `forRestore`. */
type Named = Pick<ActivityDependencies, 'config' | 'engine' | 'runLog'>;

interface Subject {
  readonly restoreId: string;
  readonly service: string;
}

export interface StartedAgain {
  /** Names of the containers that run. */
  readonly started: readonly string[];
  /** Names of those that ran before and are no longer there. */
  readonly missing?: readonly string[];
  /** Of those that run, the ones that this call has started. */
  readonly anew?: readonly string[];
}

/**
 * What the sets say ran when they were made, of the services restored from them.
 * @param otherSets service → name of the set it comes from instead
 */
export async function savedRunning(
  root: string,
  set: { readonly id: string; readonly tier?: string },
  otherSets: Readonly<Record<string, string>> = {},
  names: Readonly<Record<string, string>> = {},
): Promise<ServiceInventory[]> {
  const of = async (id: string, tier?: string): Promise<ServiceInventory[]> => {
    // The old script's backups have no set file.
    const found = await readSet(root, id, tier).catch(() => undefined);
    return (found?.running ?? []).map((one) => ({
      ...one,
      service: own(names, one.service) ?? one.service,
    }));
  };
  const saved = (await of(set.id, set.tier)).filter(
    ({ service }) => own(otherSets, service) === undefined,
  );
  for (const [service, name] of Object.entries(otherSets)) {
    const [id = '', tier] = name.split('-');
    saved.push(...(await of(id, tier)).filter((one) => one.service === service));
  }
  return saved;
}

/** Notes what the compose files of a service say before a restore replaces them, if they can be read. */
export async function noteDefinitions(
  { config, runLog }: Named,
  { restoreId, service: name }: Subject,
  signal: AbortSignal,
): Promise<void> {
  const service = serviceOf(config, name);
  if (service.compose === undefined) return;
  try {
    const project = await composeProjectOf({ config }, { restoreId, service: name });
    const { definitions } = await resolveCompose(project, signal);
    const digests = Object.fromEntries(definitions.map((one) => [one.name, one.digest]));
    await noteDefinitionsBefore(config.backups.root, restoreId, name, digests);
  } catch (error) {
    signal.throwIfAborted();
    // On a bare machine there are none. All that follows is made anew, then.
    if (!isHoldfastError(error)) throw error;
    await runLog.write(`${name}: its compose files can't be read as they are: ${messageOf(error)}`);
  }
}

/** Starts a restored service: what ran, as many as ran. @returns what must be healthy now */
export async function startRestored(
  named: Named,
  subject: Subject,
  work: Work,
): Promise<{ started: string[]; gated: boolean }> {
  const { config, engine, runLog } = named;
  const { restoreId, service: name } = subject;
  const { root } = config.backups;
  const recordFile = stoppedFile(root, restoreId, name);
  const project = await composeProjectOf({ config }, subject);
  const model = await resolveCompose(project, work.signal);
  const made = await ensureExternals(engine, model);
  if (made.length > 0) await runLog.write(`Created ${made.join(', ')}`);
  const noted = await readRunningBefore(root, restoreId);
  const present = await presentOf(engine, config, name);
  const plan = planStart({
    definitions: model.definitions,
    present,
    before:
      noted?.services.find(({ service }) => service === name)?.containers ??
      inventoryOfRecord(await readRecord(recordFile), present, model),
    digestsBefore: await readDefinitionsBefore(root, restoreId, name),
    saved: noted?.saved.find(({ service }) => service === name)?.containers,
  });
  const { acted, demanded, excused } = await startServices(engine, project, plan, work);
  // Others that use its volumes had to wait, too; so had what `compose run` had made.
  const others = await startRecorded(engine, recordFile, {
    keepRecord: true,
    only: (one) => one.composeProject !== project.project || isOneOff(one),
  });
  await writeAskedToRun(root, restoreId, name, { demanded, excused });
  const running = [...demanded, ...excused, ...others.started];
  await runLog.write(`Started ${running.join(', ') || `nothing of ${name}: nothing of it ran`}`);
  return { started: running, gated: acted };
}

/**
 * Starts what ran before a restore, exactly. Containers that the restore made anew, from its own compose
 * files, and those that it or somebody removed, are made again from the files that are back.
 */
export async function startAgain(
  named: Named,
  recordFile: string,
  subject: Subject,
  work: Work,
  { keepRecord = false }: { readonly keepRecord?: boolean } = {},
): Promise<StartedAgain> {
  const { config, engine } = named;
  const { restoreId, service: name } = subject;
  const { root } = config.backups;
  const record = await readRecord(recordFile);
  if (record === undefined) return { started: [], missing: [] };
  const service: ServiceConfig | undefined = own(config.services, name);
  const upBefore = new Set<string>();
  for (const one of record.containers) {
    if ((await findContainer(engine, one.name))?.state === 'running') upBefore.add(one.name);
  }
  const noted = await readRunningBefore(root, restoreId);
  const before = noted?.services.find((one) => one.service === name)?.containers;
  const started: string[] = [];
  const excused: string[] = [];
  if (service?.compose !== undefined) {
    const gone = await goneSince(engine, record, before);
    if (gone.length > 0) {
      const project = await composeProjectOf({ config }, subject);
      const made = await makeAgain(named, { project, name, record, before, gone }, work);
      started.push(...made.demanded, ...made.excused);
      excused.push(...made.excused);
    }
  }
  const outcome = await startRecorded(engine, recordFile, { keepRecord });
  started.push(...outcome.started, ...outcome.alreadyRunning);
  for (const one of before ?? []) {
    if (one.state === 'paused' || one.state === 'restarting') excused.push(one.name);
  }
  const running = [...new Set(started)];
  await writeAskedToRun(root, restoreId, name, {
    demanded: running.filter((one) => !excused.includes(one)),
    excused: [...new Set(excused)],
  });
  return {
    started: running,
    missing: outcome.missing,
    anew: running.filter((one) => !upBefore.has(one)),
  };
}

/** Names of the containers, running or not, of which another one is there by now, or none. */
async function goneSince(
  engine: Engine,
  record: RunningRecord,
  before: readonly InventoryContainer[] | undefined,
): Promise<string[]> {
  const gone = new Set<string>();
  for (const { id, name, wasRunning } of record.containers) {
    // Without a note of what there was, only what ran counts.
    if (!wasRunning && before === undefined) continue;
    if ((await findContainer(engine, id)) === undefined) gone.add(name);
  }
  const known = new Set(record.containers.map(({ name }) => name));
  for (const { name, oneOff } of before ?? []) {
    if (known.has(name) || oneOff === true) continue;
    if ((await findContainer(engine, name)) === undefined) gone.add(name);
  }
  return [...gone];
}

async function makeAgain(
  { config, engine }: Named,
  {
    project,
    name,
    record,
    before,
    gone,
  }: {
    project: ComposeProject;
    name: string;
    record: RunningRecord;
    before: readonly InventoryContainer[] | undefined;
    gone: readonly string[];
  },
  work: Work,
): Promise<{ demanded: readonly string[]; excused: readonly string[] }> {
  const model = await resolveCompose(project, work.signal);
  const present = await presentOf(engine, config, name);
  const was = before ?? inventoryOfRecord(record, present, model);
  const changed = new Set(
    was.filter((one) => gone.includes(one.name)).map(({ composeService }) => composeService),
  );
  const plan = planStart({
    definitions: model.definitions,
    present,
    before: was,
    // What is still the same container is not made anew, whatever the files say of it.
    digestsBefore: new Map(
      model.definitions
        .filter((one) => !changed.has(one.name))
        .map(({ name: service, digest }) => [service, digest]),
    ),
    exactly: true,
  });
  return startServices(engine, project, plan, work);
}

async function presentOf(
  engine: Engine,
  config: Named['config'],
  service: string,
): Promise<readonly InventoryContainer[]> {
  const [found] = await takeInventory(engine, config, [service]);
  return found?.containers ?? [];
}

/** What a record of an earlier version tells: which containers there were, and whether they ran. */
function inventoryOfRecord(
  record: RunningRecord | undefined,
  present: readonly InventoryContainer[],
  { project, services }: ComposeModel,
): InventoryContainer[] {
  return (record?.containers ?? []).flatMap(({ name, wasRunning, wasPaused }) => {
    const found = present.find((one) => one.name === name);
    const composeService = found?.composeService ?? serviceByName(name, project, services);
    if (composeService === undefined) return [];
    const state = wasPaused ? 'paused' : wasRunning ? 'running' : 'exited';
    const exitCode = found?.exitCode ?? 0;
    return [{ ...found, name, composeService, state, exitCode } satisfies InventoryContainer];
  });
}

function serviceByName(
  container: string,
  project: string,
  services: ComposeModel['services'],
): string | undefined {
  for (const [service, name] of services) {
    if (name === container) return service;
    const own = [`${project}_${service}_`, `${project}-${service}-`];
    if (name === undefined && own.some((start) => container.startsWith(start))) return service;
  }
  return undefined;
}
